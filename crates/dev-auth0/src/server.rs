//! Binding, serving and stopping.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use tenancy::SystemClock;
use tokio::signal::unix::{SignalKind, signal};

use crate::allow_list::AllowList;
use crate::args::{Args, ArgsError};
use crate::directory::{Directory, DirectoryError};
use crate::keys::{KeyError, KeyRing};
use crate::provider::Provider;
use crate::routes;

const WORKERS: usize = 2;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const SHUTDOWN_SECONDS: u64 = 3;

/// Why the server does not run, or not any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("the command line cannot be served")]
    Args(#[from] ArgsError),
    #[error("the directory cannot be loaded")]
    Directory(#[from] DirectoryError),
    #[error("there are no signing keys")]
    Key(#[from] KeyError),
    #[error("the HTTP client cannot be built")]
    Client(#[from] reqwest::Error),
    #[error("{address} cannot be listened on")]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error("the server failed")]
    Serve(#[source] std::io::Error),
}

/// Serves until SIGINT or SIGTERM, then lets requests in flight finish.
pub(crate) async fn run_until_stopped(args: Args) -> Result<(), ServerError> {
    args.check_listen()?;
    let address = args.listen;
    let bind = |source| ServerError::Bind { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let provider = web::Data::new(build_provider(args, address.port())?);

    let serving =
        HttpServer::new(move || App::new().app_data(provider.clone()).configure(routes::configure))
            .workers(WORKERS)
            .client_request_timeout(REQUEST_TIMEOUT)
            .shutdown_timeout(SHUTDOWN_SECONDS)
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
    let ((), outcome) = tokio::join!(handle.stop(true), serving);
    outcome.map_err(ServerError::Serve)
}

fn build_provider(args: Args, port: u16) -> Result<Provider, ServerError> {
    let mut directory = Directory::default();
    for path in &args.directory {
        directory.load(path)?;
    }
    let allow_list = AllowList::new(&args.allowed_callback, &args.allowed_logout_url);
    let settings = args.into_settings(port)?;
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(REQUEST_TIMEOUT)
        .build()?;
    let keys = KeyRing::generate()?;
    tracing::info!(
        issuer = %settings.issuer,
        organizations = directory.organizations().count(),
        people = directory.people().count(),
        "ready",
    );
    Ok(Provider::new(settings, allow_list, directory, keys, http, Arc::new(SystemClock)))
}

/// The one line on stdout, by which whoever started the server knows that and where it listens.
fn announce(address: SocketAddr) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "dev-auth0 listening on http://{address}")?;
    stdout.flush()
}
