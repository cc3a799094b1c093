//! What is counted of one method.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use crate::error::RedisError;
use crate::report::{DURATION_BOUNDS, MethodReport};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Unavailable,
    TimedOut,
    /// With the kind of the error.
    Refused(&'static str),
    Abandoned,
}

impl Outcome {
    pub(super) const fn of<T>(answer: &Result<T, RedisError>) -> Self {
        match answer {
            Ok(_) => Self::Answered,
            Err(RedisError::Unavailable(_)) => Self::Unavailable,
            Err(RedisError::Timeout { .. }) => Self::TimedOut,
            Err(error) => Self::Refused(error.kind()),
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ok",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timeout",
            Self::Refused(kind) => kind,
            Self::Abandoned => "abandoned",
        }
    }
}

/// Counters of one method, which many threads raise at once.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) method: &'static str,
    unavailable: AtomicU64,
    timeouts: AtomicU64,
    refused: AtomicU64,
    abandoned: AtomicU64,
    durations: Histogram,
}

impl Figures {
    pub(super) fn new(method: &'static str) -> Self {
        Self {
            method,
            unavailable: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            durations: Histogram::new(),
        }
    }

    pub(super) fn record(&self, outcome: Outcome, duration: Duration) {
        let counter = match outcome {
            Outcome::Answered => None,
            Outcome::Unavailable => Some(&self.unavailable),
            Outcome::TimedOut => Some(&self.timeouts),
            Outcome::Refused(_) => Some(&self.refused),
            Outcome::Abandoned => Some(&self.abandoned),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        // Calls that never left would make an outage look like a very fast service.
        if outcome != Outcome::Unavailable {
            self.durations.record(duration);
        }
    }

    /// `None` if the method was never called.
    pub(super) fn report(&self) -> Option<MethodReport> {
        let durations = self.durations.snapshot();
        let unavailable = self.unavailable.load(Ordering::Relaxed);
        let calls = durations.total + unavailable;
        (calls > 0).then(|| MethodReport {
            method: self.method,
            calls,
            unavailable,
            timeouts: self.timeouts.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
            p50: durations.percentile(50),
            p95: durations.percentile(95),
            p99: durations.percentile(99),
            below: DURATION_BOUNDS.map(|bound| durations.below(bound)),
            duration: durations.sum(),
        })
    }
}
