//! What `portal redis-check` says of services that work, and of users who may not do all.

use dev_redis_cluster::OwnCluster;
use serde_json::Value;

use crate::support::{Pair, Program, Upstash, redis_check, server};

/// What the portal asks of a service, in the order of the report.
const STEPS: [&str; 11] = [
    "CONNECT", "PING", "INFO", "SET", "GET", "EXPIRE", "DELETE", "PIPELINE", "EVAL", "SCAN",
    "PUBLISH",
];

fn report(variables: &[Pair]) -> Value {
    let outcome = Program::portal(&["redis-check", "--json"], variables).ends();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr, "", "{outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn is_usable(report: &Value) {
    assert_eq!(report["is_usable"], true, "{report:#}");
    let steps = report["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, STEPS);
    for step in steps {
        // A busy machine makes it slow, which is no failure.
        assert_ne!(step["verdict"], "failed", "{step}");
        assert!(
            step["duration_ms"].as_f64().unwrap() >= 0.0 && step["failure"].is_null(),
            "{step}"
        );
    }
}

fn notes(report: &Value, text: &str) -> bool {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().any(|finding| finding.as_str().unwrap().contains(text))
}

#[test]
fn a_single_server() {
    let server = server(true, true);
    let (url, authority) = (server.url(), server.ca_file().unwrap().to_str().unwrap());
    let report = report(&[("REDIS_URL", &url), ("REDIS_TLS_CA_FILE", authority)]);
    is_usable(&report);
    assert_eq!(
        (&report["provider"], &report["chosen_by"]),
        (&"elasticache".into(), &"REDIS_URL".into())
    );
    assert_eq!(report["service"]["topology"]["kind"], "single");
    assert_eq!(report["service"]["is_encrypted"], true);
    let reach = report["reach"].as_str().unwrap();
    assert!(
        reach.starts_with("redis-cli --tls --cacert ") && reach.contains("--askpass"),
        "{reach}"
    );
    assert!(!report.to_string().contains(server.password().unwrap()), "{report}");
}

#[test]
fn a_server_without_encryption_is_noted() {
    let server = server(false, false);
    let (url, port) = (server.url(), server.port());
    let report = report(&[("REDIS_URL", &url)]);
    is_usable(&report);
    assert!(notes(&report, "not encrypted") && notes(&report, "noeviction"), "{report:#}");
    assert_eq!(report["reach"], format!("redis-cli -h localhost -p {port} ping"));
}

#[test]
fn a_cluster_with_every_right_and_with_the_least() {
    let cluster = OwnCluster::start(&dev_redis_cluster::redis_server_program());
    let authority = cluster.ca_file();
    let authority = ("REDIS_TLS_CA_FILE", authority.to_str().unwrap());
    for login in [cluster.app(), cluster.least()] {
        let url = cluster.plan().url_of(&login);
        let report = report(&[("REDIS_URL", &url), authority]);
        is_usable(&report);
        let topology = &report["service"]["topology"];
        assert_eq!(topology["kind"], "cluster", "{report:#}");
        assert_eq!((&topology["primaries"], &topology["replicas"]), (&3.into(), &3.into()));
        assert!(report["reach"].as_str().unwrap().ends_with(" -c ping"), "{report:#}");
        assert!(!report.to_string().contains(&login.password), "{report}");
    }
}

#[test]
fn upstash() {
    let upstash = Upstash::start();
    let url = upstash.url();
    let report =
        report(&[("UPSTASH_REDIS_REST_URL", &url), ("UPSTASH_REDIS_REST_TOKEN", Upstash::TOKEN)]);
    is_usable(&report);
    assert_eq!(report["provider"], "upstash");
    assert_eq!(report["service"]["topology"]["kind"], "rest");
    let reach = "curl -H \"Authorization: Bearer $UPSTASH_REDIS_REST_TOKEN\"";
    assert_eq!(report["reach"], format!("{reach} {url}/ping"));
    assert!(!report.to_string().contains(Upstash::TOKEN), "{report}");
}

#[test]
fn memory_in_lines_for_people() {
    let outcome = redis_check(&[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for step in STEPS {
        let line = outcome.stdout.lines().find(|line| line.starts_with(step)).unwrap();
        assert!(line.contains(" ms   target ") && line.ends_with("ok"), "{line}");
    }
    assert!(outcome.stdout.contains("one instance only"), "{}", outcome.stdout);
    assert!(outcome.stdout.ends_with("all performance targets met\n"), "{}", outcome.stdout);
}

#[test]
fn rights_that_are_missing_are_named_one_by_one() {
    let server = server(true, false);
    let all = "~* &* +@all -set -eval -evalsha -publish -scan";
    let mut rule = vec!["acl", "setuser", "few", "on", ">marker-of-few"];
    rule.extend(all.split(' '));
    assert_eq!(server.ask(&rule), "OK");
    let url = format!("redis://few:marker-of-few@localhost:{}", server.port());
    let outcome = redis_check(&[("REDIS_URL", &url)]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    // The start may notice the first one by itself; the check of a service that lets us in goes on
    // to the others.
    let told = outcome.output();
    assert!(told.contains("+set"), "{told}");
    if outcome.stdout.is_empty() {
        assert_eq!(outcome.reasons().len(), 1, "{told}");
    } else {
        for right in ["+eval", "+scan", "+publish"] {
            assert!(told.contains(right), "{right} is missing in {told}");
        }
        let [reason] = outcome.reasons()[..] else { panic!("{told}") };
        assert!(reason.contains("SET") && reason.contains("EVAL"), "{reason}");
    }
    assert!(!told.contains("marker-of-few"), "{told}");
}
