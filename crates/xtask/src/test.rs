//! `cargo xtask test`: private servers, every test, nothing left running.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::failure::{Failure, Outcome};
use crate::postgres::Cluster;
use crate::processes::{capture, command};
use crate::run::Run;
use crate::services::{MARKER, Services};
use crate::{install, throwaway};

/// Longest build and longest test run; a single test that hangs is nextest's to end.
const BUILD: Duration = Duration::from_secs(3600);
const TESTS: Duration = Duration::from_secs(3600);

/// The package whose tests run the built programs.
const BLACK_BOX: &str = "portal-tests";

/// Runs the tests that `arguments` select; all of them without.
pub(crate) fn run(run: &Run, arguments: &[String]) -> Outcome<u8> {
    let mut services = throwaway::open(run)?;
    let redis_server = install::redis(run)?;
    let cluster = throwaway::start_postgres(run, &mut services)?;
    let redis =
        throwaway::start_redis(run, &mut services, cluster.account.as_ref(), &redis_server)?;
    let programs = run.target_directory()?.join("debug");
    let selection = Selection::of(arguments);
    let identity_provider = if selection.needs_programs() {
        build(run, &mut services)?;
        Some(throwaway::start_identity_provider(run, &mut services, &programs.join("dev-auth0"))?)
    } else {
        None
    };
    let variables = Variables {
        cluster: &cluster,
        redis: &redis,
        redis_server: &redis_server,
        identity_provider: identity_provider.as_deref(),
        programs: &programs,
        run_folder: services.folder().to_path_buf(),
    };
    let mut codes = Vec::new();
    if selection.is_everything() {
        let mut documentation = run.cargo();
        documentation.args(["test", "--doc", "--workspace", "--no-fail-fast"]);
        variables.apply(&mut documentation);
        codes.push(run_tests(run, &mut services, documentation, "documentation tests")?);
    }
    // Last, so that its closing lines are the last that is seen of the tests.
    let mut runner = runner(run, &selection);
    variables.apply(&mut runner);
    codes.push(run_tests(run, &mut services, runner, "tests")?);
    run.progress.stage("Stopping the servers", || {
        drop(services);
        Ok(())
    })?;
    run.progress.print_times();
    Ok(codes.into_iter().max().unwrap_or_default())
}

/// One build for programs and tests together: built apart, the crates that both use would be
/// compiled twice, since features are unified over what is selected.
fn build(run: &Run, services: &mut Services) -> Outcome<()> {
    run.progress.stage("Building programs and tests", || {
        let mut cargo = run.cargo();
        cargo.args(["build", "--workspace", "--bins", "--tests"]);
        let status = services.accompany(cargo, "cargo build", BUILD)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("cargo build failed ({status})")))
    })
}

fn run_tests(run: &Run, services: &mut Services, program: Command, what: &str) -> Outcome<u8> {
    run.progress
        .stage(&format!("Running the {what}"), || services.accompany(program, what, TESTS))
        .map(exit_code)
}

/// nextest where it is there, else `cargo test`: the same tests, one process a crate.
fn runner(run: &Run, selection: &Selection<'_>) -> Command {
    let mut probe = command("cargo");
    probe.args(["nextest", "--version"]);
    let has_nextest =
        capture(&mut probe, Duration::from_secs(30)).is_ok_and(|answer| answer.status.success());
    let mut cargo = run.cargo();
    if has_nextest {
        cargo.args(["nextest", "run"]);
    } else {
        run.progress.note("cargo-nextest is not installed: using cargo test");
        cargo.args(["test", "--no-fail-fast"]);
    }
    if has_nextest && run_is_automatic() {
        cargo.args(["--profile", "ci"]);
    }
    if !selection.names_packages() {
        cargo.arg("--workspace");
        if !has_nextest {
            // The documentation's tests have had their turn.
            cargo.args(["--lib", "--bins", "--tests"]);
        }
    }
    cargo.args(selection.arguments);
    cargo
}

/// Continuous integration sets CI.
fn run_is_automatic() -> bool {
    #[expect(clippy::disallowed_methods, reason = "CI is no setting of the portal's")]
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// What the developer wants to run.
#[derive(Debug)]
struct Selection<'a> {
    arguments: &'a [String],
}

impl<'a> Selection<'a> {
    fn of(arguments: &'a [String]) -> Self {
        Self { arguments }
    }

    fn is_everything(&self) -> bool {
        self.arguments.is_empty()
    }

    fn packages(&self) -> impl Iterator<Item = &str> {
        let next = self.arguments.iter().skip(1).map(String::as_str).chain([""]);
        self.arguments.iter().zip(next).filter_map(|(argument, next)| {
            match argument.split_once('=').unwrap_or((argument, next)) {
                ("-p" | "--package", package) => Some(package),
                (short, _) => short.strip_prefix("-p").filter(|name| !name.is_empty()),
            }
        })
    }

    fn names_packages(&self) -> bool {
        self.packages().next().is_some()
    }

    /// Whether the built `portal` and `dev-auth0` are run; the tests of one crate do without.
    fn needs_programs(&self) -> bool {
        !self.names_packages() || self.packages().any(|package| package == BLACK_BOX)
    }
}

/// What the tests are told of the servers.
struct Variables<'a> {
    cluster: &'a Cluster,
    redis: &'a str,
    redis_server: &'a Path,
    identity_provider: Option<&'a str>,
    programs: &'a Path,
    run_folder: std::path::PathBuf,
}

impl Variables<'_> {
    fn apply(&self, program: &mut Command) {
        let binaries = &self.cluster.binaries;
        let account = self.cluster.account.as_ref().map_or("", |account| account.name.as_str());
        program
            .env("PORTAL_TEST_PG_SUPERUSER_URL", self.cluster.superuser_url("postgres"))
            // For tests that stop a database: they start one of their own with these.
            .env("PORTAL_TEST_PG_BIN", &binaries.folder)
            .env("PORTAL_TEST_PG_CTL", binaries.program("pg_ctl"))
            .env("PORTAL_TEST_PG_USER", account)
            .env("PORTAL_TEST_REDIS_URL", self.redis)
            .env("PORTAL_TEST_REDIS_SERVER", self.redis_server)
            .env("PORTAL_TEST_PORTAL_BIN", self.programs.join("portal"))
            .env("PORTAL_TEST_DEV_AUTH0_BIN", self.programs.join("dev-auth0"))
            .env(MARKER, &self.run_folder);
        if let Some(issuer) = self.identity_provider {
            program.env("PORTAL_TEST_DEV_AUTH0", issuer);
        }
    }
}

/// The code to end with; a program that a signal ended has none of its own.
fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(line: &str) -> (bool, bool, bool) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let selection = Selection::of(&words);
        (selection.is_everything(), selection.names_packages(), selection.needs_programs())
    }

    #[test]
    fn everything_is_run_without_arguments() {
        assert_eq!(selects(""), (true, false, true));
    }

    #[test]
    fn a_crate_of_its_own_needs_no_programs() {
        for line in ["-p tenancy", "-ptenancy", "--package=tenancy", "key -p tenancy"] {
            assert_eq!(selects(line), (false, true, false), "{line}");
        }
        assert_eq!(selects("-p tenancy -p portal-tests"), (false, true, true));
    }

    #[test]
    fn a_name_alone_is_looked_for_everywhere() {
        assert_eq!(selects("sign_in"), (false, false, true));
    }
}
