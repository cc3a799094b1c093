//! What was found, for people and for programs.

use std::time::Duration;

use redis_provider::{ServerInfo, Topology};
use serde_json::{Value, json};

use super::steps::Step;
use crate::commands::CommandError;

/// Everything that was found.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) provider: &'static str,
    pub(super) chosen_by: &'static str,
    pub(super) place: String,
    pub(super) server: Server,
    pub(super) steps: Vec<Step>,
    pub(super) findings: Vec<String>,
    pub(super) reach: Option<String>,
}

/// What the service says of itself, if it does.
#[derive(Debug)]
pub(super) struct Server(Option<ServerInfo>);

impl From<Option<ServerInfo>> for Server {
    fn from(info: Option<ServerInfo>) -> Self {
        Self(info)
    }
}

impl Server {
    fn describe(&self) -> String {
        let Some(info) = &self.0 else { return "does not tell".to_owned() };
        let topology = match info.topology {
            Topology::InProcess => "in this process".to_owned(),
            Topology::Single => "a single server".to_owned(),
            Topology::Cluster { primaries, replicas } => {
                format!("a cluster of {primaries} primaries and {replicas} replicas")
            }
            Topology::Rest => "over REST".to_owned(),
        };
        let encryption = match (info.topology, info.is_encrypted) {
            (Topology::InProcess, _) => "",
            (_, true) => ", with TLS",
            (_, false) => ", without TLS",
        };
        format!("{}, {topology}{encryption}", info.server)
    }

    fn to_json(&self) -> Value {
        let Some(info) = &self.0 else { return Value::Null };
        let topology = match info.topology {
            Topology::InProcess => json!({ "kind": "in_process" }),
            Topology::Single => json!({ "kind": "single" }),
            Topology::Cluster { primaries, replicas } => {
                json!({ "kind": "cluster", "primaries": primaries, "replicas": replicas })
            }
            Topology::Rest => json!({ "kind": "rest" }),
        };
        json!({
            "server": info.server,
            "topology": topology,
            "is_encrypted": info.is_encrypted,
            "eviction_policy": info.eviction_policy,
        })
    }
}

impl Step {
    fn verdict(&self) -> &'static str {
        match &self.failure {
            Some(_) => "failed",
            None if self.took <= self.target => "ok",
            None => "slow",
        }
    }
}

impl Report {
    /// The steps that failed, if any did.
    pub(super) fn failure(&self) -> Option<String> {
        let failed: Vec<&str> =
            self.steps.iter().filter(|step| step.failure.is_some()).map(|step| step.name).collect();
        (!failed.is_empty()).then(|| format!("{} failed; see above what to do", failed.join(", ")))
    }

    pub(super) fn to_lines(&self) -> String {
        let mut text = String::new();
        let mut add = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        add(format!("provider  {} (chosen by {}): {}", self.provider, self.chosen_by, self.place));
        add(format!("server    {}", self.server.describe()));
        add(String::new());
        for step in &self.steps {
            let Step { name, took, target, .. } = step;
            let (took, target, verdict) = (millis(*took), target.as_millis(), step.verdict());
            add(format!("{name:<9} {took:>9.2} ms   target {target:>4} ms   {verdict}"));
        }
        let failures =
            self.steps.iter().filter_map(|step| Some((step.name, step.failure.as_ref()?)));
        let told: Vec<String> = failures
            .map(|(name, failure)| format!("{name}: {failure}"))
            .chain(self.findings.iter().map(|finding| format!("note: {finding}")))
            .collect();
        if !told.is_empty() {
            add(String::new());
            told.into_iter().for_each(&mut add);
        }
        add(String::new());
        if let Some(reach) = &self.reach {
            add(format!("the same service by hand: {reach}"));
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let count = |verdict| self.steps.iter().filter(|step| step.verdict() == verdict).count();
        match (count("failed"), count("slow")) {
            (0, 0) => "all performance targets met".to_owned(),
            (0, slow) => {
                format!("everything works; {slow} of {} slower than the target", self.steps.len())
            }
            (failed, _) => format!("{failed} of {} failed", self.steps.len()),
        }
    }

    pub(super) fn to_json(&self) -> Result<String, CommandError> {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                json!({
                    "name": step.name,
                    "duration_ms": (millis(step.took) * 1_000.0).round() / 1_000.0,
                    "target_ms": millis(step.target),
                    "verdict": step.verdict(),
                    "failure": step.failure,
                })
            })
            .collect();
        let document = json!({
            "provider": self.provider,
            "chosen_by": self.chosen_by,
            "place": self.place,
            "service": self.server.to_json(),
            "steps": steps,
            "findings": self.findings,
            "reach": self.reach,
            "is_usable": self.failure().is_none(),
        });
        serde_json::to_string_pretty(&document).map_err(|error| CommandError::Output(error.into()))
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
