//! `portal serve`: from start to an orderly end.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::web::Data;
use portal_api::PortalState;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{CommandError, block_on};
use crate::settings::{Settings, Variables};
use crate::{telemetry, wiring};

/// Longest time for what runs beside the server to end once it is told to.
const TASKS_GRACE: Duration = Duration::from_secs(10);

/// Serves until SIGINT or SIGTERM, then drains.
pub(crate) fn serve(variables: &Variables) -> Result<(), CommandError> {
    let settings = Settings::load(variables)?;
    telemetry::start(&settings.tuning.telemetry)?;
    block_on(run(settings))
}

async fn run(settings: Settings) -> Result<(), CommandError> {
    let listener = TcpListener::bind(&settings.listen)
        .map_err(|error| CommandError::Listen(settings.listen.clone(), error))?;
    let address = listener.local_addr().map_err(CommandError::Server)?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let portal = wiring::build(&settings, &stop, &tasks).await?;
    let server =
        portal_api::server(portal.state.clone(), listener).map_err(CommandError::Server)?;
    let handle = server.handle();
    let window = Duration::from_secs(settings.tuning.events.drain_seconds);
    tasks.spawn_local(watch_signals(portal.state.clone(), handle, window, stop.clone()));
    let verification = tasks.spawn(wiring::verify_database(
        portal.state.clone(),
        (portal.worker_db.clone(), portal.public_db.clone()),
        portal.ops_db.clone(),
        stop.clone(),
    ));
    tracing::info!(
        http.address = %address,
        redis.provider = settings.redis.service.provider(),
        environment = ?settings.environment,
        "the portal is listening"
    );

    let outcome = server.await.map_err(CommandError::Server);
    // The relay ends after the last write has reported to it. A write whose worker thread is gone
    // already is gone too; its events are rows, if it was committed, and are repeated elsewhere.
    let leftovers = async {
        portal.state.writes.drain().await;
        portal.state.cache.drain().await;
        portal.state.board.drain().await;
    };
    if tokio::time::timeout(TASKS_GRACE, leftovers).await.is_err() {
        tracing::warn!("writes or loads were still running at the end of their grace");
    }
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(TASKS_GRACE, tasks.wait()).await.is_err() {
        tracing::warn!("tasks were still running at the end of their grace");
    }
    let closing = async {
        let ops_closed = async {
            if let Some(ops_db) = &portal.ops_db {
                ops_db.close().await;
            }
        };
        tokio::join!(
            portal.state.db.close(),
            portal.worker_db.close(),
            portal.public_db.close(),
            ops_closed,
            portal.redis.close(),
        )
    };
    if tokio::time::timeout(TASKS_GRACE, closing).await.is_err() {
        tracing::warn!("connections were still in use at the end of their grace");
    }
    tracing::info!("the portal has stopped");
    // A database that is not fit for serving is the reason to stop, and the exit code says so.
    match verification.await {
        Ok(Err(unfit)) => Err(unfit),
        _ => outcome,
    }
}

/// Turns SIGINT and SIGTERM, or a stop from within, into a drain.
async fn watch_signals(
    state: Data<PortalState>,
    server: actix_web::dev::ServerHandle,
    window: Duration,
    stop: CancellationToken,
) {
    let signal = wait_for_signal();
    tokio::select! {
        name = signal => tracing::info!(signal = name, "draining"),
        () = stop.cancelled() => tracing::info!("stopping"),
    }
    state.lifecycle.start_draining();
    // Before the server stops: it waits for answers to end, and these do not end by themselves.
    state.live.drain(window).await;
    server.stop(true).await;
}

async fn wait_for_signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("signals cannot be watched; stop the portal with SIGKILL");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
