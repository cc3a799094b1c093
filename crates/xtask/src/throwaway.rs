//! Servers for one run: fast, in a temporary folder, gone afterwards.

use std::fs;
use std::path::Path;

use dev_redis_cluster::{ClusterPlan, Ports};

use crate::accounts::Account;
use crate::failure::{Explain as _, Failure, Outcome};
use crate::identity_provider::IdentityProvider;
use crate::postgres::{Cluster, Durability};
use crate::redis_cluster::RedisCluster;
use crate::run::Run;
use crate::secrets::{Secrets, random_number};
use crate::services::{Disposal, Services};
use crate::{install, ports, redis, upstash};

/// Temporary folders carry this name and a number.
const FOLDER: &str = "employer-portal-test-";

/// Opens a temporary folder, after removing those that killed runs have left.
pub(crate) fn open(run: &Run) -> Outcome<Services> {
    let temporary = std::env::temp_dir();
    remove_abandoned(run, &temporary);
    let name = format!("{FOLDER}{}-{:04x}", std::process::id(), random_number()?);
    Services::open(run, &temporary.join(name), Disposal::Remove)
}

/// A folder whose lock can be taken is nobody's any more: opening it ends what still runs there,
/// and closing it deletes it.
fn remove_abandoned(run: &Run, temporary: &Path) {
    let entries = fs::read_dir(temporary).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_ours(&entry.file_name())) {
        if let Ok(abandoned) = Services::open(run, &entry.path(), Disposal::Remove) {
            run.progress
                .note(&format!("Removing {}, left by an earlier run", entry.path().display()));
            drop(abandoned);
        }
    }
}

fn is_ours(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(FOLDER))
}

/// Starts a PostgreSQL that loses its data with its folder.
pub(crate) fn start_postgres(run: &Run, services: &mut Services) -> Outcome<Cluster> {
    start_postgres_for(run, services, Durability::ThrownAway)
}

/// The same, as careful with its data as is said.
pub(crate) fn start_postgres_for(
    run: &Run,
    services: &mut Services,
    durability: Durability,
) -> Outcome<Cluster> {
    // Before the account is chosen: the packages may bring one.
    let binaries = install::postgres(run, None)?;
    let account = Account::for_servers()?;
    if account.as_ref().is_some_and(|account| !account.can_enter(services.folder())) {
        return Err(Failure::new(format!(
            "an unprivileged user cannot enter {}",
            services.folder().display()
        ))
        .advise("run this with TMPDIR=/tmp"));
    }
    let home = services.folder().join("postgres");
    let password = Secrets::of_one_run().password("SUPERUSER_PASSWORD")?;
    run.progress.stage(&format!("Starting PostgreSQL {} (throw-away)", binaries.version), || {
        let mut cluster = Cluster::create(binaries, account, &home, &password, durability)?;
        cluster.start(run, services, ports::scattered(random_number()?)?)?;
        Ok(cluster)
    })
}

/// Starts a redis-server for this run and answers its URL.
pub(crate) fn start_redis(
    run: &Run,
    services: &mut Services,
    account: Option<&Account>,
    program: &Path,
) -> Outcome<String> {
    run.progress.stage("Starting redis-server (throw-away)", || {
        redis_server("redis", services, account, program)
    })
}

fn redis_server(
    name: &'static str,
    services: &mut Services,
    account: Option<&Account>,
    program: &Path,
) -> Outcome<String> {
    let home = services.folder().join(name);
    let port = ports::scattered(random_number()?)?;
    redis::Server { name, program, account, home: &home, password: None, port }.start(services)
}

/// Starts a Redis Cluster for this run. The plan that is returned holds its ports.
pub(crate) fn start_redis_cluster(
    run: &Run,
    services: &mut Services,
    account: Option<&Account>,
    program: &Path,
) -> Outcome<ClusterPlan> {
    let home = services.folder().join("redis-cluster");
    run.progress.stage("Starting a Redis Cluster of six nodes (throw-away)", || {
        let ports = Ports::scattered().explain("find ports for the Redis Cluster")?;
        RedisCluster { program, account, home: &home, ports, password: None }.start(services)
    })
}

/// A dev-upstash that runs.
pub(crate) struct Upstash {
    pub(crate) url: String,
    pub(crate) token: String,
}

/// Starts a dev-upstash over a redis-server of its own.
pub(crate) fn start_upstash(
    run: &Run,
    services: &mut Services,
    account: Option<&Account>,
    redis_server_program: &Path,
    program: &Path,
) -> Outcome<Upstash> {
    run.progress.stage("Starting dev-upstash (throw-away)", || {
        let redis = redis_server("upstash-redis", services, account, redis_server_program)?;
        let port = ports::scattered(random_number()?)?;
        let token = Secrets::of_one_run().password("UPSTASH_TOKEN")?;
        upstash::Front { program, port, redis: &redis, token: &token }.start(services)?;
        Ok(Upstash { url: upstash::url(port), token })
    })
}

/// Starts a dev-auth0 whose directory is empty (tests add their own people) and answers its issuer.
pub(crate) fn start_identity_provider(
    run: &Run,
    services: &mut Services,
    program: &Path,
) -> Outcome<String> {
    let port = ports::scattered(random_number()?)?;
    let server = IdentityProvider { program, port, directories: &[], callback: None };
    run.progress.stage("Starting dev-auth0 (throw-away)", || server.start(services))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn only_folders_of_ours_are_cleaned_up() {
        assert!(is_ours(OsStr::new("employer-portal-test-4711-0a1b")));
        assert!(!is_ours(OsStr::new("employer-portal-0123456789abcdef")));
        assert!(!is_ours(OsStr::new("systemd-private")));
    }
}
