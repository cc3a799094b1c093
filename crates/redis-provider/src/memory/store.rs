//! The map behind the in-process adapter: bounded, with expiry and approximate LRU.
//!
//! Nothing runs in the background. An expired entry counts as absent from the instant it expires,
//! and each write removes a bounded number of expired ones; what is then still too much is evicted
//! by the clock algorithm (second chance), which costs a flag a read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::RedisError;
use crate::limits::whole_ttl;
use crate::port::{Condition, Expiry, ScanCursor, ScanPage, Script, ScriptReply, SetOptions};
use crate::script::{Effect, run_twin};

/// What an entry costs besides its key and value: nodes of the three collections.
pub(super) const ENTRY_OVERHEAD_BYTES: usize = 256;
/// Expired entries removed by one write.
const SWEEP_LIMIT: usize = 64;
/// Keys on a page of a scan.
const PAGE_KEYS: usize = 500;
/// Stale positions on the clock that are not worth a compaction.
const CLOCK_SLACK: usize = 1024;

#[derive(Debug)]
struct Entry {
    value: Bytes,
    expires_at: Option<Instant>,
    id: u64,
    was_read: bool,
}

#[derive(Debug)]
pub(super) struct Store {
    entries: BTreeMap<Arc<str>, Entry>,
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    clock: VecDeque<(Arc<str>, u64)>,
    next_id: u64,
    bytes: usize,
    max_bytes: usize,
    evicted: u64,
}

impl Store {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            clock: VecDeque::new(),
            next_id: 0,
            bytes: 0,
            max_bytes,
            evicted: 0,
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn len(&self, now: Instant) -> usize {
        let expired = self.deadlines.iter().take_while(|(at, _)| *at <= now).count();
        self.entries.len() - expired
    }

    pub(super) fn len_without_ttl(&self) -> usize {
        self.entries.len() - self.deadlines.len()
    }

    pub(super) fn get(&mut self, key: &str, now: Instant) -> Option<Bytes> {
        let entry = self.live(key, now)?;
        entry.was_read = true;
        Some(entry.value.clone())
    }

    pub(super) fn set(
        &mut self,
        key: &str,
        value: &Bytes,
        options: SetOptions,
        now: Instant,
    ) -> Result<bool, RedisError> {
        let current = self.live(key, now).map(|entry| entry.expires_at);
        let holds = match options.condition {
            Condition::Always => true,
            Condition::IfAbsent => current.is_none(),
            Condition::IfPresent => current.is_some(),
        };
        if holds {
            let expires_at = match options.expiry {
                Expiry::Never => None,
                Expiry::After(ttl) => Some(now + whole_ttl(ttl)),
                Expiry::Keep => current.flatten(),
            };
            self.write(key, value, expires_at, now)?;
        }
        Ok(holds)
    }

    pub(super) fn delete(&mut self, key: &str, now: Instant) -> bool {
        let is_live = self.live(key, now).is_some();
        self.remove(key);
        is_live
    }

    pub(super) fn expire(&mut self, key: &str, ttl: Duration, now: Instant) -> bool {
        let Some((name, _)) = self.entries.get_key_value(key) else { return false };
        let name = Arc::clone(name);
        let Some(entry) = self.live(key, now) else { return false };
        let at = now + whole_ttl(ttl);
        let before = entry.expires_at.replace(at);
        if let Some(before) = before {
            self.deadlines.remove(&(before, Arc::clone(&name)));
        }
        self.deadlines.insert((at, name));
        true
    }

    pub(super) fn increment(
        &mut self,
        key: &str,
        by: i64,
        ttl: Duration,
        now: Instant,
    ) -> Result<i64, RedisError> {
        let (count, expires_at) = match self.live(key, now) {
            None => (0, Some(now + whole_ttl(ttl))),
            Some(entry) => (parse_counter(&entry.value)?, entry.expires_at),
        };
        let count = count
            .checked_add(by)
            .ok_or_else(|| RedisError::Rejected("the counter would overflow".to_owned()))?;
        self.write(key, &Bytes::from(count.to_string()), expires_at, now)?;
        Ok(count)
    }

    pub(super) fn evaluate(
        &mut self,
        script: Script,
        key: &str,
        arguments: &[Bytes],
        now: Instant,
    ) -> Result<ScriptReply, RedisError> {
        let current = self.get(key, now);
        let (effect, reply) = run_twin(script, current.as_ref(), arguments)?;
        match effect {
            Effect::Keep => {}
            Effect::Write(value, ttl) => {
                self.write(key, &value, ttl.map(|ttl| now + whole_ttl(ttl)), now)?;
            }
            Effect::Delete => self.remove(key),
        }
        Ok(reply)
    }

    /// A cursor is the last key seen behind a marker, so that it differs from the start.
    pub(super) fn scan(
        &self,
        prefix: &str,
        cursor: &ScanCursor,
        now: Instant,
    ) -> Result<ScanPage, RedisError> {
        let start = if *cursor == ScanCursor::START {
            Bound::Included(prefix)
        } else {
            let seen = cursor.0.strip_prefix('>').filter(|key| key.starts_with(prefix));
            Bound::Excluded(
                seen.ok_or_else(|| RedisError::Rejected("a cursor of another scan".to_owned()))?,
            )
        };
        let mut following = self
            .entries
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix));
        let mut keys = Vec::new();
        let mut last = None;
        for (key, entry) in following.by_ref().take(PAGE_KEYS) {
            last = Some(key);
            if !is_expired(entry, now) {
                keys.push(key.to_string());
            }
        }
        let has_more = following.next().is_some();
        let next = last.filter(|_| has_more).map(|key| ScanCursor(format!(">{key}")));
        Ok(ScanPage { keys, next })
    }

    fn live(&mut self, key: &str, now: Instant) -> Option<&mut Entry> {
        self.entries.get_mut(key).filter(|entry| !is_expired(entry, now))
    }

    /// Replaces the entry of a key. The value is copied: a slice of a larger buffer would keep all
    /// of it alive, and the bound would be a fiction.
    fn write(
        &mut self,
        key: &str,
        value: &Bytes,
        expires_at: Option<Instant>,
        now: Instant,
    ) -> Result<(), RedisError> {
        let cost = cost(key, value);
        if cost > self.max_bytes {
            return Err(RedisError::Rejected("the value is larger than the memory".to_owned()));
        }
        self.remove(key);
        self.sweep(now);
        self.make_room(cost);
        let key: Arc<str> = Arc::from(key);
        if let Some(at) = expires_at {
            self.deadlines.insert((at, Arc::clone(&key)));
        }
        self.next_id += 1;
        self.clock.push_back((Arc::clone(&key), self.next_id));
        self.bytes += cost;
        let value = Bytes::copy_from_slice(value);
        self.entries.insert(key, Entry { value, expires_at, id: self.next_id, was_read: false });
        Ok(())
    }

    fn remove(&mut self, key: &str) {
        let Some((key, entry)) = self.entries.remove_entry(key) else { return };
        self.bytes -= cost(&key, &entry.value);
        if let Some(at) = entry.expires_at {
            self.deadlines.remove(&(at, key));
        }
        if self.clock.len() > 2 * self.entries.len() + CLOCK_SLACK {
            let entries = &self.entries;
            self.clock.retain(|(key, id)| entries.get(key).is_some_and(|entry| entry.id == *id));
        }
    }

    fn sweep(&mut self, now: Instant) {
        for _ in 0..SWEEP_LIMIT {
            match self.deadlines.first() {
                Some((at, key)) if *at <= now => {
                    let key = Arc::clone(key);
                    self.remove(&key);
                }
                _ => break,
            }
        }
    }

    fn make_room(&mut self, cost: usize) {
        while self.bytes + cost > self.max_bytes {
            let Some((key, id)) = self.clock.pop_front() else { break };
            let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.id == id) else {
                continue;
            };
            if std::mem::take(&mut entry.was_read) {
                self.clock.push_back((key, id));
            } else {
                self.remove(&key);
                self.evicted += 1;
            }
        }
    }
}

fn cost(key: &str, value: &Bytes) -> usize {
    key.len() + value.len() + ENTRY_OVERHEAD_BYTES
}

fn is_expired(entry: &Entry, now: Instant) -> bool {
    entry.expires_at.is_some_and(|at| at <= now)
}

/// As strict as Redis: no sign but a minus, no leading zero, no space.
fn parse_counter(value: &Bytes) -> Result<i64, RedisError> {
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse::<i64>().ok().filter(|number| number.to_string() == text))
        .ok_or_else(|| RedisError::Rejected("the value is not a counter".to_owned()))
}
