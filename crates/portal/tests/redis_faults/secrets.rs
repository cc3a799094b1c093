//! A run with marked secrets in every secret variable, while Redis fails in every way: the marks
//! show up in no log, no health document and no error body.

use crate::support::{
    CLIENT_SECRET, DATABASE_SECRET, Outcome, Pair, Program, SESSION_KEY, Upstash, closed_port,
    eventually, get, server, serving,
};

/// Everything that our own crates say, and what libraries say at their most talkative.
const TRACE: Pair = ("PORTAL__TELEMETRY__FILTER", "trace");

/// Paths that answer without a session, and one that refuses without.
const PATHS: [&str; 6] = [
    "/live",
    "/ready",
    "/health",
    "/health/cache",
    "/api/session",
    "/auth/login?organization=org_x",
];

/// Panics if a secret, or its percent-encoded or base64 form, stands in `text`.
fn keeps(secrets: &[&str], text: &str) {
    use base64::Engine;
    for secret in secrets {
        let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
        for form in [secret, encoded.trim_end_matches('=')] {
            assert!(!text.contains(form), "{form} stands in: {}", around(text, form));
        }
    }
}

fn around<'a>(text: &'a str, found: &str) -> &'a str {
    text.lines().find(|line| line.contains(found)).unwrap_or_default()
}

/// A portal with these variables; `fail` breaks its Redis while it is looked at.
fn run(redis: &[Pair], secrets: &[&str], fail: impl FnOnce(&dyn Fn(&str))) -> Outcome {
    let port = closed_port();
    let settings = serving(port);
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    let variables: Vec<Pair> = settings.chain(redis.iter().copied()).chain([TRACE]).collect();
    let portal = Program::portal(&["serve"], &variables);
    let bodies = std::cell::RefCell::new(Vec::new());
    let wait_for = |state: &str| {
        eventually(&format!("the cache is {state}"), || {
            let answers: Vec<_> = PATHS.iter().filter_map(|path| get(port, path)).collect();
            bodies
                .borrow_mut()
                .extend(answers.iter().flat_map(|(head, body)| [head.clone(), body.clone()]));
            let mark = format!("\"cache\":{{\"status\":\"{state}\"");
            answers.iter().any(|(_, body)| body.contains(&mark)).then_some(())
        });
    };
    wait_for("up");
    fail(&wait_for);
    let outcome = portal.stops();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let always = [DATABASE_SECRET, CLIENT_SECRET, SESSION_KEY];
    let secrets = [&always, secrets].concat();
    keeps(&secrets, &outcome.output());
    keeps(&secrets, &bodies.borrow().join("\n"));
    outcome
}

#[test]
fn of_a_server_with_a_password() {
    const PASSWORD: &str = "marker-of-the-password";
    let server = server(true, false);
    let has_user = |password: &str| {
        let rule = ["acl", "setuser", "app", "reset", "on", password, "~*", "&*", "+@all"];
        assert_eq!(server.ask(&rule), "OK");
    };
    let port = server.port().to_string();
    let url = format!("redis://app:{PASSWORD}@localhost:{port}");
    let parts = [
        ("REDIS_HOST", "localhost"),
        ("REDIS_PORT", port.as_str()),
        ("REDIS_USERNAME", "app"),
        ("REDIS_PASSWORD", PASSWORD),
    ];
    for variables in [[("REDIS_URL", url.as_str())].as_slice(), &parts] {
        has_user(&format!(">{PASSWORD}"));
        let outcome = run(variables, &[PASSWORD], |wait_for| {
            server.pause();
            wait_for("down");
            server.resume();
            wait_for("up");
            // It comes back without the user: every new connection is refused.
            server.kill();
            server.restart();
            wait_for("down");
            has_user(&format!(">{PASSWORD}"));
            wait_for("up");
            // Rotated under a portal that has the old one.
            has_user(">another");
            server.kill_connections();
            wait_for("down");
            has_user(&format!(">{PASSWORD}"));
            wait_for("up");
        });
        assert!(outcome.stderr.contains("TRACE"), "the log is at its most talkative");
    }
}

#[test]
fn of_upstash() {
    let upstash = Upstash::start();
    let url = upstash.url();
    let variables = [
        ("UPSTASH_REDIS_REST_URL", url.as_str()),
        ("UPSTASH_REDIS_REST_TOKEN", Upstash::TOKEN),
        ("PORTAL__REDIS__UPSTASH_HEALTH_CHECK_INTERVAL_MS", "50"),
        ("PORTAL__REDIS__BREAKER_QUOTA_OPEN_MS", "500"),
    ];
    run(&variables, &[Upstash::TOKEN], |wait_for| {
        for fault in ["status-500", "html-502", "quota-daily", "hang", "drop-reply", "status-429"] {
            upstash.plays(fault);
            wait_for("down");
            upstash.plays("");
            wait_for("up");
        }
    });
}

#[test]
fn of_iam() {
    let server = server(true, true);
    let authority = server.ca_file().unwrap().to_str().unwrap();
    let url = format!("rediss://localhost:{}", server.port());
    let secrets = ["marker-of-the-key", "marker-of-the-session"];
    let settings = serving(closed_port());
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    let variables: Vec<Pair> = settings
        .chain([
            ("REDIS_URL", url.as_str()),
            ("REDIS_TLS_CA_FILE", authority),
            ("REDIS_IAM", "true"),
            ("REDIS_IAM_USER", "portal"),
            ("REDIS_IAM_CACHE_NAME", "jobs"),
            ("REDIS_IAM_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", secrets[0]),
            ("AWS_SESSION_TOKEN", secrets[1]),
            TRACE,
        ])
        .collect();
    // The server knows no such user: the start says so.
    let outcome = Program::portal(&["serve"], &variables).ends();
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let [line] = outcome.reasons()[..] else { panic!("{outcome:?}") };
    assert!(line.contains("REDIS_IAM_USER") && line.contains("elasticache:Connect"), "{line}");
    keeps(&[secrets[0], secrets[1], "X-Amz-Signature"], &outcome.output());
}
