//! Whether the database was away a moment ago, so that not every caller finds out by waiting.
//!
//! A caller waits for a connection as long as the pool lets it, and whoever queues for that caller
//! waits as well: an outage would turn every answer into the sum of such waits. So once a caller
//! has waited in vain, the others are told at once, while one at a time goes on trying.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// What the callers of one pool have seen of the database.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Sight>);

#[derive(Debug, Default)]
struct Sight {
    is_away: bool,
    /// Whether a caller is trying while it is away.
    is_tried: bool,
    connected_at: Option<Instant>,
}

impl Outage {
    /// Lets a caller try to connect; `None` while the database is away and another one tries.
    pub(crate) fn admit(&self) -> Option<Attempt<'_>> {
        let mut sight = self.sight();
        if sight.is_away && sight.is_tried {
            return None;
        }
        sight.is_tried = sight.is_away;
        Some(Attempt { outage: self, started: Instant::now(), is_trial: sight.is_away })
    }

    fn sight(&self) -> MutexGuard<'_, Sight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt to connect. Dropped without a word about its end, it leaves what is known as it is.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    outage: &'a Outage,
    started: Instant,
    is_trial: bool,
}

impl Attempt<'_> {
    /// There was a connection.
    pub(crate) fn succeeded(self) {
        let mut sight = self.outage.sight();
        sight.connected_at = Some(Instant::now());
        if std::mem::take(&mut sight.is_away) {
            tracing::info!("the database is back");
        }
    }

    /// The time to wait was over. Where others got a connection meanwhile, the pool is only busy.
    pub(crate) fn waited_in_vain(self) {
        let mut sight = self.outage.sight();
        let is_busy = sight.connected_at.is_some_and(|at| at >= self.started);
        if !is_busy && !std::mem::replace(&mut sight.is_away, true) {
            tracing::warn!("the database is away; callers are refused until one gets through");
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_trial {
            self.outage.sight().is_tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_tries_while_the_database_is_away() {
        let outage = Outage::default();
        let (first, second) = (outage.admit().unwrap(), outage.admit().unwrap());
        first.waited_in_vain();
        second.waited_in_vain();
        let trial = outage.admit().unwrap();
        assert!(outage.admit().is_none());
        trial.waited_in_vain();
        let trial = outage.admit().unwrap();
        trial.succeeded();
        assert!(outage.admit().is_some() && outage.admit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_gives_up_leaves_the_trial_to_the_next() {
        let outage = Outage::default();
        outage.admit().unwrap().waited_in_vain();
        drop(outage.admit().unwrap());
        assert!(outage.admit().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_pool_is_not_away() {
        let outage = Outage::default();
        let (waiting, served) = (outage.admit().unwrap(), outage.admit().unwrap());
        advance(Duration::from_secs(1)).await;
        served.succeeded();
        advance(Duration::from_secs(1)).await;
        waiting.waited_in_vain();
        let (one, two) = (outage.admit(), outage.admit());
        assert!(one.is_some() && two.is_some());
    }
}
