//! What a provider knows of itself without asking the service.

use std::time::Duration;

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CircuitState {
    /// Calls go through.
    #[default]
    Closed,
    /// Calls fail at once, without asking the service.
    Open,
    /// One call goes through to see whether the service is back; the others fail at once.
    HalfOpen,
}

impl CircuitState {
    /// A stable word for health documents, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// The circuits of a provider; a service may refuse writes and still answer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuits {
    /// Of calls that change nothing.
    pub reads: CircuitState,
    /// Of calls that change something.
    pub writes: CircuitState,
}

/// Figures of one method of the port since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodReport {
    /// Name of the method, such as `get_many`.
    pub method: &'static str,
    /// Calls that ended, well or not.
    pub calls: u64,
    /// Those that ended in [`RedisError::Unavailable`](crate::RedisError::Unavailable).
    pub unavailable: u64,
    /// Those that ended in [`RedisError::Timeout`](crate::RedisError::Timeout).
    pub timeouts: u64,
    /// Those that ended in any other error.
    pub refused: u64,
    /// Those that nobody waited for any longer: the request's time for Redis was used up, or its
    /// client went away.
    pub abandoned: u64,
    /// Half of the calls took at most this, those that were unavailable left out; a sixteenth too
    /// much at most.
    pub p50: Duration,
    /// 95 of 100 of them took at most this.
    pub p95: Duration,
    /// 99 of 100 of them took at most this.
    pub p99: Duration,
    /// How many of them took less than each of [`DURATION_BOUNDS`].
    pub below: [u64; DURATION_BOUNDS.len()],
    /// What they took together; a sixteenth too much at most.
    pub duration: Duration,
}

impl MethodReport {
    /// Calls that ended with what was asked for.
    pub const fn answered(&self) -> u64 {
        let failed = self.unavailable + self.timeouts + self.refused + self.abandoned;
        self.calls.saturating_sub(failed)
    }
}

/// Bounds that durations are counted below: from 131 us to 2.1 s, each twice the one before. They
/// are powers of two in nanoseconds, where buckets of the histogram end, so the counts are exact.
pub const DURATION_BOUNDS: [Duration; 15] = [
    Duration::from_nanos(1 << 17),
    Duration::from_nanos(1 << 18),
    Duration::from_nanos(1 << 19),
    Duration::from_nanos(1 << 20),
    Duration::from_nanos(1 << 21),
    Duration::from_nanos(1 << 22),
    Duration::from_nanos(1 << 23),
    Duration::from_nanos(1 << 24),
    Duration::from_nanos(1 << 25),
    Duration::from_nanos(1 << 26),
    Duration::from_nanos(1 << 27),
    Duration::from_nanos(1 << 28),
    Duration::from_nanos(1 << 29),
    Duration::from_nanos(1 << 30),
    Duration::from_nanos(1 << 31),
];

/// What was asked of a service, in the units that services charge for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Commands sent, each one in a batch counted; repeated ones count again.
    pub commands: u64,
    /// Requests or flushes that carried them, where the adapter knows; else 0.
    pub requests: u64,
    /// Bytes of keys, values and arguments sent.
    pub bytes_sent: u64,
    /// Bytes of values received.
    pub bytes_received: u64,
}

/// A provider's account of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderReport {
    /// Whether calls go through.
    pub circuits: Circuits,
    /// Figures by method, of methods that were called.
    pub calls: Vec<MethodReport>,
    /// What was asked of the service.
    pub cost: Cost,
}
