//! An Upstash-shaped REST front over a real redis-server, for development and tests. The portal
//! speaks to it by URL and token, exactly as it does to Upstash; it is never linked into the portal.
//!
//! Invariants:
//! - It listens on loopback only, unless `--allow-remote` says otherwise.
//! - Everything that a caller can make it hold has a bound: bodies, replies, connections, streams,
//!   scripts, faults.
//! - It prints exactly one line on stdout, `dev-upstash listening on http://…`, when it is ready.
//! - Without a fault ([`faults`]) it answers what Upstash documents. Where Upstash documents
//!   nothing, README.md says what was chosen.
//! - The tokens appear in no output.
//!
//! ```sh
//! dev-upstash --listen 127.0.0.1:8079 --redis redis://127.0.0.1:6379 --token local-token
//! curl -s http://127.0.0.1:8079/ -H 'Authorization: Bearer local-token' -d '["SET","k","v"]'
//! ```

mod args;
mod faults;
mod front;
mod redis;
mod resp;
mod rest;
mod routes;
mod server;
mod statistics;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

#[actix_web::main]
async fn main() -> ExitCode {
    match server::run_until_stopped(args::Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// The error with its causes, in one line on stderr.
fn report(error: &dyn Error) {
    let mut text = format!("dev-upstash: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
