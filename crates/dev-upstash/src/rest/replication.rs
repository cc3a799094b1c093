//! Read-your-writes: the sync token, and a replica that is behind.
//!
//! Without the fault `stale-reads` there is no replica and writes run side by side. With it, the
//! database after the one in use becomes a replica: each request that writes runs alone, the new
//! state of the keys it names is taken down, and put into the replica when the lag has passed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;

use super::execute::keys_of;
use super::policy::Prepared;
use crate::args::RedisAddress;
use crate::redis::{Pool, RedisError};
use crate::resp::Reply;

/// The header that carries the token, in both directions.
pub(super) const SYNC_TOKEN: &str = "upstash-sync-token";
/// So many writes may be waiting; more make the replica catch up early.
const WAITING_MAX: usize = 10_000;
/// Makes the replica a copy. Redis leaves the database of the connection as it was.
const COPY_ALL: &str = "redis.call('SELECT', ARGV[2]) redis.call('FLUSHDB') \
    redis.call('SELECT', ARGV[1]) \
    for _, key in ipairs(redis.call('KEYS', '*')) do \
        redis.call('COPY', key, key, 'DB', ARGV[2], 'REPLACE') \
    end return 1";

/// Where a read is answered from.
pub(super) enum Source<'a> {
    Primary,
    Replica(&'a Pool),
}

/// What a write did to one key, or to all.
#[derive(Debug)]
enum Change {
    Flush,
    Remove(Bytes),
    Put { key: Bytes, value: Bytes, expires_at_ms: i64 },
}

#[derive(Debug)]
struct Pending {
    due: Instant,
    sequence: u64,
    changes: Vec<Change>,
}

#[derive(Debug, Default)]
struct Behind {
    lag: Duration,
    /// The last write that the replica has.
    applied: u64,
    pending: VecDeque<Pending>,
}

/// The order of writes.
#[derive(Debug)]
pub(crate) struct Replication {
    address: RedisAddress,
    replica: Pool,
    /// Tells the tokens of this server from those of another.
    instance: u32,
    /// The number of requests that wrote.
    written: AtomicU64,
    is_behind: AtomicBool,
    behind: Mutex<Behind>,
    turns: RwLock<()>,
}

/// The right to write. Only one request has it while there is a replica.
#[derive(Debug)]
pub(super) enum Turn<'a> {
    Shared { _guard: RwLockReadGuard<'a, ()> },
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

impl Replication {
    pub(crate) fn new(address: &RedisAddress) -> Self {
        Self {
            address: address.clone(),
            replica: Pool::new(address.next_database()),
            instance: rand::random(),
            written: AtomicU64::new(0),
            is_behind: AtomicBool::new(false),
            behind: Mutex::default(),
            turns: RwLock::default(),
        }
    }

    /// The token of an answer: all writes that were finished by now.
    pub(super) fn token(&self) -> String {
        let mut bytes = self.instance.to_be_bytes().to_vec();
        bytes.extend(self.written.load(SeqCst).to_be_bytes());
        STANDARD_NO_PAD.encode(bytes)
    }

    /// The point that a request's token names, if the token is from here.
    pub(super) fn known(&self, headers: &HeaderMap) -> Option<u64> {
        let bytes = STANDARD_NO_PAD.decode(headers.get(SYNC_TOKEN)?.as_bytes()).ok()?;
        let (instance, sequence) = bytes.split_at_checked(4)?;
        (instance == self.instance.to_be_bytes())
            .then(|| sequence.try_into().ok().map(u64::from_be_bytes))?
    }

    /// Makes the replica a copy of the present state, and keeps it behind from now on.
    pub(crate) async fn fall_behind(
        &self,
        primary: &Pool,
        lag: Duration,
    ) -> Result<(), RedisError> {
        let _alone = self.turns.write().await;
        let databases = [self.address.database, self.address.next_database().database];
        let [from, to] = databases.map(|number| Bytes::from(number.to_string()));
        let copy = [&b"EVAL"[..], COPY_ALL.as_bytes(), b"0"].map(Bytes::copy_from_slice);
        let replies =
            primary.exchange(&[copy.into_iter().chain([from, to]).collect::<Vec<_>>()]).await?;
        if replies.iter().any(|reply| matches!(reply, Reply::Error(_))) {
            return Err(RedisError::Refused);
        }
        *self.behind.lock().await =
            Behind { lag, applied: self.written.load(SeqCst), pending: VecDeque::new() };
        self.is_behind.store(true, SeqCst);
        Ok(())
    }

    /// Does without the replica again.
    pub(crate) async fn keep_up(&self) {
        let _alone = self.turns.write().await;
        self.is_behind.store(false, SeqCst);
        *self.behind.lock().await = Behind::default();
    }

    /// Waits for the right to write.
    pub(super) async fn begin_write(&self) -> Turn<'_> {
        let shared = self.turns.read().await;
        if !self.is_behind.load(SeqCst) {
            return Turn::Shared { _guard: shared };
        }
        drop(shared);
        Turn::Alone { _guard: self.turns.write().await }
    }

    /// Counts a write, and takes down for the replica what it did.
    pub(super) async fn finish_write(
        &self,
        turn: Turn<'_>,
        primary: &Pool,
        commands: &[&Prepared],
    ) -> Result<(), RedisError> {
        let sequence = self.written.fetch_add(1, SeqCst) + 1;
        if matches!(turn, Turn::Shared { .. }) || !self.is_behind.load(SeqCst) {
            return Ok(());
        }
        let writes: Vec<&Prepared> =
            commands.iter().copied().filter(|command| command.kind.is_write()).collect();
        let is_flushed = writes.iter().any(|command| command.is_flush());
        let mut changes = Vec::from_iter(is_flushed.then_some(Change::Flush));
        changes.extend(states_of(primary, keys_of(primary, &writes).await?).await?);
        let mut behind = self.behind.lock().await;
        let due = Instant::now() + behind.lag;
        behind.pending.push_back(Pending { due, sequence, changes });
        Ok(())
    }

    /// Where to read: from the replica when the caller does not know of a write that it lacks, and
    /// the fault strikes.
    pub(super) async fn choose(
        &self,
        known: Option<u64>,
        strikes: impl FnOnce() -> bool,
    ) -> Result<Source<'_>, RedisError> {
        if !self.is_behind.load(SeqCst) {
            return Ok(Source::Primary);
        }
        let mut behind = self.behind.lock().await;
        while let Some(pending) = behind.pending.pop_front() {
            if pending.due > Instant::now() && behind.pending.len() < WAITING_MAX {
                behind.pending.push_front(pending);
                break;
            }
            self.apply(pending.changes).await?;
            behind.applied = pending.sequence;
        }
        let knows_more = known.is_some_and(|known| known > behind.applied);
        let knows_all = known.is_some_and(|known| known >= self.written.load(SeqCst));
        let is_stale = !knows_more && !knows_all && strikes();
        Ok(if is_stale { Source::Replica(&self.replica) } else { Source::Primary })
    }

    async fn apply(&self, changes: Vec<Change>) -> Result<(), RedisError> {
        let commands: Vec<_> = changes.into_iter().map(Change::into_command).collect();
        self.replica.exchange(&commands).await.map(drop)
    }
}

impl Change {
    fn into_command(self) -> Vec<Bytes> {
        let word = Bytes::from_static;
        match self {
            Self::Flush => vec![word(b"FLUSHDB")],
            Self::Remove(key) => vec![word(b"DEL"), key],
            Self::Put { key, value, expires_at_ms } => {
                let expires_at_ms = Bytes::from(expires_at_ms.to_string());
                let options = [word(b"REPLACE"), word(b"ABSTTL")];
                [word(b"RESTORE"), key, expires_at_ms, value].into_iter().chain(options).collect()
            }
        }
    }
}

/// What keys hold now.
async fn states_of(primary: &Pool, keys: Vec<Bytes>) -> Result<Vec<Change>, RedisError> {
    let commands: Vec<Vec<Bytes>> = keys
        .iter()
        .flat_map(|key| {
            [&b"DUMP"[..], b"PEXPIRETIME"]
                .map(|name| vec![Bytes::copy_from_slice(name), key.clone()])
        })
        .collect();
    let replies = primary.exchange(&commands).await?;
    let states = keys.into_iter().zip(replies.chunks_exact(2));
    Ok(states
        .map(|(key, state)| match state {
            [Reply::Bulk(Some(value)), Reply::Integer(expires_at_ms)] => {
                Change::Put { key, value: value.clone(), expires_at_ms: (*expires_at_ms).max(0) }
            }
            _ => Change::Remove(key),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn replication() -> Replication {
        Replication::new(&RedisAddress {
            host: "127.0.0.1".to_owned(),
            port: 1,
            user: None,
            password: None,
            database: 0,
        })
    }

    fn known(replication: &Replication, token: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        let token = HeaderValue::from_str(token).unwrap();
        headers.insert(HeaderName::from_static(SYNC_TOKEN), token);
        replication.known(&headers)
    }

    #[test]
    fn a_token_is_understood_by_the_server_that_made_it() {
        let replication = replication();
        replication.written.store(7, SeqCst);
        assert_eq!(known(&replication, &replication.token()), Some(7));
        for foreign in ["", "AAAA", "not base64!", &"A".repeat(16), &"A".repeat(99)] {
            assert_eq!(known(&replication, foreign), None, "{foreign}");
        }
    }
}
