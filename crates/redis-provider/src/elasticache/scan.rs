//! A walk over the keys of all primaries, a page at a time.
//!
//! Shards are walked in the order of their lowest slot. A cursor names the shard, and the node
//! whose own cursor it carries: nodes order their keys differently, so where another one took over
//! the shard is begun anew, and where slots went from shard to shard the whole walk is. Keys may
//! then come twice; none is left out that is there all the time.

use std::fmt;
use std::sync::Arc;

use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::{CustomCommand, Value};
use tokio::time::Instant;

use super::errors::{Access, Failure};
use super::node::Node;
use super::router::Router;
use super::settings::Address;
use super::values;
use super::view::{Shard, View};
use crate::dialect;
use crate::error::RedisError;
use crate::port::{ScanCursor, ScanPage};

/// Keys that a server looks at for a page.
const SCAN_COUNT: &str = "500";
/// The longest cursor: a host name has at most 253 characters.
const MOST_CURSOR_BYTES: usize = 320;

/// Where a walk goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    partition: u64,
    first_slot: u16,
    cursor: u64,
    /// The node that gave the cursor. It is only compared, never connected to.
    node: String,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, first_slot, cursor, node } = self;
        write!(formatter, "{partition:016x}-{first_slot}-{cursor}-{node}")
    }
}

impl Position {
    fn parse(text: &str) -> Option<Self> {
        if text.len() > MOST_CURSOR_BYTES {
            return None;
        }
        let mut parts = text.splitn(4, '-');
        let position = Self {
            partition: u64::from_str_radix(parts.next()?, 16).ok()?,
            first_slot: parts.next()?.parse().ok()?,
            cursor: parts.next()?.parse().ok()?,
            node: parts.next()?.to_owned(),
        };
        // Only what was printed here: `+1` is a number too, but not one of ours.
        (position.to_string() == text).then_some(position)
    }
}

/// The page to ask for next.
struct Step {
    shard: Shard,
    node: Arc<Node>,
    is_replica: bool,
    cursor: u64,
}

impl Router {
    pub(super) async fn scan(
        &self,
        prefix: &str,
        cursor: &ScanCursor,
    ) -> Result<ScanPage, RedisError> {
        let position = if *cursor == ScanCursor::START {
            None
        } else {
            let foreign = || RedisError::Rejected("a cursor of another scan".to_owned());
            Some(Position::parse(&cursor.0).ok_or_else(foreign)?)
        };
        let view = self.view();
        if view.is_unknown() {
            return Err(self.unknown());
        }
        let Some(step) = self.step(&view, position) else {
            return Ok(ScanPage { keys: Vec::new(), next: None });
        };
        let answer = self.page(&step, prefix).await?;
        let (keys, cursor) = values::scan_page(answer, prefix)?;
        let next = if cursor == 0 {
            next_shard(&view, step.shard).map(|shard| (shard, 0, String::new()))
        } else {
            Some((step.shard, cursor, step.node.address().to_string()))
        };
        let next = next.map(|(shard, cursor, node)| {
            let (partition, first_slot) = (view.partition(), shard.first_slot);
            ScanCursor(Position { partition, first_slot, cursor, node }.to_string())
        });
        Ok(ScanPage { keys, next })
    }

    fn step(&self, view: &View, position: Option<Position>) -> Option<Step> {
        let position = position.filter(|position| position.partition == view.partition());
        let shard = match &position {
            None => *view.shards().first()?,
            Some(position) => {
                let mut shards = view.shards().iter();
                *shards.find(|shard| shard.first_slot == position.first_slot)?
            }
        };
        let is_same = |node: &Arc<Node>| {
            position.as_ref().is_some_and(|position| name(node.address()) == position.node)
        };
        let replicas = || view.replicas(shard).filter(|node| node.is_usable());
        let replica = if self.plan().scan_replicas {
            replicas().find(|node| is_same(node)).or_else(|| replicas().next())
        } else {
            None
        };
        let is_replica = replica.is_some();
        let node = Arc::clone(replica.or_else(|| view.primary(shard))?);
        let cursor = position.as_ref().filter(|_| is_same(&node)).map_or(0, |from| from.cursor);
        Some(Step { shard, node, is_replica, cursor })
    }

    async fn page(&self, step: &Step, prefix: &str) -> Result<Value, RedisError> {
        let deadline = Instant::now() + self.plan().command_timeout;
        let pattern = dialect::prefix_pattern(prefix);
        let cursor = step.cursor.to_string();
        let is_replica = step.is_replica;
        let answer = step.node.call(Access::Read, deadline, async |sender| {
            let arguments = vec![cursor.as_str(), "MATCH", &pattern, "COUNT", SCAN_COUNT];
            let scan = CustomCommand::new_static("SCAN", None, false);
            if !is_replica {
                return sender.custom::<Value, _>(scan, arguments).await;
            }
            // A replica answers only where it was told that its lag is known.
            let pipeline = sender.pipeline().with_options(sender.options());
            let readonly = CustomCommand::new_static("READONLY", None, false);
            pipeline.custom::<(), Value>(readonly, Vec::new()).await?;
            pipeline.custom::<(), _>(scan, arguments).await?;
            let mut answers = pipeline.try_all::<Value>().await.into_iter();
            let missing = || Err(Error::new(ErrorKind::Protocol, "no answer of SCAN"));
            let (first, second) = (answers.next().unwrap_or_else(missing), answers.next());
            first.and_then(|_| second.unwrap_or_else(missing))
        });
        answer.await.map_err(|failure| match failure {
            Failure::Error(error) => error,
            _ => RedisError::Unavailable("a node that is asked for its keys redirects".to_owned()),
        })
    }
}

fn name(address: &Address) -> String {
    address.to_string()
}

fn next_shard(view: &View, after: Shard) -> Option<Shard> {
    let mut shards = view.shards().iter();
    shards.find(|shard| shard.first_slot > after.first_slot).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn foreign_cursors_are_refused() {
        let good = "00000000000000ff-5461-18446744073709551615-node-1.example.com:6379";
        assert_eq!(
            Position::parse(good).map(|position| position.to_string()).as_deref(),
            Some(good)
        );
        for bad in [
            "",
            "0",
            "ff-0-0-h:1",
            "00000000000000ff-65536-0-h:1",
            "00000000000000ff-+1-0-h:1",
            "00000000000000ff-1-18446744073709551616-h:1",
            "00000000000000ff-1-1",
            &format!("00000000000000ff-1-1-{}", "x".repeat(400)),
        ] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn cursors_come_back_as_they_went(
            partition: u64, first_slot: u16, cursor: u64, node in "[a-z0-9.:-]{0,60}",
        ) {
            let position = Position { partition, first_slot, cursor, node };
            prop_assert_eq!(Position::parse(&position.to_string()), Some(position));
        }

        #[test]
        fn nothing_makes_parsing_panic(text in ".{0,80}") {
            let _position = Position::parse(&text);
        }
    }
}
