//! What the hub counts.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::registry::Refused;
use crate::stream::{Why, WhyReset};

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct HubFigures {
    pub(super) opened: Counter,
    pub(super) left: Counter,
    pub(super) messages: Counter,
    pub(super) delivered: Counter,
    pub(super) lag_ms: Counter,
    pub(super) replayed: Counter,
    pub(super) reads: Counter,
    pub(super) failures: Counter,
    pub(super) looks: Counter,
    pub(super) caught_up: Counter,
    pub(super) gaps: Counter,
    pub(super) unreadable: Counter,
    pub(super) unpublished: Counter,
    pub(super) closed: By<Why>,
    pub(super) refused: By<Refused>,
    pub(super) resets: By<WhyReset>,
}

/// A number that grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn one(&self) {
        self.add(1);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Numbers by a reason.
#[derive(Debug)]
pub(super) struct By<K>(Mutex<HashMap<K, u64>>);

impl<K> Default for By<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Copy> By<K> {
    pub(super) fn one(&self, reason: K) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    fn get(&self, reason: K) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&reason).copied().unwrap_or_default()
    }
}

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        $($(#[$doc])* pub fn $name(&self) -> u64 { self.$name.get() })+
    };
}

impl HubFigures {
    figures! {
        /// Streams that were opened.
        opened,
        /// Streams whose client went away by itself.
        left,
        /// Messages that were heard.
        messages,
        /// Notices that were put on streams as they were published.
        delivered,
        /// Milliseconds from what happened to that, in all.
        lag_ms,
        /// Notices that were put on streams from the feed.
        replayed,
        /// Pages of feeds that were read.
        reads,
        /// Questions to Postgres that failed.
        failures,
        /// Looks at streams, many at once.
        looks,
        /// Streams that were brought up with the feed because something had not arrived.
        caught_up,
        /// How often messages may have been lost.
        gaps,
        /// Messages that could not be read.
        unreadable,
        /// Messages that could not be published.
        unpublished,
    }

    /// Streams that were ended, by the reason.
    pub fn closed(&self, why: Why) -> u64 {
        self.closed.get(why)
    }

    /// Streams that were not opened, by the reason.
    pub fn refused(&self, why: Refused) -> u64 {
        self.refused.get(why)
    }

    /// Streams that could not go on where the client was, by the reason.
    pub fn resets(&self, why: WhyReset) -> u64 {
        self.resets.get(why)
    }
}
