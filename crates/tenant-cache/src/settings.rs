//! The limits of the cache.

use std::time::Duration;

/// Limits of the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheSettings {
    /// How old an answer may be, in the eyes of another instance's writer, while the provider
    /// cannot be asked: answers are kept in process and loads are shared for this long at most.
    pub lease: Duration,
    /// How long a generation is relied on without asking the provider for it: an invalidation that
    /// another instance made, and whose message was lost, is noticed this late. Zero asks each time.
    pub process_lease: Duration,
    /// Longest time that a loader may take.
    pub load_timeout: Duration,
    /// How long a reader waits for a load where an older answer can be given.
    pub soft_load_timeout: Duration,
    /// Longest time that a load may wait for its turn; past it the reader is told to come back.
    pub load_queue_timeout: Duration,
    /// Loads that may run at a time in this process.
    pub max_concurrent_loads: usize,
    /// How many of them may be loads that the provider could not spare: what the database is
    /// protected by when the provider is away.
    pub max_concurrent_loads_degraded: usize,
    /// Largest value in bytes that is stored; larger ones are answered and not kept.
    pub max_value_bytes: usize,
    /// Bytes of answers kept in process, with what it takes to keep them.
    pub process_max_bytes: usize,
    /// Largest part of these for one tenant, 0 to 1.
    pub process_max_tenant_share: f64,
    /// Bytes of answers kept in process while the provider is away.
    pub gutter_max_bytes: usize,
    /// One of so many hits is loaded once more, beside the request, and compared; 0 for none.
    pub audit_one_in: u32,
    /// One of so many reads is told to the log; 0 for none.
    pub access_log_one_in: u32,
}

impl CacheSettings {
    /// With nothing kept in the process: every answer is the provider's or loaded.
    #[must_use]
    pub const fn without_process_level(mut self) -> Self {
        self.process_lease = Duration::ZERO;
        self.process_max_bytes = 0;
        self
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(1),
            process_lease: Duration::from_secs(1),
            load_timeout: Duration::from_secs(10),
            soft_load_timeout: Duration::from_millis(500),
            load_queue_timeout: Duration::from_secs(1),
            max_concurrent_loads: 32,
            max_concurrent_loads_degraded: 16,
            max_value_bytes: 4 << 20,
            process_max_bytes: 64 << 20,
            process_max_tenant_share: 0.25,
            gutter_max_bytes: 32 << 20,
            audit_one_in: 0,
            access_log_one_in: 0,
        }
    }
}
