//! Good settings are read; wrong ones are refused, all at once, by name.

use super::*;

const KEY_64: &str =
    "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

const KEY_32: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn development<const N: usize>(more: [(&str, &str); N]) -> Variables {
    let mut variables = vec![
        ("DATABASE_URL", "postgres://portal_app:app-secret@127.0.0.1/portal"),
        ("DATABASE_WORKER_URL", "postgres://portal_worker:worker-secret@127.0.0.1/portal"),
        ("DATABASE_PUBLIC_URL", "postgres://portal_public:public-secret@127.0.0.1/portal"),
        ("CACHE_ENCRYPTION_KEYS", KEY_32),
        ("PORTAL__FILES__S3_BUCKET", "applicants"),
        ("AUTH0_ISSUER_BASE_URL", "http://localhost:4444/"),
        ("AUTH0_CLIENT_ID", "portal-dev"),
        ("AUTH0_CLIENT_SECRET", "client-secret"),
        ("SESSION_KEYS", KEY_64),
    ];
    variables.retain(|(name, _)| more.iter().all(|(overriding, _)| overriding != name));
    variables.extend(more);
    Variables::from_pairs(variables)
}

fn faults_of<const N: usize>(more: [(&str, &str); N]) -> String {
    Settings::load(&development(more)).unwrap_err().to_string()
}

#[test]
fn development_needs_no_redis_and_no_tls() {
    let settings = Settings::load(&development([])).unwrap();
    assert!(matches!(settings.redis.service, Service::Memory(_)));
    assert_eq!(settings.base_url.as_str(), "http://localhost:8080/");
    assert_eq!(settings.tuning.session.idle_seconds, 28_800);
}

#[test]
fn a_single_fault_is_one_line() {
    let faults = faults_of([("PORTAL_LISTEN", "8080")]);
    assert_eq!(faults, "PORTAL_LISTEN is not host:port, such as 127.0.0.1:8080");
}

#[test]
fn pools_are_larger_outside_development() {
    let of = |environment: &'static str, connections: &'static str| {
        Settings::load(&development([
            ("PORTAL_ENV", environment),
            ("PORTAL_BASE_URL", "https://portal.example.com"),
            ("AUTH0_ISSUER_BASE_URL", "https://tenant.eu.auth0.com/"),
            ("REDIS_URL", "rediss://cache.example.com"),
            ("PORTAL__REDIS__CONNECTIONS", connections),
        ]))
        .map(|settings| settings.tuning.redis.connections)
        .map_err(|faults| faults.to_string())
    };
    assert_eq!(of("development", "10"), Ok(10));
    assert!(of("development", "11").is_err());
    assert_eq!(of("production", "50"), Ok(50));
    assert!(of("staging", "51").unwrap_err().contains("greatest value, 50"));
}

#[test]
fn every_fault_is_named_and_told_at_once() {
    let faults = Settings::load(&Variables::from_pairs(vec![
        ("PORTAL_ENV", "production"),
        ("REDIS_PROVIDER", "memory"),
        ("PORTAL__SESSION__IDLE", "5"),
    ]))
    .unwrap_err()
    .to_string();
    for name in [
        "PORTAL_BASE_URL",
        "DATABASE_URL",
        "DATABASE_WORKER_URL",
        "REDIS_PROVIDER",
        "AUTH0_ISSUER_BASE_URL",
        "AUTH0_CLIENT_ID",
        "AUTH0_CLIENT_SECRET",
        "SESSION_KEYS",
        "PORTAL__SESSION__IDLE",
    ] {
        assert!(faults.contains(&format!("\n  {name} ")), "{name} is missing in:\n{faults}");
    }
}

#[test]
fn wrong_settings_name_the_variable_and_the_remedy() {
    let two_of_a_name = format!("{KEY_32},{KEY_32}");
    let table: &[(&str, &str, &str)] = &[
        ("PORTAL_ENV", "prod", "development, staging, production"),
        ("PORTAL_BASE_URL", "http://portal.example.com", "https://"),
        ("PORTAL_BASE_URL", "https://portal.example.com/app", "origin"),
        ("AUTH0_ISSUER_BASE_URL", "http://tenant.eu.auth0.com/", "https://"),
        ("AUTH0_ISSUER_BASE_URL", "not a url", "not a URL"),
        ("SESSION_KEYS", "k1", "id:base64"),
        ("SESSION_KEYS", "k1:AAAA", "64 bytes"),
        ("CACHE_ENCRYPTION_KEYS", "k1", "entry 1 is not id:base64"),
        ("CACHE_ENCRYPTION_KEYS", "k 1:AAAA", "an id is 1 to 16"),
        ("CACHE_ENCRYPTION_KEYS", "k1:AAAA", "openssl rand -base64 32"),
        ("CACHE_ENCRYPTION_KEYS", &two_of_a_name, "entry 2 has the id of an earlier one"),
        ("PORTAL__CACHE__LOAD_TIMEOUT_MS", "soon", "integer"),
        ("PORTAL__CACHE__LOAD_TIMEOUT_MS", "0", "least"),
        ("PORTAL__CACHE__LOAD_TIMEOUT_MS", "-1", "least"),
        ("PORTAL__REDIS__CONNECT_TIMEOUT_MS", "2001", "greatest value, 2000"),
        ("PORTAL__REDIS__COMMAND_TIMEOUT_MS", "5000", "greatest value, 2000"),
        ("PORTAL__REDIS__BATCH_COMMANDS", "1001", "greatest value, 1000"),
        ("PORTAL__REDIS__BATCH_BYTES", "8388609", "greatest value, 8388608"),
        ("PORTAL__REDIS__BREAKER_FAILURE_PERCENT", "101", "greatest value, 100"),
        ("PORTAL__REDIS__SCAN_REPLICAS", "1", "boolean"),
        ("PORTAL__REDIS__MESSAGES", "by pigeon", "sharded"),
        ("PORTAL__REDIS__CONNECTIONS", "11", "greatest value, 10"),
        ("PORTAL__CACHE__LEASE_MS", "1001", "greatest value, 1000"),
        ("PORTAL__EVENTS__KEEP_DAYS", "13", "least value, 14: figures are compared with the log"),
        ("PORTAL__CACHE__LOAD_TIMEOUT", "5", "no setting"),
        ("PORTAL__CACHE", "5", "PORTAL__SECTION__KEY"),
        ("PORTAL__CACHE__MAX_CONCURRENT_LOADS", "99999999999999999999", "type"),
        ("PORTAL__DATABASE__MAX_CONNECTIONS", "99999999999", "cannot be"),
        ("PORTAL__TELEMETRY__FORMAT", "xml", "json"),
        ("PORTAL_LISTEN", "8080", "host:port"),
        ("PORTAL_LISTEN", "127.0.0.1:99999", "host:port"),
        ("DATABASE_URL", "mysql://127.0.0.1/portal", "postgres://"),
        ("DATABASE_WORKER_URL", "nonsense", "postgres://"),
    ];
    for (name, value, remedy) in table {
        let faults = faults_of([(*name, *value)]);
        assert!(faults.contains(remedy), "{name}={value} says: {faults}");
        assert!(faults.contains(name), "{name}={value} says: {faults}");
    }
}

#[test]
fn the_cache_needs_keys_where_something_is_sealed() {
    let settings = Settings::load(&development([("CACHE_ENCRYPTION_KEYS", KEY_32)])).unwrap();
    assert_eq!(settings.cache_keys.as_ref().map(KeyRing::newest_id), Some("k1"));
    assert!(!format!("{settings:?}").contains("AAAAAAAA"));
    let faults = faults_of([("CACHE_ENCRYPTION_KEYS", "")]);
    assert!(faults.contains("applications:list"), "{faults}");

    let mut faults = Faults::default();
    let operations = [Operation::JobsList, Operation::SealedProbe];
    assert!(
        keys::find_cache_keys(
            &operations,
            &development([("CACHE_ENCRYPTION_KEYS", "")]),
            &mut faults
        )
        .is_none()
    );
    let faults = InvalidSettings(faults).to_string();
    for part in
        ["CACHE_ENCRYPTION_KEYS is not set", "search:sealed-probe", "portal cache rotate-keys"]
    {
        assert!(faults.contains(part), "{faults}");
    }
    let mut faults = Faults::default();
    let variables = development([("CACHE_ENCRYPTION_KEYS", KEY_32)]);
    assert!(keys::find_cache_keys(&operations, &variables, &mut faults).is_some());
    assert!(faults.is_empty());
}

#[test]
fn files_of_applicants_are_kept_where_an_operator_says() {
    let of = |store: &'static str, folder: &'static str, environment: &'static str| {
        Settings::load(&development([
            ("PORTAL_ENV", environment),
            ("PORTAL_BASE_URL", "https://portal.example.com"),
            ("AUTH0_ISSUER_BASE_URL", "https://tenant.eu.auth0.com/"),
            ("REDIS_URL", "rediss://cache.example.com"),
            ("PORTAL__FILES__STORE", store),
            ("PORTAL__FILES__FOLDER", folder),
        ]))
        .map(|settings| settings.files)
        .map_err(|faults| faults.to_string())
    };
    assert!(matches!(of("folder", "here", "development"), Ok(FileSettings::Folder(_))));
    assert!(matches!(of("folder", "/var/lib/portal", "production"), Ok(FileSettings::Folder(_))));
    assert!(of("folder", "here", "production").unwrap_err().contains("absolute"));
    assert!(of("nowhere", "", "development").is_err());
    let Ok(FileSettings::S3(s3)) = of("s3", "", "production") else { panic!("a store") };
    assert!(matches!(s3.credentials, S3Credentials::Machine));
    for (name, value, remedy) in [
        ("PORTAL__FILES__S3_ENDPOINT", "ftp://files.example.com", "https://"),
        ("FILES_S3_ACCESS_KEY_ID", "AKIA", "FILES_S3_SECRET_ACCESS_KEY is not set"),
        ("FILES_S3_SECRET_ACCESS_KEY", "secret", "FILES_S3_ACCESS_KEY_ID is not set"),
        ("PORTAL__FILES__S3_BUCKET", "", "PORTAL__FILES__S3_BUCKET is not set"),
    ] {
        let faults = faults_of([("PORTAL__FILES__STORE", "s3"), (name, value)]);
        assert!(faults.contains(remedy), "{name}: {faults}");
    }
}

#[test]
fn variables_override_files_and_text_stays_text() {
    let settings = Settings::load(&development([
        ("PORTAL__SESSION__IDLE_SECONDS", "5"),
        ("PORTAL__TELEMETRY__FILTER", "2"),
    ]))
    .unwrap();
    assert_eq!(settings.tuning.session.idle_seconds, 5);
    assert_eq!(settings.tuning.telemetry.filter, "2");
}

#[test]
fn the_worker_role_is_derived_from_the_owner_in_development_only() {
    let owner = ("DATABASE_OWNER_URL", "postgres://portal_owner:pw@127.0.0.1/portal");
    let settings = Settings::load(&development([owner, ("DATABASE_WORKER_URL", "")])).unwrap();
    assert_eq!(
        settings.worker_database.url.expose_secret(),
        "postgres://portal_worker:pw@127.0.0.1/portal"
    );
    let faults = faults_of([owner, ("DATABASE_WORKER_URL", ""), ("PORTAL_ENV", "staging")]);
    assert!(faults.contains("DATABASE_WORKER_URL is not set"), "{faults}");
}

#[test]
fn secrets_may_come_from_files_and_never_print() {
    let path = std::env::temp_dir().join(format!("portal-settings-{}", std::process::id()));
    std::fs::write(&path, "secret-from-a-file\n").unwrap();
    let settings = Settings::load(&development([
        ("AUTH0_CLIENT_SECRET", ""),
        ("AUTH0_CLIENT_SECRET_FILE", path.to_str().unwrap()),
        ("REDIS_URL", "rediss://app:redis-secret@cache.example.com"),
    ]))
    .unwrap();
    std::fs::remove_file(&path).unwrap();
    let secret = settings.identity_provider.client_secret.expose_secret();
    assert_eq!(secret, "secret-from-a-file");
    let printed = format!("{settings:?}");
    for secret in ["secret-from-a-file", "app-secret", "worker-secret", "redis-secret", "AAAAAAAA"]
    {
        assert!(!printed.contains(secret), "{secret} stands in {printed}");
    }
}

#[test]
fn figures_are_open_in_development_and_need_a_token_elsewhere() {
    let open = Settings::load(&development([])).unwrap().metrics;
    assert!(matches!(open, MetricsAccess::Open));
    let production = development([
        ("PORTAL_ENV", "production"),
        ("PORTAL_BASE_URL", "https://portal.example.com"),
        ("AUTH0_ISSUER_BASE_URL", "https://tenant.eu.auth0.com/"),
        ("REDIS_URL", "rediss://cache.example.com"),
    ]);
    let access = Settings::load(&production).map(|settings| settings.metrics);
    assert!(matches!(access, Ok(MetricsAccess::Closed)), "{access:?}");
    let token = "0123456789abcdef";
    let settings = Settings::load(&development([("METRICS_TOKEN", token)])).unwrap();
    assert!(matches!(settings.metrics, MetricsAccess::Token(_)));
    assert!(!format!("{settings:?}").contains(token));
    for bad in ["0123456789abcde", "0123456789 abcdef", "0123456789abcdef\u{e9}"] {
        let faults = faults_of([("METRICS_TOKEN", bad)]);
        assert!(faults.starts_with("METRICS_TOKEN is not at least 16"), "{faults}");
        assert!(!faults.contains(bad), "{faults}");
    }
}

#[test]
fn lists_of_networks_and_origins_are_checked_at_the_start() {
    let faults = faults_of([
        ("PORTAL__HTTP__ALLOWED_ORIGINS", "https://app.example.com, *"),
        ("PORTAL__HTTP__TRUSTED_PROXIES", "10.0.0.0/33"),
        ("PORTAL__HTTP__ALLOW_FROM", "office"),
        ("PORTAL__CACHE__KEYS_ALLOW_FROM", "::1,,"),
    ]);
    for fault in [
        "http.allowed_origins cannot be used: entry 2",
        "http.trusted_proxies cannot be used: entry 1",
        "http.allow_from cannot be used: entry 1",
        "cache.keys_allow_from cannot be used: entry 2",
    ] {
        assert!(faults.contains(fault), "{faults}");
    }
    assert_eq!(faults.lines().count(), 5, "{faults}");
}
