//! How often somebody may ask.

use std::sync::Arc;
use std::time::Duration;

use portal_api::{RateLimits, Rates};
use redis_provider::RedisProvider;
use tenancy::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings::{Settings, Tuning};
use crate::shared_counts::RedisCounts;

/// The limits of this instance, which tells the others what it has counted.
pub(crate) fn start(
    settings: &Settings,
    provider: &Arc<dyn RedisProvider>,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> RateLimits {
    let counts = Arc::new(RedisCounts(Arc::clone(provider)));
    let limits = RateLimits::new(rates(&settings.tuning), counts, Arc::clone(clock));
    tasks.spawn(limits.clone().run_until_stopped(stop.clone()));
    limits
}

fn rates(tuning: &Tuning) -> Rates {
    let limits = &tuning.rate_limits;
    Rates {
        enabled: limits.enabled,
        address_per_minute: limits.address_per_minute,
        sign_in_per_minute: limits.sign_in_per_minute,
        user_per_minute: limits.user_per_minute,
        api_key_per_minute: limits.api_key_per_minute,
        tenant_per_minute: limits.tenant_per_minute,
        cache_reads_per_minute: limits.cache_reads_per_minute,
        cache_writes_per_minute: limits.cache_writes_per_minute,
        apply_address_per_quarter_hour: limits.apply_address_per_quarter_hour,
        apply_person_per_quarter_hour: limits.apply_person_per_quarter_hour,
        apply_board_per_ten_seconds: limits.apply_board_per_ten_seconds,
        view_address_per_minute: limits.view_address_per_minute,
        sync_interval: Duration::from_millis(limits.sync_interval_ms),
        tracked_max: limits.tracked_max,
    }
}
