//! Live streams: the hub of this process and its way to the others.

use std::sync::Arc;
use std::time::Duration;

use employer_store::TenantDb;
use event_notifier::{Figures, Hub, HubSettings, Lane, StoredFigures, StoredTruth};
use portal_api::follow_access;
use redis_provider::Backplane;
use session_store::AccessCopies;
use tenancy::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::commands::CommandError;
use crate::settings::{RedisSettings, Tuning};

/// So many ticks without anything heard mean that messages are lost.
const TICKS: u32 = 3;

/// The topics that messages to live streams go over. A stream of Upstash carries one of them.
pub(crate) fn topics(redis: &RedisSettings, tuning: &Tuning) -> &'static [&'static str] {
    Lane::topics(partitions(redis, tuning))
}

fn partitions(redis: &RedisSettings, tuning: &Tuning) -> usize {
    let is_upstash = redis.service.provider() == "upstash";
    if is_upstash { 1 } else { tuning.events.partitions }
}

/// Starts the hub and its lane on `tasks`.
pub(crate) fn start(
    (redis, tuning): (&RedisSettings, &Tuning),
    (db, clock): (&TenantDb, &Arc<dyn Clock>),
    (copies, backplane): (&AccessCopies, Backplane),
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Result<(Hub, Lane), CommandError> {
    let truth = StoredTruth::new(db.clone(), Duration::from_secs(tuning.session.idle_seconds));
    let (truth, clock) = (Arc::new(truth), Arc::clone(clock));
    let figures: Arc<dyn Figures> = Arc::new(StoredFigures::new(db.clone()));
    let hub = Hub::spawn(truth, Some(figures), clock, hub_settings(tuning), stop.clone(), tasks);
    let tick = Duration::from_millis(tuning.events.tick_ms);
    let lane = Lane::spawn(backplane, partitions(redis, tuning), hub.clone(), tick, stop, tasks)
        .map_err(|error| CommandError::Redis(error.to_string()))?;
    tasks.spawn(follow_access(copies.clone(), hub.clone(), stop.clone()));
    Ok((hub, lane))
}

fn hub_settings(tuning: &Tuning) -> HubSettings {
    let events = &tuning.events;
    HubSettings {
        per_session: events.streams_per_session,
        per_user: events.streams_per_user,
        per_tenant: events.streams_per_tenant,
        in_all: events.streams_max,
        heartbeat: Duration::from_secs(events.heartbeat_seconds),
        recheck: Duration::from_millis(events.recheck_ms),
        recheck_unheard: Duration::from_millis(events.recheck_unheard_ms),
        silence: Duration::from_millis(events.tick_ms) * TICKS,
        unverified: Duration::from_secs(events.unverified_seconds),
        max_age: Duration::from_secs(events.max_age_seconds),
        stall: Duration::from_secs(events.unread_seconds),
        replay_max: events.replay_max,
        reads: events.replay_reads,
        pause: Duration::from_millis(events.pause_ms),
        refresh: Duration::from_millis(events.figures_ms),
        ..HubSettings::default()
    }
}
