//! What live notifications cost: beside Nchan, from a commit to a client, and in the transaction
//! that causes them.
//!
//! All servers share one core and the load has another to itself, so that neither is measured with
//! the other.

use super::{build, measure};
use crate::cores::Cores;
use crate::failure::Outcome;
use crate::postgres::Durability;
use crate::processes::command;
use crate::run::Run;
use crate::{install, throwaway};

/// The program that is the load, of the package of the tests.
const LOAD: &str = "events-load";

/// What is built, with the profile of the measurements.
const BUILD: [&str; 15] = [
    "build",
    "--profile",
    "bench",
    "--package",
    "portal",
    "--package",
    "dev-auth0",
    "--package",
    "portal-tests",
    "--bin",
    "portal",
    "--bin",
    "dev-auth0",
    "--bin",
    LOAD,
];

pub(super) fn run(run: &Run) -> Outcome<()> {
    let mut services = throwaway::open(run)?;
    let redis_server = install::redis(run)?;
    let nchan = install::nchan(run)?;
    build(run, &mut services, &[&BUILD])?;
    // Where cargo puts what is built with the profile `bench`.
    let programs = run.target_directory()?.join("release");
    let cores = Cores::split(run);
    let database = throwaway::start_postgres_for(run, &mut services, Durability::Measured)?;
    let account = database.account.as_ref();
    let redis = throwaway::start_redis(run, &mut services, account, &redis_server)?;
    let issuer =
        throwaway::start_identity_provider(run, &mut services, &programs.join("dev-auth0"))?;
    let mut load = command(programs.join(LOAD));
    load.env("PORTAL_TEST_PG_SUPERUSER_URL", database.superuser_url("postgres"))
        .env("PORTAL_TEST_REDIS_URL", redis)
        .env("PORTAL_TEST_PORTAL_BIN", programs.join("portal"))
        .env("PORTAL_TEST_DEV_AUTH0", issuer)
        .env("PORTAL_TEST_NGINX", nchan.nginx)
        .env("PORTAL_TEST_NCHAN_MODULE", nchan.module)
        .env("PORTAL_TEST_BENCH_CORE", cores.of_load())
        .env_remove("PORTAL_TEST_PROVIDER");
    measure(run, &mut services, "live notifications", load)
}
