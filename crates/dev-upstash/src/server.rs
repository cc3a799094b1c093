//! Binding, serving and stopping.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::args::{Args, ArgsError};
use crate::front::Front;
use crate::routes;

/// One, because the connections to Redis belong to the runtime that opened them.
const WORKERS: usize = 1;
const HEAD_LIMIT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long requests in flight have at the end; streams and faults end at once.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// Why the server does not run, or not any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("the command line cannot be served")]
    Args(#[from] ArgsError),
    #[error("{address} cannot be listened on")]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error("the server failed")]
    Serve(#[source] std::io::Error),
}

/// Serves until SIGINT or SIGTERM, then lets requests in flight finish within a second.
pub(crate) async fn run_until_stopped(args: Args) -> Result<(), ServerError> {
    let address = args.listen;
    let settings = args.into_settings()?;
    let bind = |source| ServerError::Bind { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let front = web::Data::new(Front::new(settings));

    let app_front = front.clone();
    let statistics = front.statistics.clone();
    let serving = HttpServer::new(move || {
        App::new().app_data(app_front.clone()).configure(routes::configure)
    })
    .workers(WORKERS)
    .client_request_timeout(HEAD_LIMIT)
    .keep_alive(KEEP_ALIVE)
    .tcp_nodelay(true)
    // A subscriber that hangs up is noticed at once, not with the next message.
    .h1_allow_half_closed(false)
    .on_connect(move |_, extensions| {
        extensions.insert(statistics.connected());
    })
    .disable_signals()
    .listen(listener)
    .map_err(bind)?
    .run();

    let handle = serving.handle();
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Serve)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Serve)?;
    announce(address).map_err(ServerError::Serve)?;
    tokio::pin!(serving);
    tokio::select! {
        // The server ends by itself only when it failed.
        outcome = &mut serving => return outcome.map_err(ServerError::Serve),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let stopping = async {
        handle.pause().await;
        front.stop.cancel();
        drain(&front).await;
        // The graceful stop of the framework waits whole seconds for idle connections.
        handle.stop(false).await;
    };
    let ((), outcome) = tokio::join!(stopping, serving);
    outcome.map_err(ServerError::Serve)
}

async fn drain(front: &Front) {
    let give_up = Instant::now() + DRAIN_LIMIT;
    let mut quiet_rounds = 0;
    // Two rounds, because the last answer is written just after its request ceases to count.
    while quiet_rounds < 2 && Instant::now() < give_up {
        quiet_rounds = if front.statistics.is_quiet() { quiet_rounds + 1 } else { 0 };
        tokio::time::sleep(DRAIN_POLL).await;
    }
}

/// The one line on stdout, by which whoever started the server knows that and where it listens.
fn announce(address: SocketAddr) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "dev-upstash listening on http://{address}")?;
    stdout.flush()
}
