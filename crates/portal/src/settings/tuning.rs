//! Lifetimes, limits and rates: `default.toml`, the environment's file, `PORTAL__SECTION__KEY`.

use employer_store::feed::LEAST_LOG_DAYS;
use serde::Deserialize;
use toml::{Table, Value};

use super::Environment;
use super::faults::Faults;
use super::variables::Variables;

const DEFAULT: &str = include_str!("../../../../config/default.toml");
const DEVELOPMENT: &str = include_str!("../../../../config/development.toml");
const STAGING: &str = include_str!("../../../../config/staging.toml");
const PRODUCTION: &str = include_str!("../../../../config/production.toml");

const PREFIX: &str = "PORTAL__";

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($key:ident: $type:ty,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub(crate) struct $name { $(pub(crate) $key: $type,)+ }
        )+
    };
}

sections! {
    /// `[http]`
    Http {
        workers: usize,
        keep_alive_seconds: u64,
        max_connections: usize,
        request_head_timeout_ms: u64,
        request_body_timeout_ms: u64,
        shutdown_timeout_seconds: u64,
        json_body_max_bytes: usize,
        page_size_max: u16,
        skip_max: u32,
        idempotency_seconds: u64,
        allowed_origins: String,
        trusted_proxies: String,
        allow_from: String,
    }
    /// `[session]`
    Session {
        idle_seconds: u64,
        absolute_seconds: u64,
        login_transaction_seconds: u64,
        lease_ms: u64,
        process_entries: usize,
        ledger_lookups: usize,
        ledger_queue_ms: u64,
    }
    /// `[auth]`
    Auth {
        request_timeout_ms: u64,
        clock_skew_seconds: u64,
        refresh_tokens: bool,
        refresh_early_seconds: u64,
        refresh_timeout_ms: u64,
        refresh_pause_ms: u64,
        invitation_seconds: u64,
        access_token_max_seconds: u64,
        api_keys_per_tenant: u32,
        api_key_max_days: u32,
        api_key_uses_seconds: u64,
    }
    /// `[database]`
    Database {
        max_connections: u32,
        worker_max_connections: u32,
        public_max_connections: u32,
        acquire_timeout_ms: u64,
        statement_timeout_ms: u64,
    }
    /// `[redis]`
    Redis {
        connect_timeout_ms: u64,
        command_timeout_ms: u64,
        request_budget_ms: u64,
        health_check_interval_ms: u64,
        upstash_health_check_interval_ms: u64,
        upstash_silence_ms: u64,
        connections: usize,
        scan_replicas: bool,
        messages: MessageKind,
        batch_window_us: u64,
        batch_commands: usize,
        batch_bytes: usize,
        breaker_window_ms: u64,
        breaker_min_calls: u32,
        breaker_failure_percent: u8,
        breaker_slow_call_ms: u64,
        breaker_slow_percent: u8,
        breaker_open_ms: u64,
        breaker_quota_open_ms: u64,
        memory_max_bytes: usize,
    }
    /// `[cache]`
    Cache {
        lease_ms: u64,
        load_timeout_ms: u64,
        load_queue_timeout_ms: u64,
        max_concurrent_loads: usize,
        max_concurrent_loads_degraded: usize,
        max_value_bytes: usize,
        gutter_max_bytes: usize,
        process_lease_ms: u64,
        process_max_bytes: usize,
        process_max_tenant_percent: u8,
        soft_load_timeout_ms: u64,
        audit_one_in: u32,
        access_log_one_in: u32,
        keys_allow_from: String,
    }
    /// `[rate_limits]`
    RateLimits {
        enabled: bool,
        address_per_minute: u32,
        sign_in_per_minute: u32,
        user_per_minute: u32,
        api_key_per_minute: u32,
        tenant_per_minute: u32,
        cache_reads_per_minute: u32,
        cache_writes_per_minute: u32,
        apply_address_per_quarter_hour: u32,
        apply_person_per_quarter_hour: u32,
        apply_board_per_ten_seconds: u32,
        view_address_per_minute: u32,
        sync_interval_ms: u64,
        tracked_max: usize,
    }
    /// `[audit]`
    Audit { rows_per_minute: u32, keep_days: u32, }
    /// `[operator]`
    Operator { impersonation_minutes: u32, impersonation_may_write: bool, }
    /// `[relay]`
    Relay {
        interval_ms: u64,
        min_age_ms: u64,
        batch: u16,
        fan_out_batch: u16,
        fan_out_longest_interval_ms: u64,
        max_attempts: u8,
    }
    /// `[notifications]`
    Notifications { mail_delay_seconds: u64, keep_days: u32, job_expiring_days: u32, }
    /// `[events]`
    Events {
        streams_per_session: usize,
        streams_per_user: usize,
        streams_per_tenant: usize,
        streams_max: usize,
        heartbeat_seconds: u64,
        recheck_ms: u64,
        recheck_unheard_ms: u64,
        unverified_seconds: u64,
        max_age_seconds: u64,
        unread_seconds: u64,
        drain_seconds: u64,
        replay_max: u32,
        replay_reads: usize,
        partitions: usize,
        tick_ms: u64,
        pause_ms: u64,
        figures_ms: u64,
        keep_days: u32,
    }
    /// `[analytics]`
    Analytics { audit_hours: u32, exports: usize, }
    /// `[exports]`
    Exports {
        concurrency: usize,
        interval_ms: u64,
        lease_seconds: u64,
        open_per_tenant: u32,
        kept_per_tenant: u32,
        keep_hours: u32,
        max_bytes: u64,
    }
    /// `[jobs]`
    Jobs { expiry_interval_ms: u64, expiry_batch: u16, }
    /// `[mail]`
    Mail { interval_ms: u64, folder: String, }
    /// `[webhooks]`
    Webhooks {
        per_tenant: u32,
        interval_ms: u64,
        timeout_ms: u64,
        retry_seconds: String,
        rest_seconds: u64,
        concurrency: usize,
        per_endpoint: u16,
        disable_after_hours: u32,
        rotation_hours: u32,
        keep_days: u32,
        allow_plain_http: bool,
        allow_networks: String,
    }
    /// `[board]`
    Board {
        resume_max_bytes: u64,
        upload_timeout_ms: u64,
        queue_timeout_ms: u64,
        view_interval_ms: u64,
        views_max: usize,
    }
    /// `[files]`
    Files {
        store: FileStoreKind,
        folder: String,
        s3_bucket: String,
        s3_region: String,
        s3_endpoint: String,
        s3_prefix: String,
        orphan_hours: u32,
    }
    /// `[telemetry]`
    Telemetry { filter: String, format: LogFormat, metrics_tenants: usize, }
    /// The whole file.
    Tuning {
        http: Http,
        session: Session,
        auth: Auth,
        database: Database,
        redis: Redis,
        cache: Cache,
        rate_limits: RateLimits,
        audit: Audit,
        operator: Operator,
        relay: Relay,
        notifications: Notifications,
        events: Events,
        analytics: Analytics,
        exports: Exports,
        jobs: Jobs,
        mail: Mail,
        webhooks: Webhooks,
        board: Board,
        files: Files,
        telemetry: Telemetry,
    }
}

/// Where files of applicants are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileStoreKind {
    /// In a folder of this machine.
    Folder,
    /// In a store that speaks S3.
    S3,
}

/// How messages travel in a Redis Cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MessageKind {
    /// To every node.
    Classic,
    /// To the shard of their topic.
    Sharded,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For collectors: one JSON object a line.
    Json,
}

/// Settings that may be zero; every other number must be at least 1.
const MAY_BE_ZERO: [&str; 10] = [
    "exports.concurrency",
    "files.orphan_hours",
    "events.drain_seconds",
    "session.lease_ms",
    "http.workers",
    "relay.min_age_ms",
    "redis.batch_window_us",
    "telemetry.metrics_tenants",
    "cache.audit_one_in",
    "cache.access_log_one_in",
];

/// Settings that have a greatest value, and why: it is told to whoever passes it.
const AT_MOST: [(&str, i64, &str); 21] = [
    ("exports.kept_per_tenant", 200, "a list shows all of them"),
    ("analytics.audit_hours", 72, "what was counted before would not be compared"),
    ("webhooks.per_tenant", 100, "each event is sent to each of them"),
    ("webhooks.timeout_ms", 30_000, "a receiver that does not answer holds a place for so long"),
    ("webhooks.concurrency", 1_000, "each is a connection of this process"),
    ("session.lease_ms", 1_000, "somebody who was removed would be let in for longer"),
    ("operator.impersonation_minutes", 30, "nobody looks as somebody else for longer"),
    ("redis.connect_timeout_ms", 2_000, "nobody waits longer than 2 s for a connection"),
    ("redis.command_timeout_ms", 2_000, "nobody waits longer than 2 s for an answer"),
    ("redis.batch_commands", 1_000, "an Upstash request takes no more commands"),
    ("redis.batch_bytes", 8 << 20, "an Upstash request takes 10 MB in all"),
    ("redis.breaker_failure_percent", 100, "it is a percentage"),
    ("redis.breaker_slow_percent", 100, "it is a percentage"),
    ("cache.lease_ms", 1_000, "an answer older than that after a write would be wrong"),
    ("events.heartbeat_seconds", 60, "proxies end a connection that is silent for longer"),
    ("events.recheck_ms", 4_000, "whoever was removed would look on for longer"),
    ("events.recheck_unheard_ms", 4_000, "whoever was removed would look on for longer"),
    ("events.partitions", 8, "there are no more topics"),
    ("auth.api_key_max_days", 3_650, "nobody knows in ten years who has a key of today"),
    (
        "telemetry.metrics_tenants",
        1_000,
        "each one is four time series that a monitor keeps for ever",
    ),
    (POOL, 50, "one connection carries all calls at once; more than 50 only cost memory"),
];

/// The number of connections; development has a smaller bound.
const POOL: &str = "redis.connections";
const DEVELOPMENT_POOL: i64 = 10;

/// Settings whose least value is more than 1, and why.
const AT_LEAST: [(&str, i64, &str); 1] =
    [("events.keep_days", LEAST_LOG_DAYS, "figures are compared with the log, and mended from it")];

impl Tuning {
    pub(crate) fn load(
        environment: Environment,
        variables: &Variables,
        faults: &mut Faults,
    ) -> Option<Self> {
        let known = parse("config/default.toml", DEFAULT, faults)?;
        let (name, text) = match environment {
            Environment::Development => ("config/development.toml", DEVELOPMENT),
            Environment::Staging => ("config/staging.toml", STAGING),
            Environment::Production => ("config/production.toml", PRODUCTION),
        };
        let mut layers = Layers { merged: known.clone(), known, environment };
        for (section, values) in parse(name, text, faults)? {
            for (key, value) in values.as_table().cloned().unwrap_or_default() {
                layers.set((&section, &key), value, name, faults);
            }
        }
        for (path, text) in variables.with_prefix(PREFIX) {
            let variable = format!("{PREFIX}{path}");
            let Some((section, key)) = path.split_once("__") else {
                faults.add(&variable, "has no section: PORTAL__SECTION__KEY");
                continue;
            };
            let (section, key) = (section.to_lowercase(), key.to_lowercase());
            // A default that is a text takes any text: `PORTAL__TELEMETRY__FILTER=2` is "2".
            let wants_text = layers.default_of(&section, &key).is_some_and(Value::is_str);
            let value = if wants_text { Value::String(text.to_owned()) } else { scalar(text) };
            layers.set((&section, &key), value, &variable, faults);
        }
        read(layers.merged).map_err(|error| faults.add("config/default.toml", error.message())).ok()
    }
}

fn read(settings: Table) -> Result<Tuning, toml::de::Error> {
    Value::Table(settings).try_into()
}

fn parse(name: &str, text: &str, faults: &mut Faults) -> Option<Table> {
    text.parse().map_err(|error: toml::de::Error| faults.add(name, error.message())).ok()
}

/// A variable's text as the TOML value that it reads as; text that is no TOML value is a string.
fn scalar(text: &str) -> Value {
    let as_number_or_word = format!("value = {text}").parse::<Table>().ok();
    as_number_or_word
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The defaults, and what was laid over them so far.
struct Layers {
    known: Table,
    merged: Table,
    environment: Environment,
}

impl Layers {
    fn default_of(&self, section: &str, key: &str) -> Option<&Value> {
        self.known.get(section)?.as_table()?.get(key)
    }

    fn set(
        &mut self,
        (section, key): (&str, &str),
        value: Value,
        source: &str,
        faults: &mut Faults,
    ) {
        let path = format!("{section}.{key}");
        let Some(default) = self.default_of(section, key) else {
            faults.add(source, format!("names no setting: there is no {path}"));
            return;
        };
        if !default.same_type(&value) {
            let (wanted, got) = (default.type_str(), value.type_str());
            faults.add(source, format!("sets {path}, of type {wanted}, to a value of type {got}"));
            return;
        }
        if let Some(problem) =
            value.as_integer().and_then(|number| out_of_bounds(&path, number, self.environment))
        {
            faults.add(source, format!("sets {path} {problem}"));
            return;
        }
        let mut changed = self.merged.clone();
        if let Some(keys) = changed.get_mut(section).and_then(Value::as_table_mut) {
            keys.insert(key.to_owned(), value);
        }
        // What the value's type does not show, such as a number that is too large, the reader
        // knows.
        match read(changed.clone()) {
            Ok(_) => self.merged = changed,
            Err(error) => {
                let reason = error.message();
                faults.add(source, format!("sets {path} to what it cannot be: {reason}"));
            }
        }
    }
}

/// What is wrong with a number, if anything is.
fn out_of_bounds(path: &str, number: i64, environment: Environment) -> Option<String> {
    if number < i64::from(!MAY_BE_ZERO.contains(&path)) {
        return Some("below its least value".to_owned());
    }
    let least = AT_LEAST.iter().find(|(bounded, least, _)| *bounded == path && number < *least);
    if let Some((_, least, reason)) = least {
        return Some(format!("below its least value, {least}: {reason}"));
    }
    let (_, most, reason) = AT_MOST.iter().find(|(bounded, ..)| *bounded == path)?;
    let is_small_pool = path == POOL && environment.is_development();
    let most = if is_small_pool { DEVELOPMENT_POOL } else { *most };
    (number > most).then(|| format!("above its greatest value, {most}: {reason}"))
}
