//! Where a line has to be, and whether the server says that it is subscribed.
//!
//! A slot that moves to another shard takes no subscriptions along. The server says so once, in a
//! word that the client library drops, and answers as before; the same where a slot came back
//! meanwhile. So a line for sharded topics is asked for the number of its subscriptions, which the
//! server tells with each new one: it subscribes to one more, in the slot of its first topic, and
//! gives that up again. One that moved is refused, and a lost one is missing in the number.

use std::sync::Arc;

use fred::clients::SubscriberClient;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, PubsubInterface};
use fred::types::{CustomCommand, Key, Value};
use fred::util::redis_keyslot;

use crate::elasticache::errors::{Access, Failure};
use crate::elasticache::node::Node;
use crate::elasticache::router::Router;
use crate::elasticache::settings::{Address, Plan};
use crate::elasticache::view::View;
use crate::error::RedisError;

/// Topics that one line carries.
pub(super) type Topics = Arc<[String]>;

/// A node, and what is subscribed to there.
pub(super) struct Presence {
    node: Arc<Node>,
    topics: Topics,
    /// What is subscribed to for a moment, where topics are sharded.
    probe: Option<String>,
}

/// The topics as lines carry them: all together, or by the owners of their slots.
pub(super) fn groups(router: &Router, topics: &[String]) -> Vec<Topics> {
    if !router.is_sharded() {
        return vec![topics.into()];
    }
    let view = router.view();
    let mut groups: Vec<(Option<&Address>, Vec<String>)> = Vec::new();
    for topic in topics {
        let owner = view.owner(slot(topic)).map(|node| node.address());
        match groups.iter_mut().find(|(address, _)| *address == owner) {
            Some((_, group)) => group.push(topic.clone()),
            None => groups.push((owner, vec![topic.clone()])),
        }
    }
    groups.into_iter().map(|(_, group)| group.into()).collect()
}

fn slot(topic: &str) -> u16 {
    redis_keyslot(topic.as_bytes())
}

/// A topic of nobody in the slot of this one, which is its own tag unless it has one or cannot be
/// one.
fn probe(topic: &str) -> String {
    let names = [format!("{{{topic}}}:alive"), format!("{topic}:alive")].into_iter();
    let mut names = names.chain((0..=u32::MAX).map(|number| format!("{topic}:alive:{number}")));
    names.find(|name| slot(name) == slot(topic)).unwrap_or_default()
}

impl Presence {
    /// Any node that answers, or the owner of the topics' slots.
    pub(super) fn of(router: &Router, topics: Topics) -> Result<Self, RedisError> {
        let first = topics.first().filter(|_| router.is_sharded());
        let node = match first {
            Some(topic) => router.owner(slot(topic))?,
            None => router.usable().into_iter().next().ok_or_else(|| router.unreachable())?,
        };
        let probe = first.map(|topic| probe(topic));
        Ok(Self { node, topics, probe })
    }

    pub(super) fn address(&self) -> &Address {
        self.node.address()
    }

    pub(super) fn into_topics(self) -> Topics {
        self.topics
    }

    /// Whether this is the place for these topics.
    pub(super) fn is_right(&self, router: &Router, view: &View) -> bool {
        if self.probe.is_some() != router.shards(view) {
            return false;
        }
        if self.probe.is_none() {
            return view.find(self.node.address()).is_some();
        }
        let is_owner = |topic: &String| {
            view.owner(slot(topic)).is_some_and(|node| Arc::ptr_eq(node, &self.node))
        };
        self.topics.iter().all(is_owner)
    }

    /// Whether a message that reached nobody was one of these topics'.
    pub(super) fn concerns(&self, unheard: Option<u16>) -> bool {
        self.probe.is_some() && self.topics.iter().any(|topic| Some(slot(topic)) == unheard)
    }

    pub(super) async fn subscribe(
        &self,
        client: &SubscriberClient,
        plan: &Plan,
    ) -> Result<(), Error> {
        if self.probe.is_some() {
            for topic in &*self.topics {
                let _count = subscribe_to_one(client, plan, topic).await?;
            }
            return Ok(());
        }
        let channels: Vec<Key> = self.topics.iter().map(|topic| Key::from(&**topic)).collect();
        client.subscribe(channels).await?;
        // The library does not wait for the server's word. The server answers in order, so after
        // this answer the subscription is in force; a refusal arrives as the answer.
        ping(client, plan).await
    }

    /// Takes note of a redirection; answers what whoever subscribes is told.
    pub(super) fn refused(&self, router: &Router, failure: Failure) -> RedisError {
        match failure {
            Failure::Error(error) => error,
            Failure::Moved(redirect) => {
                let owner = router.moved(&redirect, &self.node);
                let address = owner.address();
                RedisError::Unavailable(format!("the topic belongs to {address} now"))
            }
            Failure::Ask(_) | Failure::TryAgain => {
                RedisError::Unavailable("the topic is about to move".to_owned())
            }
        }
    }

    /// Whether the server answers, and says that nothing was lost.
    pub(super) async fn is_in_force(&self, client: &SubscriberClient, router: &Router) -> bool {
        let plan = router.plan();
        let Some(probe) = &self.probe else { return ping(client, plan).await.is_ok() };
        match subscribe_to_one(client, plan, probe).await {
            Ok(count) => {
                let expected = i64::try_from(self.topics.len()).unwrap_or(i64::MAX) + 1;
                count == expected && client.sunsubscribe(probe.as_str()).await.is_ok()
            }
            Err(error) => {
                let failure = Failure::from_client(&error, Access::Read);
                let error = self.refused(router, failure);
                tracing::debug!(%error, address = %self.address(), "a subscription is in doubt");
                false
            }
        }
    }
}

/// Subscribes to one sharded topic; answers how many there are now on this connection. The
/// library's own command does not tell.
async fn subscribe_to_one(
    client: &SubscriberClient,
    plan: &Plan,
    topic: &str,
) -> Result<i64, Error> {
    let command = CustomCommand::new_static("SSUBSCRIBE", None, false);
    let answer = within(plan, client.custom::<Value, _>(command, vec![topic])).await?;
    let Value::Array(parts) = answer else {
        return Err(Error::new(ErrorKind::Protocol, "SSUBSCRIBE without a number"));
    };
    let count = parts.last().and_then(Value::as_i64);
    count.ok_or_else(|| Error::new(ErrorKind::Protocol, "SSUBSCRIBE without a number"))
}

async fn ping(client: &SubscriberClient, plan: &Plan) -> Result<(), Error> {
    within(plan, client.ping::<()>(None)).await
}

async fn within<T>(
    plan: &Plan,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    // Twice the calls' limit: a connection for messages is not given up for one slow moment.
    match tokio::time::timeout(plan.command_timeout * 2, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::new(ErrorKind::Timeout, "the subscription does not answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_shares_the_slot_of_its_topic() {
        for topic in ["feed:0", "cache:replaced", "x{tag}y", "{tag}", "{}", "a{b", "a}b", ""] {
            assert_eq!(slot(&probe(topic)), slot(topic), "{topic}: {}", probe(topic));
            assert_ne!(probe(topic), topic);
        }
    }
}
