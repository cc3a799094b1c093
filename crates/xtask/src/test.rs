//! `cargo xtask test`: private servers, every test, nothing left running.

mod selection;
mod servers;
mod stages;

use std::process::{Command, ExitStatus};
use std::time::Duration;

use self::selection::Selection;
use self::servers::Servers;
use self::stages::{Runner, STAGES, Stage};
use crate::failure::Outcome;
use crate::run::Run;
use crate::services::Services;
use crate::throwaway;

/// Longest test run; a single test that hangs is nextest's to end.
const TESTS: Duration = Duration::from_secs(3600);

/// Runs the tests that `arguments` select; all of them without.
pub(crate) fn run(run: &Run, arguments: &[String]) -> Outcome<u8> {
    let mut services = throwaway::open(run)?;
    let selection = Selection::of(arguments);
    let servers = Servers::start(run, &mut services, &selection)?;
    let runner = Runner::find(run);
    let mut codes = Vec::new();
    if selection.is_everything() {
        let mut documentation = run.cargo();
        documentation.args(["test", "--doc", "--workspace", "--no-fail-fast"]);
        servers.tell(&mut documentation);
        codes.push(run_tests(run, &mut services, documentation, "documentation tests")?);
        for stage in STAGES {
            codes.push(run_stage(run, &mut services, &servers, &runner, stage)?);
        }
    } else {
        let mut tests = runner.selected(run, &selection);
        servers.tell(&mut tests);
        codes.push(run_tests(run, &mut services, tests, "tests")?);
    }
    run.progress.stage("Stopping the servers", || {
        drop(services);
        Ok(())
    })?;
    run.progress.print_times();
    Ok(codes.into_iter().max().unwrap_or_default())
}

fn run_stage(
    run: &Run,
    services: &mut Services,
    servers: &Servers,
    runner: &Runner,
    stage: &Stage,
) -> Outcome<u8> {
    if let Some(reason) = stage.reason_not_to_run(variable) {
        run.progress.not_run(stage.title, &reason);
        return Ok(0);
    }
    let mut tests = runner.of_stage(run, stage);
    servers.tell(&mut tests);
    stage.tell(&mut tests);
    run_tests(run, services, tests, stage.title)
}

fn run_tests(run: &Run, services: &mut Services, program: Command, what: &str) -> Outcome<u8> {
    let title = format!("Running the {what}");
    let status = run.progress.stage(&title, || services.accompany(program, what, TESTS))?;
    if !status.success() {
        run.progress.mark_last("FAILED");
    }
    Ok(exit_code(status))
}

/// The code to end with; a program that a signal ended has none of its own.
fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a developer tells the test run, not the portal"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
