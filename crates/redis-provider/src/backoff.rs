//! How long to wait before the next attempt.

use std::time::Duration;

use rand::RngExt;

/// Exponential waits with full jitter: many processes that lost the same server do not return to
/// it in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    ceiling: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, ceiling: first }
    }

    pub(crate) const fn reset(&mut self) {
        self.ceiling = self.first;
    }

    /// Between half of the first wait and the ceiling, which doubles.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let wait = rand::rng().random_range(self.first / 2..=self.ceiling);
        self.ceiling = (self.ceiling * 2).min(self.longest);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_start_again() {
        let (first, longest) = (Duration::from_millis(50), Duration::from_secs(2));
        let mut backoff = Backoff::new(first, longest);
        for _ in 0..20 {
            let wait = backoff.next_wait();
            assert!(wait >= first / 2 && wait <= longest);
        }
        assert_eq!(backoff.ceiling, longest);
        backoff.reset();
        assert!(backoff.next_wait() <= first);
    }
}
