//! How many loads may run at a time, and how long the others may wait.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::settings::CacheSettings;

/// Loads that may wait for each one that may run; a bound of memory, as the waits are bounded by
/// time.
const PLACES_PER_LOAD: usize = 64;

/// The limit on concurrent loads.
#[derive(Debug)]
pub(crate) struct Admission {
    all: Semaphore,
    /// Within it, those that the provider could not spare. A partial outage takes no more than
    /// this share from the tenants whose part of the provider is well.
    degraded: Semaphore,
    places: Semaphore,
    longest_wait: Duration,
    /// Half of all turns, rounded up.
    half: usize,
}

/// Leave to run one load.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    _all: SemaphorePermit<'a>,
    _degraded: Option<SemaphorePermit<'a>>,
}

impl Admission {
    pub(crate) fn new(settings: &CacheSettings) -> Self {
        let all = settings.max_concurrent_loads.clamp(1, Semaphore::MAX_PERMITS / PLACES_PER_LOAD);
        let degraded = settings.max_concurrent_loads_degraded.clamp(1, all);
        Self {
            all: Semaphore::new(all),
            degraded: Semaphore::new(degraded),
            places: Semaphore::new(all * PLACES_PER_LOAD),
            longest_wait: settings.load_queue_timeout,
            half: all.div_ceil(2),
        }
    }

    /// Waits for a turn; `None` means that too many wait already, or that it took too long.
    pub(crate) async fn admit(&self, is_degraded: bool) -> Option<Permit<'_>> {
        if let Some(permit) = self.admit_now(is_degraded) {
            return Some(permit);
        }
        let _place = self.places.try_acquire().ok()?;
        timeout(self.longest_wait, self.turn(is_degraded)).await.ok().flatten()
    }

    /// A turn for what nobody waits for: only while at most half of them are taken.
    pub(crate) fn spare(&self) -> Option<Permit<'_>> {
        let is_idle = self.all.available_permits() >= self.half;
        if is_idle { self.admit_now(false) } else { None }
    }

    fn admit_now(&self, is_degraded: bool) -> Option<Permit<'_>> {
        let degraded = if is_degraded { Some(self.degraded.try_acquire().ok()?) } else { None };
        Some(Permit { _all: self.all.try_acquire().ok()?, _degraded: degraded })
    }

    async fn turn(&self, is_degraded: bool) -> Option<Permit<'_>> {
        let degraded = if is_degraded { Some(self.degraded.acquire().await.ok()?) } else { None };
        Some(Permit { _all: self.all.acquire().await.ok()?, _degraded: degraded })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn admission(all: usize, degraded: usize) -> Admission {
        Admission::new(&CacheSettings {
            max_concurrent_loads: all,
            max_concurrent_loads_degraded: degraded,
            ..CacheSettings::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_leaves_room_for_other_loads() {
        let admission = admission(3, 2);
        let first = admission.admit(true).await.unwrap();
        let _second = admission.admit(true).await.unwrap();
        let began = Instant::now();
        assert!(admission.admit(true).await.is_none(), "the degraded share is used up");
        assert_eq!(began.elapsed(), Duration::from_secs(1), "after the longest wait");
        let _third = admission.admit(false).await.unwrap();
        assert!(admission.admit(false).await.is_none(), "all is used up");
        drop(first);
        assert!(admission.admit(true).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded() {
        let admission = admission(1, 1);
        let _running = admission.admit(false).await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..PLACES_PER_LOAD {
            let mut wait = Box::pin(admission.admit(true));
            assert!(poll_once(&mut wait).is_none(), "it waits");
            waiting.push(wait);
        }
        let began = Instant::now();
        assert!(admission.admit(true).await.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO, "nobody waits for a queue that is full");
    }

    /// Polls once; `None` while it is pending.
    fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
