//! Starts what sends webhooks, and makes what their routes work with.

use std::sync::Arc;

use employer_store::WorkerDb;
use event_notifier::webhooks::{AddressRules, WebhookVault, WebhookWorker};
use portal_api::Webhooks;
use tenancy::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::commands::CommandError;
use crate::settings::Settings;

/// Starts the worker on `tasks`.
pub(crate) fn start(
    settings: &Settings,
    db: &WorkerDb,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Result<Webhooks, CommandError> {
    let setup = &settings.webhooks;
    let keys = settings.session_keys.webhook_ring().map_err(CommandError::SessionKeys)?;
    let vault = WebhookVault::new(keys);
    let exempt = setup.exempt.clone();
    let rules = AddressRules::new(setup.allow_plain_http, move |address| exempt.contains(address));
    let worker = WebhookWorker::spawn(
        db.clone(),
        vault.clone(),
        rules.clone(),
        setup.worker.clone(),
        Arc::clone(clock),
        stop.clone(),
        tasks,
    )
    .map_err(|error| CommandError::Webhooks(Box::new(error)))?;
    Ok(Webhooks { worker, vault, rules, per_tenant: setup.per_tenant, overlap: setup.overlap })
}
