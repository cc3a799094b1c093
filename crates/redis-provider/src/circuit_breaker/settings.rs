//! When a circuit opens, and for how long.

use std::time::Duration;

/// When the [`CircuitBreaker`](crate::CircuitBreaker) opens, and for how long.
///
/// A rate counts as reached when chance does not explain it: the fewer calls there were, the
/// farther over the limit they must be. At the defaults 8 failures of 8 calls open a circuit, 9 of
/// 10, 16 of 20 and 91 of 150, so that a third of the keys out of reach (one node of three) leaves
/// it closed at low traffic too, where a bare rate of 50 % would be met by accident within
/// seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSettings {
    /// How far back calls are looked at. The default is 1 s: at steady traffic, and however much
    /// there is, a complete outage is more than half of the window after half of its length.
    pub window: Duration,
    /// The fewest calls in the window to judge by; if all of them failed, that is enough. The
    /// default is 8: at 10 calls a second these are there within 1 s, the first of them having
    /// taken 250 ms to time out. At less traffic than 8 calls a window a circuit does not open,
    /// and each call waits out its own limit.
    pub min_calls: u32,
    /// Share of failed calls that opens the circuit, 0 to 1. The default is 0.5.
    pub failure_rate: f64,
    /// A call that takes this long is a slow one, answered or given up. The default is 150 ms,
    /// half of what a request may wait for Redis in all.
    pub slow_call: Duration,
    /// Share of slow calls that opens the circuit, 0 to 1. The default is 0.5.
    pub slow_rate: f64,
    /// How long a circuit stays open before one call may try again, give or take a fifth; doubled
    /// after the first try that fails. The default is 100 ms, so that even the longest interval
    /// (240 ms) and the third of a second in which caches settle after an outage pass within 1 s of the
    /// service's return.
    pub open_for: Duration,
    /// The same when the service refuses calls for their rate or a quota, and does not say for
    /// how long. The default is 60 s: a quota is reset by the day or the month, and a call a
    /// minute does not count against it.
    pub quota_open_for: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(1),
            min_calls: 8,
            failure_rate: 0.5,
            slow_call: Duration::from_millis(150),
            slow_rate: 0.5,
            open_for: Duration::from_millis(100),
            quota_open_for: Duration::from_secs(60),
        }
    }
}
