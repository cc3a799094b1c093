//! `cargo xtask bench`: private servers, one suite of measurements after the other, tables.

mod dashboard;
mod events;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::accounts::Account;
use crate::failure::{Failure, Outcome};
use crate::run::Run;
use crate::services::{MARKER, Services};
use crate::upstash::{self, Front};
use crate::{host, install, ports, secrets, throwaway};

/// Longest build (optimized, from nothing, on a small machine) and longest measurement.
const LIMIT: Duration = Duration::from_secs(3600);

/// A suite: what it is called, and what runs it.
type Suite = (&'static str, fn(&Run) -> Outcome<()>);

const SUITES: [Suite; 5] = [
    ("provider", provider),
    ("cache", cache),
    ("session", session),
    ("dashboard", dashboard::run),
    ("events", events::run),
];

const PROVIDER: [&str; 4] = ["--package", "redis-provider", "--bench", "provider"];
const CACHE: [&str; 4] = ["--package", "tenant-cache", "--bench", "cache"];
const SESSION: [&str; 4] = ["--package", "portal-api", "--bench", "session"];

/// Runs the suites that are named; all of them without a name.
pub(crate) fn run(run: &Run, names: &[String]) -> Outcome<u8> {
    for (_, suite) in choose(names)? {
        suite(run)?;
    }
    run.progress.print_times();
    Ok(0)
}

fn choose(names: &[String]) -> Outcome<Vec<Suite>> {
    if names.is_empty() {
        return Ok(SUITES.to_vec());
    }
    let find = |name: &String| {
        SUITES.into_iter().find(|(known, _)| known == name).ok_or_else(|| {
            let known: Vec<&str> = SUITES.iter().map(|(known, _)| *known).collect();
            Failure::new(format!("there are no measurements called `{name}`"))
                .advise(format!("there are: {}", known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

/// The providers beside what they stand on: a redis-server, and dev-upstash in front of it.
fn provider(run: &Run) -> Outcome<()> {
    let mut services = throwaway::open(run)?;
    let redis_server = install::redis(run)?;
    let front = ["build", "--profile", "bench", "--package", upstash::NAME, "--bins"];
    build(run, &mut services, &[&front, &[&["bench", "--no-run"], &PROVIDER[..]].concat()])?;
    // Where cargo puts what is built with the profile `bench`.
    let front = run.target_directory()?.join("release").join(upstash::NAME);
    let account = Account::for_servers()?;
    let redis = throwaway::start_redis(run, &mut services, account.as_ref(), &redis_server)?;
    let token = secrets::Secrets::of_one_run().password("UPSTASH_TOKEN")?;
    let upstash = start_front(run, &mut services, &front, &redis, &token)?;
    let mut bench = run.cargo();
    bench
        .args(["bench", "--quiet"])
        .args(PROVIDER)
        .env("PORTAL_BENCH_REDIS", redis.trim_start_matches("redis://"))
        .env("PORTAL_BENCH_UPSTASH_URL", upstash)
        .env("PORTAL_BENCH_UPSTASH_TOKEN", token);
    match host::find_program("redis-benchmark") {
        Some(program) => bench.env("PORTAL_BENCH_REDIS_BENCHMARK", program),
        None => bench.env_remove("PORTAL_BENCH_REDIS_BENCHMARK"),
    };
    measure(run, &mut services, "the providers", bench)
}

/// The cache beside what it could have been built from, and its reads beside bare ones of a
/// redis-server.
fn cache(run: &Run) -> Outcome<()> {
    let mut services = throwaway::open(run)?;
    let redis_server = install::redis(run)?;
    build(run, &mut services, &[&[&["bench", "--no-run"], &CACHE[..]].concat()])?;
    let account = Account::for_servers()?;
    let redis = throwaway::start_redis(run, &mut services, account.as_ref(), &redis_server)?;
    let mut bench = run.cargo();
    bench
        .args(["bench", "--quiet"])
        .args(CACHE)
        .env("PORTAL_BENCH_REDIS", redis.trim_start_matches("redis://"));
    measure(run, &mut services, "the cache", bench)
}

/// Cached reads with the checks of session, tenant and permission and without them, in one process:
/// no server is needed.
fn session(run: &Run) -> Outcome<()> {
    let mut services = throwaway::open(run)?;
    build(run, &mut services, &[&[&["bench", "--no-run"], &SESSION[..]].concat()])?;
    let mut bench = run.cargo();
    bench.args(["bench", "--quiet"]).args(SESSION);
    measure(run, &mut services, "the checks of a request", bench)
}

/// Everything is built before anything is measured, with the profile of the measurements.
fn build(run: &Run, services: &mut Services, builds: &[&[&str]]) -> Outcome<()> {
    run.progress.stage("Building the measurements, optimized", || {
        for arguments in builds {
            let mut cargo = run.cargo();
            cargo.args(*arguments);
            let status = services.accompany(cargo, "cargo build", LIMIT)?;
            if !status.success() {
                return Err(Failure::new(format!("cargo build failed ({status})")));
            }
        }
        Ok(())
    })
}

fn measure(run: &Run, services: &mut Services, what: &str, mut bench: Command) -> Outcome<()> {
    let name = format!("the measurements of {what}");
    bench.env(MARKER, services.folder());
    let status = run
        .progress
        .stage(&format!("Measuring {what}"), || services.accompany(bench, &name, LIMIT))?;
    if !status.success() {
        return Err(Failure::new(format!("{name} failed ({status})")));
    }
    Ok(())
}

fn start_front(
    run: &Run,
    services: &mut Services,
    program: &Path,
    redis: &str,
    token: &str,
) -> Outcome<String> {
    run.progress.stage("Starting dev-upstash (throw-away)", || {
        let port = ports::scattered(secrets::random_number()?)?;
        Front { program, port, redis, token }.start(services)?;
        Ok(upstash::url(port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<&'static str> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        choose(&words).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn suites_are_chosen_by_name_and_all_without_one() {
        assert_eq!(names(&["cache", "provider"]), ["cache", "provider"]);
        assert_eq!(names(&[]).len(), SUITES.len());
        assert!(choose(&["provider".to_owned(), "providers".to_owned()]).is_err());
    }
}
