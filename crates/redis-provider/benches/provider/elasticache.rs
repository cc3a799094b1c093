//! The RESP3 adapter beside the client library that it stands on, and redis-benchmark.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fred::clients::Pool;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::RespVersion;
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ServerConfig, TcpConfig};
use redis_provider::{
    BreakerSettings, ElastiCacheProvider, ElastiCacheSettings, GuardSettings, RedisError,
    RedisProvider, SetOptions, guard,
};
use tokio::process::Command;

use crate::measure::{Contender, Sample, compare};
use crate::{Outcome, PATIENCE, TASKS, VALUE_BYTES};

const POOLS: [usize; 4] = [1, 2, 4, 10];
/// Commands that redis-benchmark sends in one turn, one by one and sixteen at a time.
const PLAIN: (&str, &str) = ("1", "15000");
const PIPELINED: (&str, &str) = ("16", "60000");

pub(crate) async fn run(address: &str, redis_benchmark: Option<&str>) -> Outcome<()> {
    let (host, port) = address.rsplit_once(':').ok_or("the address of Redis has no port")?;
    let (host, port) = (host.to_owned(), port.parse()?);
    let mut contenders = Vec::new();
    for connections in POOLS {
        contenders.push(raw(&host, port, connections, PATIENCE).await?);
        contenders.push(adapter(&host, port, connections).await?);
    }
    contenders.push(raw(&host, port, 1, Duration::ZERO).await?);
    contenders.push(guarded(&host, port).await?);
    if let Some(program) = redis_benchmark {
        benchmark(program, &host, port, "set", PLAIN).await?;
        for way in [PLAIN, PIPELINED] {
            contenders.push(redis_benchmark_turn(program, &host, port, way));
        }
    }
    let title = format!("GET of {VALUE_BYTES} bytes over RESP3, {TASKS} tasks");
    let ratios = compare(&title, &contenders, 0).await?;
    println!();
    for (connections, pair) in POOLS.iter().zip(ratios.chunks(2)) {
        if let [raw, adapter] = pair {
            println!("adapter / raw fred with {connections} connections: {:.2}", adapter / raw);
        }
    }
    Ok(())
}

fn key(number: usize) -> String {
    format!("bench:{number}")
}

fn keys() -> Arc<[String]> {
    (0..TASKS).map(key).collect()
}

async fn connect(host: &str, port: u16, connections: usize) -> Outcome<ElastiCacheProvider> {
    let settings = ElastiCacheSettings {
        connections,
        command_timeout: PATIENCE,
        ..ElastiCacheSettings::new(host, port)
    };
    let provider = ElastiCacheProvider::connect(&settings).await?;
    for number in 0..TASKS {
        let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
        provider.set(&key(number), value, SetOptions::default()).await?;
    }
    Ok(provider)
}

fn contender(name: String, provider: Arc<dyn RedisProvider>) -> Contender {
    let keys = keys();
    Contender::of_calls(name, TASKS, move |number| {
        let (provider, keys) = (Arc::clone(&provider), Arc::clone(&keys));
        async move {
            let value = provider.get(keys.get(number).map_or("", String::as_str)).await?;
            check(value.as_deref())
        }
    })
}

async fn adapter(host: &str, port: u16, connections: usize) -> Outcome<Contender> {
    let provider = connect(host, port, connections).await?;
    Ok(contender(format!("adapter, connections: {connections}"), Arc::new(provider)))
}

async fn guarded(host: &str, port: u16) -> Outcome<Contender> {
    let breaker = BreakerSettings { slow_call: PATIENCE, ..BreakerSettings::default() };
    let settings = GuardSettings { call_limit: PATIENCE, breaker };
    let provider = guard(Arc::new(connect(host, port, 1).await?), &settings);
    Ok(contender("adapter behind `guard`, connections: 1".to_owned(), provider))
}

fn check(value: Option<&[u8]>) -> Result<(), RedisError> {
    match value {
        Some(value) if value.len() == VALUE_BYTES => Ok(()),
        _ => Err(RedisError::Protocol("not the value that was written".to_owned())),
    }
}

/// The library as its own documentation uses it.
async fn raw(host: &str, port: u16, connections: usize, limit: Duration) -> Outcome<Contender> {
    let config = Config {
        server: ServerConfig::new_centralized(host, port),
        version: RespVersion::RESP3,
        ..Config::default()
    };
    let connection = ConnectionConfig {
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        ..ConnectionConfig::default()
    };
    let performance =
        PerformanceConfig { default_command_timeout: limit, ..PerformanceConfig::default() };
    let pool = Pool::new(config, Some(performance), Some(connection), None, connections)?;
    pool.init().await?;
    let limit = if limit.is_zero() { "without a limit" } else { "with a limit" };
    let keys = keys();
    Ok(Contender::of_calls(
        format!("raw fred {limit} for calls, connections: {connections}"),
        TASKS,
        move |number| {
            let (pool, keys) = (pool.clone(), Arc::clone(&keys));
            async move {
                let key = keys.get(number).map_or("", String::as_str);
                let value: Option<Bytes> =
                    pool.get(key).await.map_err(|error: fred::error::Error| {
                        RedisError::Unavailable(error.to_string())
                    })?;
                check(value.as_deref())
            }
        },
    ))
}

fn redis_benchmark_turn(
    program: &str,
    host: &str,
    port: u16,
    way: (&'static str, &'static str),
) -> Contender {
    let (program, host) = (program.to_owned(), host.to_owned());
    Contender::new(format!("redis-benchmark -c {TASKS} -P {}", way.0), move || {
        let (program, host) = (program.clone(), host.clone());
        Box::pin(async move { benchmark(&program, &host, port, "get", way).await })
    })
}

async fn benchmark(
    program: &str,
    host: &str,
    port: u16,
    test: &str,
    (pipeline, requests): (&str, &str),
) -> Outcome<Sample> {
    let (port, tasks, bytes) = (port.to_string(), TASKS.to_string(), VALUE_BYTES.to_string());
    let mut command = Command::new(program);
    command.args(["-h", host, "-p", &port, "-t", test, "-d", &bytes, "-c", &tasks]);
    command.args(["-P", pipeline, "-n", requests, "--csv"]).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await??;
    let csv = String::from_utf8(output.stdout)?;
    sample(&csv).ok_or_else(|| format!("redis-benchmark said {csv:?}").into())
}

/// Takes the last line of its CSV, by the names in the first.
fn sample(csv: &str) -> Option<Sample> {
    let cells = |line: &str| -> Vec<String> {
        line.split(',').map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
    };
    let (names, values) = (cells(csv.lines().next()?), cells(csv.lines().last()?));
    let value = |name: &str| -> Option<f64> {
        values.get(names.iter().position(|found| found == name)?)?.parse().ok()
    };
    let millis = |name| value(name).map(|millis| Duration::from_secs_f64(millis / 1000.0));
    Some(Sample {
        per_second: value("rps")?,
        p50: millis("p50_latency_ms")?,
        p99: millis("p99_latency_ms")?,
        processor: None,
    })
}
