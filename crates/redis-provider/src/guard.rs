//! The decorators that every adapter of a remote service wears.

use std::sync::Arc;
use std::time::Duration;

use crate::circuit_breaker::{BreakerSettings, CircuitBreaker};
use crate::deadline::Deadline;
use crate::metered::Metered;
use crate::port::RedisProvider;

/// What a remote service may cost its callers.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardSettings {
    /// The longest that a call may take. The default is 300 ms, what a request may wait for Redis
    /// in all; the adapter's own limit should be shorter, because it knows what it waits for.
    pub call_limit: Duration,
    /// When to stop asking.
    pub breaker: BreakerSettings,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { call_limit: Duration::from_millis(300), breaker: BreakerSettings::default() }
    }
}

/// Puts an adapter behind a [`Deadline`], [`Metered`] and a [`CircuitBreaker`], outermost first:
/// what is measured is what the service took, and calls that the breaker refuses are counted.
///
/// ```
/// use std::sync::Arc;
/// use redis_provider::{
///     CircuitState, GuardSettings, MemoryProvider, MemorySettings, RedisError, guard,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), RedisError> {
/// let adapter = Arc::new(MemoryProvider::new(MemorySettings::default()));
/// let provider = guard(adapter, &GuardSettings::default());
/// provider.get("greeting").await?;
///
/// let report = provider.report();
/// assert_eq!(report.circuits.reads, CircuitState::Closed);
/// assert_eq!(report.calls.len(), 1);
/// assert_eq!((report.calls[0].method, report.calls[0].calls), ("get", 1));
/// # Ok(())
/// # }
/// ```
pub fn guard(adapter: Arc<dyn RedisProvider>, settings: &GuardSettings) -> Arc<dyn RedisProvider> {
    let breaker = CircuitBreaker::new(adapter, &settings.breaker);
    let metered = Metered::new(Arc::new(breaker));
    Arc::new(Deadline::new(Arc::new(metered), settings.call_limit))
}
