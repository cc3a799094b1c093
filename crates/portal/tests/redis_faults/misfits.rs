//! Settings that do not fit the service that answers: one line, the variable, the remedy, soon.

use std::time::Duration;

use dev_redis_cluster::OwnCluster;

use crate::support::{
    Outcome, Pair, Program, Upstash, closed_port, eventually, get, redis_check, server, serving,
    web_page,
};

/// A person who starts the portal waits no longer for the reason of its end.
const SOON: Duration = Duration::from_secs(5);

const WRONG: &str = "marker-of-a-wrong-secret";

/// Panics unless the program ended with one line that names the variable and the remedy, and no
/// secret.
fn says(what: &str, outcome: &Outcome, name: &str, remedy: &str) {
    assert_eq!(outcome.code, Some(1), "{what}: {outcome:?}");
    assert!(outcome.took < SOON, "{what}: {outcome:?}");
    let [line] = outcome.reasons()[..] else { panic!("{what}: {outcome:?}") };
    assert!(line.contains(name), "{what} names not {name}: {line}");
    assert!(line.contains(remedy), "{what} says not {remedy}: {line}");
    assert!(!outcome.output().contains("marker-of-"), "{what} tells a secret: {outcome:?}");
}

/// The same of the check, which says nothing else.
fn check_says(variables: &[Pair], name: &str, remedy: &str) {
    let outcome = redis_check(variables);
    says(&format!("{variables:?}"), &outcome, name, remedy);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.lines().count()), ("", 1), "{outcome:?}");
}

/// The same of the start.
fn start_says(variables: &[Pair], name: &str, remedy: &str) {
    let settings = serving(closed_port());
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    let variables: Vec<Pair> = settings.chain(variables.iter().copied()).collect();
    let outcome = Program::portal(&["serve"], &variables).ends();
    says(&format!("{variables:?}"), &outcome, name, remedy);
}

#[test]
fn a_password_that_is_wrong_or_missing() {
    let server = server(true, false);
    let port = server.port().to_string();
    let plain = format!("redis://localhost:{port}");
    let wrong = format!("redis://:{WRONG}@localhost:{port}");
    let user = format!("redis://nobody:{WRONG}@localhost:{port}");
    let parts = [("REDIS_HOST", "localhost"), ("REDIS_PORT", port.as_str())];
    check_says(&[("REDIS_URL", &wrong)], "REDIS_URL", "current");
    check_says(&[("REDIS_PRIVATE_URL", &user)], "REDIS_PRIVATE_URL", "current");
    check_says(&[("REDIS_URL", &plain), ("REDIS_PASSWORD", WRONG)], "REDIS_PASSWORD", "current");
    check_says(&[parts[0], parts[1], ("REDIS_PASSWORD", WRONG)], "REDIS_PASSWORD", "current");
    check_says(&[("REDIS_URL", &plain)], "REDIS_URL", "set REDIS_PASSWORD");
    check_says(&parts, "REDIS_PASSWORD", "set it");
    start_says(&[("REDIS_URL", &wrong)], "REDIS_URL", "current");
}

#[test]
fn plain_text_to_tls_and_the_reverse() {
    let (plain, encrypted) = (server(false, false), server(true, true));
    let password = encrypted.password().unwrap();
    let authority = encrypted.ca_file().unwrap().to_str().unwrap();
    let ca = ("REDIS_TLS_CA_FILE", authority);
    let url = |scheme: &str, port: u16| format!("{scheme}://localhost:{port}");

    let to_tls = url("redis", encrypted.port());
    check_says(&[("REDIS_URL", &to_tls)], "REDIS_URL", "rediss://");
    let port = encrypted.port().to_string();
    let parts = [("REDIS_HOST", "localhost"), ("REDIS_PORT", &port), ("REDIS_PASSWORD", password)];
    check_says(&parts, "REDIS_TLS", "set it to true");
    start_says(&parts, "REDIS_TLS", "set it to true");

    let to_plain = url("rediss", plain.port());
    check_says(&[("REDIS_URL", &to_plain), ca], "REDIS_URL", "encryption in transit");
    let port = plain.port().to_string();
    let parts = [("REDIS_HOST", "localhost"), ("REDIS_PORT", &port), ("REDIS_TLS", "true"), ca];
    check_says(&parts, "REDIS_TLS", "encryption in transit");
}

#[test]
fn a_certificate_that_nobody_vouches_for() {
    let (ours, other) = (server(true, true), server(true, true));
    let url = ours.url();
    check_says(&[("REDIS_URL", &url)], "REDIS_TLS_CA_FILE", "certificate");
    let authority = other.ca_file().unwrap().to_str().unwrap();
    let ca = ("REDIS_TLS_CA_FILE", authority);
    check_says(&[("REDIS_URL", &url), ca], "REDIS_TLS_CA_FILE", "does not vouch");
}

#[test]
fn a_cluster_that_is_none_and_the_reverse() {
    let single = server(false, false);
    let (url, says_cluster) = (single.url(), single.url().replace("redis://", "redis-cluster://"));
    let is_cluster = ("REDIS_CLUSTER", "true");
    check_says(&[("REDIS_URL", &url), is_cluster], "REDIS_CLUSTER", "auto");
    check_says(&[("REDIS_URL", &says_cluster)], "REDIS_URL", "without -cluster");
    start_says(&[("REDIS_URL", &url), is_cluster], "REDIS_CLUSTER", "auto");

    let cluster = OwnCluster::start(&dev_redis_cluster::redis_server_program());
    let (url, authority) = (cluster.url(), cluster.ca_file());
    let ca = ("REDIS_TLS_CA_FILE", authority.to_str().unwrap());
    let variables = [("REDIS_URL", url.as_str()), ca, ("REDIS_CLUSTER", "false")];
    check_says(&variables, "REDIS_CLUSTER", "auto");
}

#[test]
fn something_that_is_not_redis() {
    let url = format!("redis://127.0.0.1:{}", web_page());
    check_says(&[("REDIS_URL", &url)], "REDIS_URL", "check host and port");
}

#[test]
fn upstash_with_another_token_another_page_or_another_protocol() {
    let upstash = Upstash::start();
    let url = upstash.url();
    let address = ("UPSTASH_REDIS_REST_URL", url.as_str());
    let with = |token: &'static str| [address, ("UPSTASH_REDIS_REST_TOKEN", token)];
    check_says(&with(WRONG), "UPSTASH_REDIS_REST_TOKEN", "copy");
    check_says(&with(Upstash::READ_ONLY), "UPSTASH_REDIS_REST_TOKEN", "read-only");
    start_says(&with(Upstash::READ_ONLY), "UPSTASH_REDIS_REST_TOKEN", "read-only");

    let token = ("UPSTASH_REDIS_REST_TOKEN", Upstash::TOKEN);
    let page = format!("http://127.0.0.1:{}", web_page());
    check_says(&[("UPSTASH_REDIS_REST_URL", &page), token], "UPSTASH_REDIS_REST_URL", "copy");
    let encrypted = url.replace("http://", "https://");
    check_says(&[("UPSTASH_REDIS_REST_URL", &encrypted), token], "UPSTASH_REDIS_REST_URL", "TLS");
}

#[test]
fn what_needs_no_service_to_be_wrong() {
    let upstash = ("UPSTASH_REDIS_REST_URL", "https://eu1-x.upstash.io");
    for token in [format!("{WRONG}\n"), format!("\"{WRONG}\""), format!(" {WRONG}")] {
        let token = ("UPSTASH_REDIS_REST_TOKEN", token.as_str());
        check_says(&[upstash, token], "UPSTASH_REDIS_REST_TOKEN", "set it again");
        start_says(&[upstash, token], "UPSTASH_REDIS_REST_TOKEN", "set it again");
    }
    check_says(&[("REDIS_PROVIDER", "dragonfly")], "REDIS_PROVIDER", "elasticache");
    let rest = format!("https://default:{WRONG}@eu1-x.upstash.io");
    check_says(&[("REDIS_URL", &rest)], "REDIS_URL", "UPSTASH_REDIS_REST_URL");
    let redis = format!("rediss://default:{WRONG}@eu1-x.upstash.io:6379");
    check_says(
        &[("UPSTASH_REDIS_REST_URL", &redis), ("UPSTASH_REDIS_REST_TOKEN", WRONG)],
        "UPSTASH_REDIS_REST_URL",
        "REDIS_PROVIDER=elasticache",
    );
}

#[test]
fn a_service_that_is_away_stops_the_check_and_not_the_portal() {
    let port = closed_port();
    let redis = format!("redis://:{WRONG}@127.0.0.1:{port}");
    let rest = format!("http://127.0.0.1:{port}");
    let services = [
        (vec![("REDIS_URL", redis.as_str())], "REDIS_URL"),
        (
            vec![("UPSTASH_REDIS_REST_URL", rest.as_str()), ("UPSTASH_REDIS_REST_TOKEN", WRONG)],
            "UPSTASH_REDIS_REST_URL",
        ),
    ];
    for (variables, name) in services {
        check_says(&variables, name, "check the address");

        let listening = closed_port();
        let settings = serving(listening);
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        let variables: Vec<Pair> = settings.chain(variables).collect();
        let portal = Program::portal(&["serve"], &variables);
        let ready = eventually("it says that the cache is away", || {
            let (_, body) = get(listening, "/ready")?;
            body.contains("\"cache\":{\"status\":\"down\"").then_some(body)
        });
        assert!(ready.contains("\"status\":\"starting\""), "{ready}");
        let (head, cache) = get(listening, "/health/cache").unwrap();
        assert!(head.starts_with("HTTP/1.1 503"), "without a database either: {head}");
        let provider = if name == "REDIS_URL" { "elasticache" } else { "upstash" };
        for part in [
            format!("\"provider\":\"{provider}\""),
            "\"breaker\":{\"reads\":".to_owned(),
            "\"journaled_invalidations\":0".to_owned(),
            "\"redis_available\":false".to_owned(),
        ] {
            assert!(cache.contains(&part), "{part} is missing in {cache}");
        }
        assert_eq!(portal.stops().code, Some(0));
    }
}
