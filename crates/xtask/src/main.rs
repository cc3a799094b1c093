//! Developer commands: `cargo xtask up` runs the portal on a machine that has only Rust, `cargo
//! xtask test` runs the tests, `cargo xtask lint` and `prepare` keep the tree in order.
//!
//! Called by people and by `.ci/run`; no crate depends on it, and of ours it depends on
//! dev-redis-cluster alone, which is plain standard library, so that it builds in seconds on a fresh
//! machine. What it promises:
//!
//! - whatever it starts it ends: on success, failure, panic, Ctrl-C, SIGTERM, and (through a
//!   watchdog process) when it is itself killed outright;
//! - every wait has a limit, and every failure says what to do next;
//! - nothing outside the checkout is written but temporary folders and, where they are missing,
//!   the system packages it names.
//!
//! ```text
//! cargo xtask up
//! ```
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its user interface"
)]

#[cfg(not(unix))]
compile_error!("the developer commands need Linux or macOS; on Windows run them inside WSL");

mod accounts;
mod bench;
mod cores;
mod environment;
mod event_sources;
mod failure;
mod host;
mod http;
mod identity_provider;
mod install;
mod interrupt;
mod ledger;
mod lint;
mod npm;
mod openid_provider;
mod people;
mod ports;
mod postgres;
mod prepare;
mod processes;
mod progress;
mod redis;
mod redis_cluster;
mod run;
mod secrets;
mod services;
mod test;
mod throwaway;
mod up;
mod upstash;
mod watchdog;

use std::process::ExitCode;

use crate::failure::{Failure, Outcome};
use crate::run::Run;

const HELP: &str = "\
Developer commands of Employer Portal

  cargo xtask up [--reset] [--release] [--load] [--port PORT]
                 [--redis memory|single|cluster|upstash]
      Runs the portal with demo data on http://localhost:8080. Installs PostgreSQL when it is
      missing, keeps a private database in .dev/ and reuses it the next time. Ctrl-C ends it all.
        --reset            delete the private data first and start over
        --release          optimized build
        --load             300,000 generated jobs in 500 tenants beside the demo data
        --redis single     use a private redis-server instead of the in-process provider
        --redis cluster    use a private Redis Cluster: six nodes, TLS, ACL users
        --redis upstash    use the Upstash database of UPSTASH_REDIS_REST_URL and
                           UPSTASH_REDIS_REST_TOKEN; a local imitation when they are not set
        --port PORT        the portal's port (default 8080)

  cargo xtask test [ARGUMENTS FOR NEXTEST...]
      Starts private, throw-away servers, runs every test, leaves nothing running:
      all tests once, then those that must hold on each Redis again on each, then the fault
      drills. With arguments only the tests they
      select run, for instance: cargo xtask test -p tenancy key
      UPSTASH_TEST_URL and UPSTASH_TEST_TOKEN name a real Upstash database for the tests of that.

  cargo xtask bench [provider | cache | session | dashboard | events...]
      Starts private, throw-away servers and measures; all suites without a name.
        provider           the Redis adapters and decorators beside what they stand on, optimized
        cache              hits in the process beside those of other caches, optimized
        session            what checking session and permission adds to a cached read, optimized
        dashboard          hit rate and database reads avoided at 1, 5 and 10 % writes
        events             what live notifications cost, beside Nchan (installed for it), optimized

  cargo xtask lint [--no-install]
      Formatting, clippy, dependency rules (cargo-deny), file sizes.
        --no-install       leave out cargo-deny when it is not installed

  cargo xtask prepare [--check]
      Regenerates .sqlx, what the build knows about the SQL queries, from the migrations.
        --check            change nothing; fail when .sqlx is out of date

  cargo xtask help
      This text.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome<u8> {
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", arguments),
    };
    match command {
        "up" => up::run(&Run::begin()?, &up::Options::parse(rest)?),
        "test" => test::run(&Run::begin()?, rest),
        "bench" => bench::run(&Run::begin()?, rest),
        "lint" => lint::run(&Run::begin()?, &lint::Options::parse(rest)?),
        "prepare" => prepare::run(&Run::begin()?, &prepare::Options::parse(rest)?),
        watchdog::COMMAND => watchdog::stand_guard(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(0)
        }
        other => Err(Failure::new(format!("there is no command `{other}`"))
            .advise("`cargo xtask help` lists the commands")),
    }
}
