//! Which copies in Redis may be believed.
//!
//! A copy says when the ledger last confirmed it, by the ledger's own clock. Whatever ends a
//! session, or changes a membership, commits to the ledger first and then replaces the copies. So
//! an old copy can be about only where Redis has lost such a replacement, or never got it. Both
//! are noticed: Redis lost something (a failover, a restart: [`RedisProvider::interruptions`], which
//! rises before the first answer that may come from the state without it), or it did not answer. From then on only
//! those copies are believed that the ledger has confirmed since.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis_provider::RedisProvider;
use time::OffsetDateTime;

/// What the process believes of the copies in Redis.
#[derive(Debug)]
pub(crate) struct Trust {
    provider: Arc<dyn RedisProvider>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    epoch: Epoch,
    /// Copies confirmed since then, by the ledger's clock, are believed; none while it is not known.
    since: Option<OffsetDateTime>,
}

/// A time between two doubts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Epoch {
    interruptions: u64,
    doubts: u64,
}

/// Taken before a question to the ledger, handed in with its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(Epoch);

impl Trust {
    /// Nothing is believed at first: what was lost before the process began is not known.
    pub(crate) fn new(provider: Arc<dyn RedisProvider>) -> Self {
        let epoch = Epoch { interruptions: provider.interruptions(), doubts: 0 };
        Self { provider, state: Mutex::new(State { epoch, since: None }) }
    }

    /// From now on copies need a new confirmation.
    pub(crate) fn doubt(&self) {
        let mut state = self.state();
        state.epoch.doubts = state.epoch.doubts.wrapping_add(1);
        state.since = None;
    }

    /// To be taken before the ledger is asked.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.state().epoch)
    }

    /// The ledger has answered at this time to a question that was asked after the mark.
    pub(crate) fn settle(&self, mark: Mark, at: OffsetDateTime) {
        let mut state = self.state();
        if state.epoch == mark.0 && state.since.is_none() {
            state.since = Some(at);
        }
    }

    /// Whether to believe a copy that Redis has just answered with. To be asked after the answer.
    pub(crate) fn believes(&self, confirmed_at: OffsetDateTime) -> bool {
        self.state().since.is_some_and(|since| confirmed_at >= since)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let interruptions = self.provider.interruptions();
        if state.epoch.interruptions != interruptions {
            state.epoch.interruptions = interruptions;
            state.since = None;
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redis_provider::testing::FaultyRedis;
    use redis_provider::{MemoryProvider, MemorySettings};
    use time::macros::datetime;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
    const SECOND: Duration = Duration::from_secs(1);

    fn trust() -> Trust {
        let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
        Trust::new(Arc::new(FaultyRedis::new(memory)))
    }

    #[test]
    fn copies_from_before_a_doubt_need_a_new_confirmation() {
        let trust = trust();
        assert!(!trust.believes(NOON), "at start");
        trust.settle(trust.mark(), NOON);
        assert!(trust.believes(NOON) && trust.believes(NOON + SECOND));
        assert!(!trust.believes(NOON - SECOND));
        trust.doubt();
        assert!(!trust.believes(NOON + SECOND));
        trust.settle(trust.mark(), NOON + 2 * SECOND);
        assert!(!trust.believes(NOON + SECOND) && trust.believes(NOON + 2 * SECOND));
    }

    #[test]
    fn an_answer_to_an_older_question_settles_nothing() {
        let trust = trust();
        let mark = trust.mark();
        trust.doubt();
        trust.settle(mark, NOON);
        assert!(!trust.believes(NOON + SECOND));
    }
}
