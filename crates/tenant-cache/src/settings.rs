//! The limits of the cache.

use std::time::Duration;

/// Limits of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// How old an answer may be, in the eyes of another instance's writer, while the provider
    /// cannot be asked: answers are kept in process and loads are shared for this long at most.
    pub lease: Duration,
    /// Longest time that a loader may take.
    pub load_timeout: Duration,
    /// Longest time that a load may wait for its turn; past it the reader is told to come back.
    pub load_queue_timeout: Duration,
    /// Loads that may run at a time in this process.
    pub max_concurrent_loads: usize,
    /// How many of them may be loads that the provider could not spare: what the database is
    /// protected by when the provider is away.
    pub max_concurrent_loads_degraded: usize,
    /// Largest value in bytes that is stored; larger ones are answered and not kept.
    pub max_value_bytes: usize,
    /// Bytes of answers kept in process while the provider is away.
    pub gutter_max_bytes: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(1),
            load_timeout: Duration::from_secs(10),
            load_queue_timeout: Duration::from_secs(1),
            max_concurrent_loads: 32,
            max_concurrent_loads_degraded: 16,
            max_value_bytes: 4 << 20,
            gutter_max_bytes: 32 << 20,
        }
    }
}
