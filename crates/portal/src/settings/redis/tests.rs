//! Which service is chosen, what is read of its variables, and what wrong ones are told.

use redis_provider::{ClusterMode, Credentials, Misconfiguration, RedisError};
use secrecy::ExposeSecret;

use super::credentials::Login;
use super::*;
use crate::settings::InvalidSettings;

type Pair = (&'static str, &'static str);

/// In no message may these show up.
const SECRETS: [&str; 2] = ["s3cret", "S3CRET"];

fn load(pairs: &[Pair]) -> Result<RedisSettings, InvalidSettings> {
    RedisSettings::load(&Variables::from_pairs(pairs.to_vec()))
}

fn server(pairs: &[Pair]) -> (ElastiCacheSettings, ElastiCacheOrigins) {
    match load(pairs).unwrap().service {
        Service::ElastiCache(settings, origins) => (settings, origins),
        other => panic!("{other:?}"),
    }
}

fn seeds(settings: &ElastiCacheSettings) -> Vec<String> {
    settings.seeds.iter().map(|(host, port)| format!("{host}:{port}")).collect()
}

fn login(settings: &ElastiCacheSettings) -> (Option<&str>, Option<&str>) {
    match &settings.credentials {
        Credentials::Password { username, password } => {
            (username.as_deref(), Some(password.expose_secret()))
        }
        _ => (None, None),
    }
}

#[test]
fn the_service_follows_from_what_is_set() {
    const URL: Pair = ("REDIS_URL", "rediss://a.example.com");
    const PRIVATE: Pair = ("REDIS_PRIVATE_URL", "rediss://b.example.com");
    const HOST: [Pair; 2] = [("REDIS_HOST", "c.example.com"), ("REDIS_TLS", "1")];
    const REST: [Pair; 2] = [
        ("UPSTASH_REDIS_REST_URL", "https://eu1-d.upstash.io"),
        ("UPSTASH_REDIS_REST_TOKEN", "AbC="),
    ];
    const VERCEL: [Pair; 2] =
        [("KV_REST_API_URL", "https://eu1-e.upstash.io"), ("KV_REST_API_TOKEN", "AbC=")];
    let upstash = ("REDIS_PROVIDER", "upstash");
    let table: Vec<(Vec<Pair>, &str, &str, Option<&str>)> = vec![
        (vec![], "this process", "PORTAL_ENV", None),
        (vec![URL, PRIVATE, HOST[0]], "a.example.com:6379", "REDIS_URL", None),
        (vec![PRIVATE, HOST[0]], "b.example.com:6379", "REDIS_PRIVATE_URL", None),
        (HOST.to_vec(), "c.example.com:6379", "REDIS_HOST", None),
        (REST.to_vec(), "https://eu1-d.upstash.io", "UPSTASH_REDIS_REST_URL", None),
        (VERCEL.to_vec(), "https://eu1-e.upstash.io", "KV_REST_API_URL", None),
        (
            [[URL].as_slice(), &REST].concat(),
            "a.example.com:6379",
            "REDIS_URL",
            Some("UPSTASH_REDIS_REST_URL"),
        ),
        (
            [[URL, upstash].as_slice(), &REST].concat(),
            "https://eu1-d.upstash.io",
            "REDIS_PROVIDER",
            Some("REDIS_URL"),
        ),
        ([VERCEL, REST].concat(), "https://eu1-d.upstash.io", "UPSTASH_REDIS_REST_URL", None),
        (
            vec![("REDIS_PROVIDER", "memory"), URL],
            "this process",
            "REDIS_PROVIDER",
            Some("REDIS_URL"),
        ),
        (vec![("REDIS_URL", ""), ("REDIS_PROVIDER", "")], "this process", "PORTAL_ENV", None),
    ];
    for (pairs, place, by, passed_over) in table {
        let settings = load(&pairs).unwrap();
        assert_eq!(settings.service.place(), place, "{pairs:?}");
        assert_eq!(settings.decision, Decision { by, passed_over }, "{pairs:?}");
    }
}

#[test]
fn a_url_says_all_that_the_parts_do() {
    let (settings, _) = server(&[
        ("REDIS_URL", "rediss-cluster://app:p%40ss@a.example.com:7000/0?node=b.example.com:7001"),
        ("REDIS_TLS", "yes"),
    ]);
    assert_eq!(seeds(&settings), ["a.example.com:7000", "b.example.com:7001"]);
    assert_eq!(login(&settings), (Some("app"), Some("p@ss")));
    assert_eq!(settings.mode, ClusterMode::Cluster);
    assert!(settings.tls.is_some());

    let (settings, origins) = server(&[
        ("REDIS_HOST", "a.example.com"),
        ("REDIS_PORT", "7000"),
        ("REDIS_USERNAME", "app"),
        ("REDIS_PASSWORD", "two words"),
        ("REDIS_TLS", "TRUE"),
        ("REDIS_CLUSTER", "false"),
    ]);
    assert_eq!(seeds(&settings), ["a.example.com:7000"]);
    assert_eq!(login(&settings), (Some("app"), Some("two words")));
    assert_eq!(settings.mode, ClusterMode::Single);
    assert_eq!((origins.encryption, origins.login), ("REDIS_TLS", Login::Variables));
}

#[test]
fn a_url_without_a_password_takes_it_from_the_variables() {
    let (settings, origins) = server(&[
        ("REDIS_URL", "rediss://app@a.example.com"),
        ("REDIS_USERNAME", "other"),
        ("REDIS_PASSWORD", "s3cret"),
    ]);
    assert_eq!(login(&settings), (Some("app"), Some("s3cret")));
    assert_eq!(origins.login, Login::Variables);
    let (settings, origins) =
        server(&[("REDIS_URL", "rediss://:own@a.example.com"), ("REDIS_PASSWORD", "s3cret")]);
    assert_eq!((login(&settings), origins.login), ((None, Some("own")), Login::Url));
}

#[test]
fn iam_is_read_with_keys_or_with_the_containers() {
    const IAM: [Pair; 4] = [
        ("REDIS_URL", "rediss://clustercfg.jobs.x.euw1.cache.amazonaws.com"),
        ("REDIS_IAM", "true"),
        ("REDIS_IAM_USER", "portal"),
        ("REDIS_IAM_CACHE_NAME", "jobs"),
    ];
    const REGION: Pair = ("AWS_REGION", "eu-west-1");
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "s3cret")];
    let full = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")];
    let relative = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/id")];
    for more in [keys.as_slice(), &full, &relative] {
        let (settings, origins) = server(&[IAM.as_slice(), &[REGION], more].concat());
        assert!(matches!(settings.credentials, Credentials::Source(_)));
        assert_eq!(origins.login, Login::Iam);
    }
    for (more, name, remedy) in [
        ([REGION].as_slice(), "AWS_ACCESS_KEY_ID", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        (&keys, "REDIS_IAM_REGION", "eu-west-1"),
        (&[REGION, keys[0]], "AWS_SECRET_ACCESS_KEY", "is not set"),
        (&[REGION, keys[1]], "AWS_ACCESS_KEY_ID", "is not set"),
        (
            &[REGION, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example.com/")],
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "https",
        ),
        (
            &[REGION, ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ".evil.example.com/")],
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "as it is",
        ),
        (&[REGION, keys[0], keys[1], ("REDIS_PASSWORD", "s3cret")], "REDIS_IAM", "remove one"),
        (
            &[REGION, keys[0], keys[1], ("REDIS_IAM_SERVERLESS", "so")],
            "REDIS_IAM_SERVERLESS",
            "true",
        ),
    ] {
        refuses(&[IAM.as_slice(), more].concat(), name, remedy);
    }
    let endpoint = [IAM[0], IAM[1], IAM[2], ("REDIS_IAM_CACHE_NAME", "jobs.x.cache.amazonaws.com")];
    let more = [REGION, keys[0], keys[1]];
    refuses(&[endpoint.as_slice(), &more].concat(), "REDIS_IAM_CACHE_NAME", "name");
    let plain = [("REDIS_URL", "redis://127.0.0.1"), IAM[1], IAM[2], IAM[3]];
    refuses(&[plain.as_slice(), &more].concat(), "REDIS_URL", "TLS");
}

/// Panics unless these are refused in one line that begins with `name`, says `remedy`, and keeps
/// what is secret.
fn refuses(pairs: &[Pair], name: &str, remedy: &str) {
    let text = load(pairs).expect_err(&format!("{pairs:?}")).to_string();
    let is_named = text.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '));
    assert!(is_named, "{pairs:?} names not {name}: {text}");
    assert!(text.contains(remedy), "{pairs:?} says not {remedy}: {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
}

#[test]
fn wrong_settings_are_one_line_with_the_variable_and_the_remedy() {
    const HOST: Pair = ("REDIS_HOST", "127.0.0.1");
    const REST: Pair = ("UPSTASH_REDIS_REST_URL", "https://eu1-x.upstash.io");
    const TOKEN: Pair = ("UPSTASH_REDIS_REST_TOKEN", "S3CRET=");
    const LIVE: Pair = ("PORTAL_ENV", "production");
    let table: &[(&[Pair], &str, &str)] = &[
        // The provider
        (&[("REDIS_PROVIDER", "dragonfly")], "REDIS_PROVIDER", "upstash, elasticache, memory"),
        (&[("REDIS_PROVIDER", "\"upstash\"")], "REDIS_PROVIDER", "quotation marks"),
        (&[("REDIS_PROVIDER", "upstash ")], "REDIS_PROVIDER", "white space"),
        (&[LIVE, ("REDIS_PROVIDER", "memory")], "REDIS_PROVIDER", "elasticache or upstash"),
        (&[LIVE], "REDIS_PROVIDER", "REDIS_URL"),
        (&[("REDIS_PROVIDER", "elasticache")], "REDIS_HOST", "REDIS_URL"),
        (&[("REDIS_PROVIDER", "elasticache"), REST, TOKEN], "REDIS_HOST", "REDIS_PROVIDER=upstash"),
        (&[("REDIS_PROVIDER", "upstash"), TOKEN], "UPSTASH_REDIS_REST_URL", "https://"),
        (
            &[("REDIS_PROVIDER", "upstash"), TOKEN, HOST],
            "UPSTASH_REDIS_REST_URL",
            "REDIS_PROVIDER=elasticache",
        ),
        // The server's address
        (&[("REDIS_URL", "s3cret.example.com:6379")], "REDIS_URL", "rediss://user"),
        (&[("REDIS_URL", "rediss://:s3cret@a/b")], "REDIS_URL", "percent-encoded"),
        (&[("REDIS_URL", " rediss://:s3cret@a")], "REDIS_URL", "white space"),
        (&[("REDIS_URL", "'rediss://:s3cret@a'")], "REDIS_URL", "quotation marks"),
        (&[("REDIS_URL", "REDIS_URL=rediss://:s3cret@a")], "REDIS_URL", "equals sign"),
        (&[("REDIS_URL", "redis-cli -u rediss://:s3cret@a")], "REDIS_URL", "white space inside"),
        (&[("REDIS_URL", "rediss://a/3")], "REDIS_URL", "remove the number"),
        (&[("REDIS_URL", "https://eu1-x.upstash.io")], "REDIS_URL", "UPSTASH_REDIS_REST_URL"),
        (&[("REDIS_URL", "redis://a.example.com")], "REDIS_URL", "rediss://"),
        (&[LIVE, ("REDIS_URL", "redis://127.0.0.1")], "REDIS_URL", "rediss://"),
        (&[("REDIS_PRIVATE_URL", "redis://a.example.com")], "REDIS_PRIVATE_URL", "rediss://"),
        (&[("REDIS_HOST", "rediss://a.example.com")], "REDIS_HOST", "REDIS_URL"),
        (&[("REDIS_HOST", "a.example.com:6379")], "REDIS_HOST", "REDIS_PORT"),
        (&[("REDIS_HOST", "user@a.example.com")], "REDIS_HOST", "host name"),
        (&[("REDIS_HOST", "a.example.com")], "REDIS_TLS", "true"),
        (&[LIVE, HOST], "REDIS_TLS", "true"),
        (&[HOST, ("REDIS_PORT", "0")], "REDIS_PORT", "6379"),
        (&[HOST, ("REDIS_PORT", "six")], "REDIS_PORT", "6379"),
        // Contradictions
        (&[("REDIS_URL", "redis://127.0.0.1"), ("REDIS_TLS", "true")], "REDIS_URL", "rediss://"),
        (&[("REDIS_URL", "rediss://a"), ("REDIS_TLS", "0")], "REDIS_TLS", "remove it"),
        (
            &[("REDIS_URL", "rediss-cluster://a"), ("REDIS_CLUSTER", "no")],
            "REDIS_CLUSTER",
            "remove one",
        ),
        // Switches, names, secrets, files
        (&[HOST, ("REDIS_TLS", "on")], "REDIS_TLS", "true nor false"),
        (&[HOST, ("REDIS_CLUSTER", "maybe")], "REDIS_CLUSTER", "auto, true, false"),
        (&[HOST, ("REDIS_IAM", "maybe")], "REDIS_IAM", "true nor false"),
        (&[HOST, ("REDIS_PASSWORD", "s3cret\t")], "REDIS_PASSWORD", "white space"),
        (&[HOST, ("REDIS_PASSWORD", "`s3cret`")], "REDIS_PASSWORD", "quotation marks"),
        (&[HOST, ("REDIS_USERNAME", "app")], "REDIS_PASSWORD", "is not set"),
        (&[HOST, ("REDIS_TLS_CA_FILE", "/nonexistent/ca")], "REDIS_TLS_CA_FILE", "cannot be read"),
        (&[HOST, ("REDIS_TLS_CA_FILE", "/dev/null")], "REDIS_TLS_CA_FILE", "PEM"),
        // Upstash
        (&[REST], "UPSTASH_REDIS_REST_TOKEN", "is not set"),
        (&[REST, ("UPSTASH_REDIS_REST_TOKEN", "S3CRET=\n")], "UPSTASH_REDIS_REST_TOKEN", "white"),
        (&[REST, ("UPSTASH_REDIS_REST_TOKEN", "\"S3CRET\"")], "UPSTASH_REDIS_REST_TOKEN", "quota"),
        (
            &[REST, ("UPSTASH_REDIS_REST_TOKEN", "Bearer S3CRET")],
            "UPSTASH_REDIS_REST_TOKEN",
            "inside",
        ),
        (
            &[("UPSTASH_REDIS_REST_URL", "eu1-x.upstash.io"), TOKEN],
            "UPSTASH_REDIS_REST_URL",
            "https",
        ),
        (
            &[("UPSTASH_REDIS_REST_URL", "rediss://:S3CRET@eu1-x.upstash.io:6379"), TOKEN],
            "UPSTASH_REDIS_REST_URL",
            "REDIS_PROVIDER=elasticache",
        ),
        (
            &[("UPSTASH_REDIS_REST_URL", "http://eu1-x.upstash.io"), TOKEN],
            "UPSTASH_REDIS_REST_URL",
            "https://",
        ),
        (
            &[LIVE, ("UPSTASH_REDIS_REST_URL", "http://127.0.0.1:8079"), TOKEN],
            "UPSTASH_REDIS_REST_URL",
            "https://",
        ),
        (
            &[("UPSTASH_REDIS_REST_URL", "https://x.upstash.io/get/a?_token=S3CRET"), TOKEN],
            "UPSTASH_REDIS_REST_URL",
            "after the host",
        ),
        (
            &[("UPSTASH_REDIS_REST_URL", "https://default:S3CRET@x.upstash.io"), TOKEN],
            "UPSTASH_REDIS_REST_URL",
            "remove them",
        ),
        (&[("KV_REST_API_URL", "https://x.upstash.io"), TOKEN], "KV_REST_API_TOKEN", "is not set"),
    ];
    for (pairs, name, remedy) in table {
        refuses(pairs, name, remedy);
    }
}

/// Every fault that a service can tell, for every service and every way to set it.
#[test]
fn what_a_service_tells_names_the_variable_and_the_remedy() {
    use Misconfiguration as Fault;
    let faults = |text: &str| {
        [
            Fault::Credentials,
            Fault::PasswordMissing,
            Fault::TlsExpected,
            Fault::TlsUnexpected,
            Fault::Certificate(text.to_owned()),
            Fault::NotACluster,
            Fault::UnexpectedCluster,
            Fault::ReadOnly,
            Fault::MissingRight(text.to_owned()),
            Fault::WrongService(text.to_owned()),
        ]
    };
    let url = ("REDIS_URL", "rediss://app:s3cret@a.example.com");
    let parts = [
        ("REDIS_HOST", "a.example.com"),
        ("REDIS_TLS", "true"),
        ("REDIS_USERNAME", "app"),
        ("REDIS_PASSWORD", "s3cret"),
    ];
    let rest = [
        ("UPSTASH_REDIS_REST_URL", "https://x.upstash.io"),
        ("UPSTASH_REDIS_REST_TOKEN", "S3CRET"),
    ];
    let rows: [(&[Pair], [&str; 10]); 3] = [
        (
            &[url],
            [
                "REDIS_URL",
                "REDIS_URL",
                "REDIS_URL",
                "REDIS_URL",
                "REDIS_TLS_CA_FILE",
                "REDIS_CLUSTER",
                "REDIS_CLUSTER",
                "REDIS_URL",
                "REDIS_URL",
                "REDIS_URL",
            ],
        ),
        (
            &parts,
            [
                "REDIS_PASSWORD",
                "REDIS_PASSWORD",
                "REDIS_TLS",
                "REDIS_TLS",
                "REDIS_TLS_CA_FILE",
                "REDIS_CLUSTER",
                "REDIS_CLUSTER",
                "REDIS_HOST",
                "REDIS_USERNAME",
                "REDIS_HOST",
            ],
        ),
        (
            &rest,
            [
                "UPSTASH_REDIS_REST_TOKEN",
                "UPSTASH_REDIS_REST_TOKEN",
                "UPSTASH_REDIS_REST_URL",
                "UPSTASH_REDIS_REST_URL",
                "UPSTASH_REDIS_REST_URL",
                "UPSTASH_REDIS_REST_URL",
                "UPSTASH_REDIS_REST_URL",
                "UPSTASH_REDIS_REST_TOKEN",
                "UPSTASH_REDIS_REST_TOKEN",
                "UPSTASH_REDIS_REST_URL",
            ],
        ),
    ];
    for (pairs, names) in rows {
        let service = load(pairs).unwrap().service;
        let long = format!("two\nlines {}", "x".repeat(1_000));
        for (fault, name) in faults(&long).into_iter().zip(names) {
            let line = service.explain(&fault.clone().into());
            assert!(line.contains(name), "{fault:?} names not {name}: {line}");
            assert!(line.contains(';') && line.lines().count() == 1, "{line}");
            assert!(line.len() < 600, "{line}");
            assert!(SECRETS.iter().all(|secret| !line.contains(secret)), "{line}");
        }
    }
}

#[test]
fn a_refused_command_says_which_right_is_missing() {
    let service = load(&[("REDIS_URL", "rediss://app:s3cret@a.example.com")]).unwrap().service;
    for (refusal, right) in [
        ("NOPERM User app has no permissions to run the 'eval' command", "+eval"),
        ("NOPERM this user has no permissions to run the 'SET' command or its subcommand", "+set"),
        ("NOPERM No permissions to access a key", "~*"),
        ("NOPERM this user has no permissions to access one of the channels used", "&*"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "volatile-lru"),
    ] {
        let line = service.explain_failure(&RedisError::Rejected(refusal.to_owned()));
        assert!(line.contains(right) && line.contains("REDIS_URL"), "{refusal}: {line}");
    }
}

#[test]
fn a_right_that_the_start_misses_is_an_acl_rule() {
    let service = load(&[("REDIS_URL", "rediss://app:s3cret@a.example.com")]).unwrap().service;
    for (told, right) in [("CLUSTER|SLOTS", "+cluster|slots"), ("SET", "+set"), ("+get", "+get")] {
        let line = service.explain(&Misconfiguration::MissingRight(told.to_owned()).into());
        assert!(line.contains(&format!("the right {right};")), "{line}");
    }
}

#[test]
fn secrets_do_not_print() {
    for pairs in [
        [("REDIS_URL", "rediss://app:s3cret@a"), ("REDIS_CLUSTER", "auto")],
        [("UPSTASH_REDIS_REST_URL", "https://x"), ("UPSTASH_REDIS_REST_TOKEN", "S3CRET")],
    ] {
        let printed = format!("{:?}", load(&pairs).unwrap());
        assert!(SECRETS.iter().all(|secret| !printed.contains(secret)), "{printed}");
    }
}
