//! The two lanes of the outbox: what events change is acted on, whom they concern is told.

use std::sync::Arc;
use std::time::Duration;

use employer_store::WorkerDb;
use employer_store::feed::TellingSettings;
use event_notifier::webhooks::WebhookHandle;
use event_notifier::{
    FanOut, FanOutSettings, FanOutStatistics, Listener, Relay, RelayHandle, RelaySettings,
};
use portal_api::access::AccessChanges;
use tenant_cache::TenantCache;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::invalidator::Invalidator;
use crate::settings::Tuning;

/// Starts both lanes on `tasks`.
pub(crate) fn start(
    tuning: &Tuning,
    db: &WorkerDb,
    (access, cache): (AccessChanges, TenantCache),
    (listener, webhooks): (Arc<dyn Listener>, WebhookHandle),
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> (RelayHandle, Arc<FanOutStatistics>) {
    let invalidator = Arc::new(Invalidator { access, cache });
    let relay = Relay::spawn(db.clone(), invalidator, relay_settings(tuning), stop.clone(), tasks);
    let settings = fan_out_settings(tuning);
    let told = FanOut::spawn(db.clone(), listener, webhooks, settings, &relay, stop.clone(), tasks);
    (relay, told)
}

fn relay_settings(tuning: &Tuning) -> RelaySettings {
    RelaySettings {
        interval: Duration::from_millis(tuning.relay.interval_ms),
        min_age: Duration::from_millis(tuning.relay.min_age_ms),
        batch: tuning.relay.batch,
        ..RelaySettings::default()
    }
}

fn fan_out_settings(tuning: &Tuning) -> FanOutSettings {
    let (relay, notifications) = (&tuning.relay, &tuning.notifications);
    FanOutSettings {
        interval: Duration::from_millis(relay.interval_ms),
        longest_interval: Duration::from_millis(relay.fan_out_longest_interval_ms)
            .max(Duration::from_millis(relay.interval_ms)),
        telling: TellingSettings {
            batch: relay.fan_out_batch,
            mail_delay: Duration::from_secs(notifications.mail_delay_seconds),
            max_attempts: relay.max_attempts,
            ..FanOutSettings::default().telling
        },
        ..FanOutSettings::default()
    }
}
