//! Whether a connection answers.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// So many calls without an answer, within [`BURST`], and the connection counts as silent.
const BURST_CALLS: u32 = 3;
const BURST: Duration = Duration::from_millis(250);

/// When a connection last answered, and how many calls it has left without an answer since.
///
/// A silent connection fails calls at once, so a node that hangs costs its callers a few waits
/// and not one each. The first answer ends the silence.
pub(super) struct Pulse {
    base: Instant,
    /// Microseconds after `base`.
    last_answer: AtomicU64,
    first_unanswered: AtomicU64,
    unanswered: AtomicU32,
    is_silent: AtomicBool,
    fell_silent: Notify,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            base: Instant::now(),
            last_answer: AtomicU64::new(0),
            first_unanswered: AtomicU64::new(0),
            unanswered: AtomicU32::new(0),
            is_silent: AtomicBool::new(false),
            fell_silent: Notify::new(),
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

    /// Takes note of a call that got no answer; answers whether the connection fell silent by it.
    pub(super) fn note_unanswered(&self) -> bool {
        let now = self.now();
        let count = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        let first = self.first_unanswered.load(Ordering::Relaxed);
        if count == 1 || now.saturating_sub(first) > micros(BURST) {
            self.first_unanswered.store(now, Ordering::Relaxed);
            self.unanswered.store(1, Ordering::Relaxed);
            return false;
        }
        if count < BURST_CALLS || self.is_silent.swap(true, Ordering::Relaxed) {
            return false;
        }
        self.fell_silent.notify_one();
        true
    }

    pub(super) fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Relaxed)
    }

    /// For how long there has been no answer.
    pub(super) fn silence(&self) -> Duration {
        let since = self.last_answer.load(Ordering::Relaxed);
        Duration::from_micros(self.now().saturating_sub(since))
    }

    /// Ends when the connection falls silent.
    pub(super) async fn silent(&self) {
        self.fell_silent.notified().await;
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

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_unanswered_calls_is_silence_and_an_answer_ends_it() {
        let pulse = Pulse::new();
        assert!(!pulse.note_unanswered());
        assert!(!pulse.note_unanswered());
        assert!(pulse.note_unanswered());
        assert!(pulse.is_silent());
        assert!(!pulse.note_unanswered(), "it is told once");
        pulse.silent().await;
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
            assert!(!pulse.note_unanswered());
            tokio::time::advance(Duration::from_millis(200)).await;
        }
        for _ in 0..10 {
            pulse.note_unanswered();
            pulse.note_unanswered();
            pulse.note_answer();
        }
        assert!(!pulse.is_silent());
    }
}
