//! The REST adapter with and without its automatic pipelining, and a client without either.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use redis_provider::{RedisError, RedisProvider, SetOptions, UpstashProvider, UpstashSettings};
use url::Url;

use crate::delay::SlowRoad;
use crate::measure::{Contender, compare, median};
use crate::{Outcome, PATIENCE, TASKS, VALUE_BYTES};

/// Callers at once, beside what all comparisons have: a portal under load.
const CROWDS: [usize; 2] = [256, 512];
/// How long bytes are kept back in each direction where a network is imitated.
const ONE_WAY: Duration = Duration::from_millis(1);

pub(crate) async fn run(url: &str, token: &str) -> Outcome<()> {
    let url: Url = url.parse()?;
    for tasks in [TASKS].into_iter().chain(CROWDS) {
        side_by_side(&url, token, tasks, "over loopback").await?;
    }
    let target = url.socket_addrs(|| None)?.into_iter().next().ok_or("no address in the URL")?;
    let road = SlowRoad::to(target, ONE_WAY).await?;
    let far: Url = format!("http://{}", road.address).parse()?;
    let alone = single_call(&far, token).await?;
    let distance = format!(
        "over a proxy that keeps bytes back for {} ms in each direction; a call alone takes {:.1} ms",
        ONE_WAY.as_millis(),
        alone.as_secs_f64() * 1000.0,
    );
    for tasks in [TASKS].into_iter().chain(CROWDS) {
        side_by_side(&far, token, tasks, &distance).await?;
    }
    Ok(())
}

async fn side_by_side(url: &Url, token: &str, tasks: usize, distance: &str) -> Outcome<()> {
    let alone = Arc::new(connect(url, token, Some(1)).await?);
    let pipelining = Arc::new(connect(url, token, None).await?);
    let contenders = [
        plain("plain reqwest, one request a command", url, token, tasks)?,
        contender("adapter, one request a command (`batch_commands` = 1)", alone, tasks).await?,
        contender("adapter, automatic pipelining", Arc::clone(&pipelining), tasks).await?,
    ];
    let title = format!("GET of {VALUE_BYTES} bytes over REST, {tasks} tasks, {distance}");
    compare(&title, &contenders, 0).await?;
    let cost = pipelining.report().cost;
    println!("\npipelined: {} commands in {} requests", cost.commands, cost.requests);
    Ok(())
}

async fn connect(url: &Url, token: &str, commands: Option<usize>) -> Outcome<UpstashProvider> {
    let mut settings = UpstashSettings::new(url.clone(), token.to_owned().into());
    settings.command_timeout = PATIENCE;
    if let Some(commands) = commands {
        settings.batch_commands = commands;
    }
    Ok(UpstashProvider::connect(&settings).await?)
}

async fn contender(name: &str, provider: Arc<UpstashProvider>, tasks: usize) -> Outcome<Contender> {
    let keys: Arc<[String]> = (0..tasks).map(key).collect();
    for key in &*keys {
        let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
        provider.set(key, value, SetOptions::default()).await?;
    }
    Ok(Contender::of_calls(name, tasks, move |number| {
        let (provider, keys) = (Arc::clone(&provider), Arc::clone(&keys));
        async move {
            let value = provider.get(keys.get(number).map_or("", String::as_str)).await?;
            check(value.as_deref())
        }
    }))
}

/// What one writes without an adapter: as many requests at once as there are callers.
fn plain(name: &str, url: &Url, token: &str, tasks: usize) -> Outcome<Contender> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let (url, token): (Url, Arc<str>) = (url.clone(), token.into());
    Ok(Contender::of_calls(name, tasks, move |number| {
        let (client, url, token) = (client.clone(), url.clone(), Arc::clone(&token));
        async move {
            let request = client
                .post(url)
                .bearer_auth(token)
                .header("Upstash-Encoding", "base64")
                .json(&["GET", &key(number)]);
            let failed = |error: reqwest::Error| RedisError::Unavailable(error.to_string());
            let answer = request.send().await.map_err(failed)?;
            let body: serde_json::Value = answer.json().await.map_err(failed)?;
            let text = body.get("result").and_then(serde_json::Value::as_str);
            check(text.and_then(|text| BASE64_STANDARD.decode(text).ok()).as_deref())
        }
    }))
}

fn key(number: usize) -> String {
    format!("bench:rest:{number}")
}

fn check(value: Option<&[u8]>) -> Result<(), RedisError> {
    match value {
        Some(value) if value.len() == VALUE_BYTES => Ok(()),
        _ => Err(RedisError::Protocol("not the value that was written".to_owned())),
    }
}

/// The median time of calls that nobody else makes.
async fn single_call(url: &Url, token: &str) -> Outcome<Duration> {
    let provider = connect(url, token, Some(1)).await?;
    let mut seconds = Vec::new();
    for _ in 0..100 {
        let started = Instant::now();
        provider.get(&key(0)).await?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    provider.close().await;
    Ok(Duration::from_secs_f64(median(seconds.into_iter())))
}
