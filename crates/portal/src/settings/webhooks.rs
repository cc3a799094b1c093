//! How webhooks are sent, and where they may go.

use std::time::Duration;

use event_notifier::webhooks::{Schedule, WebhookSettings};
use portal_api::Networks;

use super::Environment;
use super::faults::Faults;
use super::tuning::Tuning;

/// How webhooks are sent, and where they may go.
#[derive(Clone, Debug)]
pub(crate) struct WebhookSetup {
    pub(crate) worker: WebhookSettings,
    pub(crate) allow_plain_http: bool,
    /// Private networks that are meant all the same.
    pub(crate) exempt: Networks,
    pub(crate) per_tenant: u32,
    pub(crate) overlap: Duration,
}

impl WebhookSetup {
    /// Reads them; what is wrong is a fault each.
    pub(super) fn read(
        tuning: &Tuning,
        environment: Environment,
        faults: &mut Faults,
    ) -> Option<Self> {
        let webhooks = &tuning.webhooks;
        let schedule = webhooks.retry_seconds.parse::<Schedule>();
        let schedule =
            schedule.map_err(|error| faults.add("webhooks.retry_seconds", error.to_string())).ok();
        let exempt = webhooks.allow_networks.parse::<Networks>();
        let exempt = exempt
            .map_err(|error| {
                faults.add("webhooks.allow_networks", format!("cannot be used: {error}"));
            })
            .ok();
        if webhooks.allow_plain_http && !environment.is_development() {
            faults.add("webhooks.allow_plain_http", "is for development only");
        }
        Some(Self {
            worker: WebhookSettings {
                interval: Duration::from_millis(webhooks.interval_ms),
                timeout: Duration::from_millis(webhooks.timeout_ms),
                schedule: schedule?,
                rest: Duration::from_secs(webhooks.rest_seconds),
                concurrency: webhooks.concurrency,
                per_endpoint: webhooks.per_endpoint,
                disable_after: Duration::from_hours(webhooks.disable_after_hours.into()),
                keep: Duration::from_hours(24 * u64::from(webhooks.keep_days)),
            },
            allow_plain_http: webhooks.allow_plain_http,
            exempt: exempt?,
            per_tenant: webhooks.per_tenant,
            overlap: Duration::from_hours(webhooks.rotation_hours.into()),
        })
    }
}
