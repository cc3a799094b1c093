//! An Auth0-shaped OpenID provider for development and tests: it asks for no password, forgets
//! everything at its end, and is never linked into the portal. The portal speaks OpenID Connect to
//! it by URL, exactly as it does to Auth0.
//!
//! Invariants:
//! - It listens on loopback only, unless `--allow-remote` says otherwise.
//! - Whatever a caller can make it remember has a lifetime and a cap.
//! - It prints exactly one line on stdout, `dev-auth0 listening on http://…`, when it is ready.
//!   The log goes to stderr.
//! - Without a fault ([`faults`]) it behaves as Auth0 does; a fault limited to one subject never
//!   shows in the answers to another.
//!
//! Signing in without a browser takes two requests: `GET /authorize?…` answers with a page that
//! has one form for each person and organization, and `POST /authorize/choose` with the fields of
//! such a form (`transaction`, `subject`, `organization`) redirects to the application with a code.
//!
//! ```sh
//! dev-auth0 --listen 127.0.0.1:4444 --directory people.json \
//!     --client-id portal-dev --client-secret portal-dev-secret \
//!     --allowed-callback http://localhost:8080/auth/callback
//! ```

mod allow_list;
mod args;
mod authorization_request;
mod client_credentials;
mod counters;
mod directory;
mod error;
mod event_streams;
mod expiring;
mod faults;
mod invitations;
mod keys;
mod ledger;
mod management;
mod pages;
mod parameters;
mod pkce;
mod provider;
mod refresh;
mod routes;
mod server;
mod tokens;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

#[actix_web::main]
async fn main() -> ExitCode {
    let args = args::Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn")),
        )
        .init();
    match server::run_until_stopped(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", error::chain(&error));
            ExitCode::FAILURE
        }
    }
}
