//! Starts what sends mails.

use std::sync::Arc;

use employer_store::WorkerDb;
use event_notifier::mail::{MailSettings, MailStatistics, MailWorker, UnsubscribeKeys};
use secrecy::ExposeSecret as _;
use tenancy::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings::Settings;

/// Starts the worker on `tasks`, where mails are sent at all.
pub(crate) fn start(
    settings: &Settings,
    db: &WorkerDb,
    clock: &Arc<dyn Clock>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Arc<MailStatistics> {
    let Some(setup) = settings.mail.clone() else {
        tracing::info!("no mails are sent: SMTP_URL is not set");
        return Arc::default();
    };
    let mail = MailSettings {
        interval: setup.interval,
        transport: setup.transport,
        face: setup.face,
        keys: links(settings),
    };
    MailWorker::spawn(db.clone(), mail, Arc::clone(clock), stop.clone(), tasks)
}

/// What signs the link at the end of a mail.
pub(crate) fn links(settings: &Settings) -> UnsubscribeKeys {
    let keys = &settings.session_keys;
    let older = keys.older.iter().map(|key| key.secret.expose_secret().as_slice());
    UnsubscribeKeys::derive_from(keys.newest.secret.expose_secret(), older)
}
