//! How often the cache answers under the load of a dashboard, by share of writes.
//!
//! Answers are counted, not timed, so the programs are those of the tests: nothing is built that
//! `cargo xtask test` has not built already.

use super::LIMIT;
use crate::failure::{Failure, Outcome};
use crate::processes::command;
use crate::run::Run;
use crate::services::MARKER;
use crate::{install, throwaway};

/// The program that is the load, of the package of the tests.
const LOAD: &str = "dashboard-load";

pub(super) fn run(run: &Run) -> Outcome<()> {
    let mut services = throwaway::open(run)?;
    let redis_server = install::redis(run)?;
    let database = throwaway::start_postgres(run, &mut services)?;
    let account = database.account.as_ref();
    let redis = throwaway::start_redis(run, &mut services, account, &redis_server)?;
    run.progress.stage("Building the programs", || {
        let mut cargo = run.cargo();
        // One test along with them turns on the features that tests ask for: as in the build of
        // all tests, so that nothing is compiled twice.
        cargo.args(["build", "--workspace", "--bins", "--test", "architecture"]);
        let status = services.accompany(cargo, "cargo build", LIMIT)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("cargo build failed ({status})")))
    })?;
    let programs = run.target_directory()?.join("debug");
    let issuer =
        throwaway::start_identity_provider(run, &mut services, &programs.join("dev-auth0"))?;
    let mut load = command(programs.join(LOAD));
    load.env("PORTAL_TEST_PG_SUPERUSER_URL", database.superuser_url("postgres"))
        .env("PORTAL_TEST_REDIS_URL", redis)
        .env("PORTAL_TEST_PORTAL_BIN", programs.join("portal"))
        .env("PORTAL_TEST_DEV_AUTH0", issuer)
        .env_remove("PORTAL_TEST_PROVIDER")
        .env(MARKER, services.folder());
    let status = run.progress.stage("Running the dashboard load", || {
        services.accompany(load, "the dashboard load", LIMIT)
    })?;
    if !status.success() {
        return Err(Failure::new(format!("the dashboard load failed ({status})")));
    }
    Ok(())
}
