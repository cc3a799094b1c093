//! What is run when everything is run: all tests once, then those that must hold on each Redis
//! again on each.

use std::process::Command;
use std::time::Duration;

use super::selection::{BLACK_BOX, CACHE, PROVIDERS, Selection};
use crate::processes::{capture, command};
use crate::run::Run;

/// Tells the black-box suites which Redis their portals use; without it each suite has its own.
const PROVIDER: &str = "PORTAL_TEST_PROVIDER";

/// Where the tests of the real Upstash find it.
const REAL_UPSTASH: [&str; 2] = ["UPSTASH_TEST_URL", "UPSTASH_TEST_TOKEN"];

/// What the names of the tests of the real Upstash contain.
const OF_REAL_UPSTASH: &str = "real_upstash";

/// Tests of two portals over one Redis: memory is not shared, so they are left out there.
const OF_TWO_INSTANCES: &str = "two_instances::";

/// The drills hold the portal to milliseconds, which a machine that does other work at the same
/// time cannot: they have a stage of their own, one after another. Parts of their names.
const DRILLS: &str = "drills::";
const DRILLS_SUITE: &str = "faults";

/// The suite of the cache on every kind of Redis has a stage for each, which tells how long it took:
/// the binary, which has one module for each kind.
const CACHE_SUITE: &str = "every_redis";

/// Which tests a stage runs.
#[derive(Debug)]
enum Scope {
    /// All but those that have stages of their own.
    Everything,
    /// The suite of the cache, on the kind of Redis that the module is named after.
    Cache { module: &'static str },
    /// These binaries of the black-box suites, on this Redis.
    BlackBox { binaries: &'static [&'static str], provider: &'static str },
    /// The drills, which bring their own Redis.
    Drills,
    /// Those of the real Upstash.
    RealUpstash,
}

/// One run of a test runner.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) title: &'static str,
    scope: Scope,
}

const PROVIDER_SUITE: &[&str] = &["provider"];

/// In order; the documentation tests come before.
pub(super) const STAGES: &[Stage] = &[
    Stage { title: "tests", scope: Scope::Everything },
    Stage { title: "cache suite on memory", scope: Scope::Cache { module: "on_memory::" } },
    Stage { title: "cache suite on a single Redis", scope: Scope::Cache { module: "on_single::" } },
    Stage {
        title: "cache suite on a Redis Cluster",
        scope: Scope::Cache { module: "on_cluster::" },
    },
    Stage { title: "cache suite on dev-upstash", scope: Scope::Cache { module: "on_upstash::" } },
    Stage {
        title: "black-box suites on a Redis Cluster",
        scope: Scope::BlackBox { binaries: &["api", "isolation", "provider"], provider: "cluster" },
    },
    Stage {
        title: "provider suite on dev-upstash",
        scope: Scope::BlackBox { binaries: PROVIDER_SUITE, provider: "upstash" },
    },
    Stage {
        title: "provider suite on memory, for one instance",
        scope: Scope::BlackBox { binaries: PROVIDER_SUITE, provider: "memory" },
    },
    Stage {
        title: "provider suite on a single Redis",
        scope: Scope::BlackBox { binaries: PROVIDER_SUITE, provider: "single" },
    },
    Stage { title: "fault drills, one after another", scope: Scope::Drills },
    Stage { title: "contract against the real Upstash", scope: Scope::RealUpstash },
];

impl Stage {
    /// Why the stage cannot be run here; `None` when it can.
    pub(super) fn reason_not_to_run(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let is_configured = REAL_UPSTASH.iter().all(|name| variable(name).is_some());
        let is_not = matches!(self.scope, Scope::RealUpstash) && !is_configured;
        is_not.then(|| format!("{} are not set", REAL_UPSTASH.join(" and ")))
    }

    /// Chooses the Redis, whatever the developer's shell says.
    pub(super) fn tell(&self, program: &mut Command) {
        match self.scope {
            Scope::BlackBox { provider, .. } => program.env(PROVIDER, provider),
            Scope::Everything | Scope::Cache { .. } | Scope::Drills | Scope::RealUpstash => {
                program.env_remove(PROVIDER)
            }
        };
    }

    /// Whether the processes cannot hear each other. Tests that run side by side share a Postgres,
    /// so the portal of one would take up the events of another and could wake nobody there: such a
    /// stage runs one test at a time, and leaves those of two instances out.
    fn is_of_one_process(&self) -> bool {
        matches!(self.scope, Scope::BlackBox { provider: "memory", .. })
    }

    /// For nextest. The whole workspace is selected and then filtered: naming a package would build
    /// it with other features, once more.
    fn nextest_arguments(&self) -> Vec<String> {
        let real = format!("(package({PROVIDERS}) and test({OF_REAL_UPSTASH}))");
        let cache = format!("(package({CACHE}) and binary({CACHE_SUITE}))");
        let filter = match &self.scope {
            Scope::Everything => format!("not {real} and not {cache} and not test({DRILLS})"),
            Scope::Cache { module } => format!("{cache} and test(/^{module}/)"),
            Scope::Drills => format!("package({BLACK_BOX}) and binary({DRILLS_SUITE})"),
            Scope::RealUpstash => real,
            Scope::BlackBox { binaries, .. } => {
                let binaries: Vec<_> =
                    binaries.iter().map(|name| format!("binary({name})")).collect();
                let without = if self.is_of_one_process() {
                    format!(" and not test({OF_TWO_INSTANCES})")
                } else {
                    String::new()
                };
                format!("package({BLACK_BOX}) and ({}){without}", binaries.join(" or "))
            }
        };
        let mut arguments = vec!["--workspace".to_owned(), "-E".to_owned(), filter];
        if self.is_of_one_process() {
            arguments.push("--test-threads=1".to_owned());
        }
        arguments
    }

    /// For `cargo test`. The documentation's tests have had their turn.
    fn cargo_arguments(&self) -> Vec<String> {
        let words = match &self.scope {
            Scope::Everything => {
                let kinds = STAGES.iter().filter_map(|stage| match stage.scope {
                    Scope::Cache { module } => Some(module),
                    _ => None,
                });
                let skipped = [OF_REAL_UPSTASH, DRILLS].into_iter().chain(kinds);
                let skipped: Vec<String> = skipped.map(|name| format!("--skip {name}")).collect();
                format!("--workspace --lib --bins --tests -- {}", skipped.join(" "))
            }
            Scope::Cache { module } => {
                format!("--package {CACHE} --test {CACHE_SUITE} -- {module}")
            }
            Scope::Drills => {
                format!("--package {BLACK_BOX} --test {DRILLS_SUITE} -- --test-threads 1")
            }
            Scope::RealUpstash => format!("--package {PROVIDERS} --tests -- {OF_REAL_UPSTASH}"),
            Scope::BlackBox { binaries, .. } => {
                let binaries: Vec<_> =
                    binaries.iter().map(|name| format!("--test {name}")).collect();
                let without = if self.is_of_one_process() {
                    format!(" -- --test-threads=1 --skip {OF_TWO_INSTANCES}")
                } else {
                    String::new()
                };
                format!("--package {BLACK_BOX} {}{without}", binaries.join(" "))
            }
        };
        words.split(' ').map(str::to_owned).collect()
    }
}

/// nextest where it is there, else `cargo test`: the same tests, one process a crate.
#[derive(Debug)]
pub(super) struct Runner {
    is_nextest: bool,
    is_automatic: bool,
}

impl Runner {
    pub(super) fn find(run: &Run) -> Self {
        let mut probe = command("cargo");
        probe.args(["nextest", "--version"]);
        let is_nextest = capture(&mut probe, Duration::from_secs(30))
            .is_ok_and(|answer| answer.status.success());
        if !is_nextest {
            run.progress.note("cargo-nextest is not installed: using cargo test");
        }
        Self { is_nextest, is_automatic: is_automatic() }
    }

    pub(super) fn of_stage(&self, run: &Run, stage: &Stage) -> Command {
        let mut cargo = self.command(run);
        cargo.args(if self.is_nextest {
            stage.nextest_arguments()
        } else {
            stage.cargo_arguments()
        });
        cargo
    }

    pub(super) fn selected(&self, run: &Run, selection: &Selection<'_>) -> Command {
        let mut cargo = self.command(run);
        if !selection.names_packages() {
            cargo.arg("--workspace");
            if !self.is_nextest {
                cargo.args(["--lib", "--bins", "--tests"]);
            }
        }
        cargo.args(selection.arguments);
        cargo
    }

    fn command(&self, run: &Run) -> Command {
        let mut cargo = run.cargo();
        if self.is_nextest {
            cargo.args(["nextest", "run"]);
            if self.is_automatic {
                cargo.args(["--profile", "ci"]);
            }
        } else {
            cargo.args(["test", "--no-fail-fast"]);
        }
        cargo
    }
}

/// Continuous integration sets CI.
fn is_automatic() -> bool {
    super::variable("CI").is_some_and(|value| value != "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider_of(stage: &Stage) -> Option<String> {
        let mut program = Command::new("true");
        stage.tell(&mut program);
        let mut set = program.get_envs().filter(|(name, _)| *name == PROVIDER);
        let (_, value) = set.next().expect("it is set or taken away");
        value.map(|value| value.to_str().unwrap().to_owned())
    }

    /// The stage of the black-box suites on a provider.
    fn staged(provider: &str) -> &'static Stage {
        let is_it = |stage: &&Stage| provider_of(stage).as_deref() == Some(provider);
        STAGES.iter().find(is_it).expect("a stage")
    }

    #[test]
    fn each_redis_has_its_stage() {
        let providers: Vec<_> = STAGES.iter().filter_map(provider_of).collect();
        assert_eq!(providers, ["cluster", "upstash", "memory", "single"]);
    }

    #[test]
    fn tests_of_the_real_service_are_run_by_their_own_stage_alone() {
        let [first, .., last] = STAGES else { panic!("no stages") };
        let real = "(package(redis-provider) and test(real_upstash))";
        let cache = "(package(tenant-cache) and binary(every_redis))";
        let others = format!("not {real} and not {cache} and not test(drills::)");
        assert_eq!(first.nextest_arguments(), ["--workspace", "-E", &others]);
        assert_eq!(last.nextest_arguments(), ["--workspace", "-E", real]);
        assert!(first.cargo_arguments().join(" ").contains("--skip real_upstash"));
    }

    #[test]
    fn drills_are_run_alone() {
        let drills = STAGES.iter().find(|stage| matches!(stage.scope, Scope::Drills)).unwrap();
        let filter = "package(portal-tests) and binary(faults)";
        assert_eq!(drills.nextest_arguments(), ["--workspace", "-E", filter]);
        assert_eq!(
            drills.cargo_arguments().join(" "),
            "--package portal-tests --test faults -- --test-threads 1"
        );
        let first = STAGES.first().unwrap();
        assert!(first.cargo_arguments().join(" ").contains("--skip drills::"));
    }

    #[test]
    fn the_cache_is_tested_on_each_redis_by_a_stage_of_its_own() {
        let stages: Vec<_> =
            STAGES.iter().filter(|stage| matches!(stage.scope, Scope::Cache { .. })).collect();
        let kinds = ["on_memory::", "on_single::", "on_cluster::", "on_upstash::"];
        assert_eq!(stages.len(), kinds.len());
        let everything = STAGES.first().unwrap().cargo_arguments().join(" ");
        for (stage, kind) in stages.into_iter().zip(kinds) {
            let filter =
                format!("(package(tenant-cache) and binary(every_redis)) and test(/^{kind}/)");
            assert_eq!(stage.nextest_arguments(), ["--workspace", "-E", &filter]);
            let arguments = stage.cargo_arguments().join(" ");
            assert_eq!(arguments, format!("--package tenant-cache --test every_redis -- {kind}"));
            assert!(everything.contains(&format!("--skip {kind}")), "{everything}");
        }
    }

    #[test]
    fn without_a_real_service_its_stage_is_not_run() {
        let only_url = |name: &str| (name == "UPSTASH_TEST_URL").then(|| "x".to_owned());
        let reasons: Vec<_> =
            STAGES.iter().filter_map(|stage| stage.reason_not_to_run(only_url)).collect();
        assert_eq!(reasons, ["UPSTASH_TEST_URL and UPSTASH_TEST_TOKEN are not set"]);
        let both = |_: &str| Some("x".to_owned());
        assert!(STAGES.iter().all(|stage| stage.reason_not_to_run(both).is_none()));
    }

    #[test]
    fn suites_are_selected_in_both_runners() {
        let stage = staged("cluster");
        let filter = "package(portal-tests) and \
            (binary(api) or binary(isolation) or binary(provider))";
        assert_eq!(stage.nextest_arguments(), ["--workspace", "-E", filter]);
        assert_eq!(
            stage.cargo_arguments().join(" "),
            "--package portal-tests --test api --test isolation --test provider"
        );
        let memory = staged("memory");
        let filter = "package(portal-tests) and (binary(provider)) and not test(two_instances::)";
        assert_eq!(memory.nextest_arguments(), ["--workspace", "-E", filter, "--test-threads=1"]);
        assert_eq!(
            memory.cargo_arguments().join(" "),
            "--package portal-tests --test provider -- --test-threads=1 --skip two_instances::"
        );
    }
}
