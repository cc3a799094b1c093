//! Whether a connection answers.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// So many calls without an answer, within [`BURST`], make a connection suspect.
const BURST_CALLS: u32 = 3;
const BURST: Duration = Duration::from_millis(250);

/// When a connection last answered, and how many calls it has left without an answer since.
///
/// A burst of those makes it suspect, and somebody who hears of that asks it once more: the calls
/// may have had no answer because this process had no time for them. A connection found silent
/// fails calls at once, so a node that hangs costs its callers a few waits and not one each. The
/// first answer ends the silence.
pub(super) struct Pulse {
    base: Instant,
    /// Microseconds after `base`.
    last_answer: AtomicU64,
    first_unanswered: AtomicU64,
    unanswered: AtomicU32,
    is_silent: AtomicBool,
    suspicion: Notify,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            base: Instant::now(),
            last_answer: AtomicU64::new(0),
            first_unanswered: AtomicU64::new(0),
            unanswered: AtomicU32::new(0),
            is_silent: AtomicBool::new(false),
            suspicion: Notify::new(),
        }
    }

    pub(super) fn note_answer(&self) {
        self.last_answer.store(self.now(), Ordering::Relaxed);
        if self.unanswered.load(Ordering::Relaxed) != 0 {
            self.unanswered.store(0, Ordering::Relaxed);
        }
        if self.is_silent.load(Ordering::Relaxed) {
            self.is_silent.store(false, Ordering::Relaxed);
        }
    }

    /// Takes note of a call that was begun at that time and got no answer.
    pub(super) fn note_unanswered(&self, since: Instant) {
        // Answers come in order: one that came meanwhile shows that the server is at work.
        let since = micros(since.saturating_duration_since(self.base));
        if self.last_answer.load(Ordering::Relaxed) > since {
            return;
        }
        let now = self.now();
        let count = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        let first = self.first_unanswered.load(Ordering::Relaxed);
        if count == 1 || now.saturating_sub(first) > micros(BURST) {
            self.first_unanswered.store(now, Ordering::Relaxed);
            self.unanswered.store(1, Ordering::Relaxed);
        } else if count >= BURST_CALLS && !self.is_silent() {
            self.suspicion.notify_one();
        }
    }

    /// Takes note of an answer that did not come although it was asked for; answers whether that
    /// is news.
    pub(super) fn fall_silent(&self) -> bool {
        !self.is_silent.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Relaxed)
    }

    /// For how long there has been no answer.
    pub(super) fn silence(&self) -> Duration {
        let since = self.last_answer.load(Ordering::Relaxed);
        Duration::from_micros(self.now().saturating_sub(since))
    }

    /// Ends when the connection is suspect.
    pub(super) async fn suspected(&self) {
        self.suspicion.notified().await;
    }

    fn now(&self) -> u64 {
        micros(self.base.elapsed())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_suspect(pulse: &Pulse) -> bool {
        tokio::time::timeout(Duration::ZERO, pulse.suspected()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_unanswered_calls_is_suspect_and_an_answer_ends_a_silence() {
        let pulse = Pulse::new();
        let since = Instant::now();
        for _ in 0..2 {
            pulse.note_unanswered(since);
            assert!(!is_suspect(&pulse).await);
        }
        pulse.note_unanswered(since);
        assert!(is_suspect(&pulse).await);
        assert!(!pulse.is_silent(), "not before it was asked");
        assert!(pulse.fall_silent());
        assert!(!pulse.fall_silent(), "it is told once");
        pulse.note_unanswered(since);
        assert!(!is_suspect(&pulse).await, "it is known");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(pulse.silence() >= Duration::from_secs(1));
        pulse.note_answer();
        assert!(!pulse.is_silent());
        assert_eq!(pulse.silence(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn unanswered_calls_far_apart_or_among_answers_are_none() {
        let pulse = Pulse::new();
        for _ in 0..10 {
            pulse.note_unanswered(Instant::now());
            tokio::time::advance(Duration::from_millis(200)).await;
        }
        let since = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        pulse.note_answer();
        for _ in 0..10 {
            pulse.note_unanswered(since);
        }
        assert!(!is_suspect(&pulse).await);
    }
}
