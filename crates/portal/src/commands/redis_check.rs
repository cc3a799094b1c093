//! `portal redis-check`: is Redis there, and how fast is it from here?

use std::time::Duration;

use redis_provider::{RedisError, SetOptions};
use tokio::time::Instant;

use super::{CommandError, block_on, say};
use crate::settings::{ProviderSettings, Variables};
use crate::{telemetry, wiring};

const KEY: &str = "portal:redis-check";
const VALUE: &[u8] = b"\x00any byte may stand in a value\xff";

/// Connects, then sets, gets and deletes one key, timing each.
pub(crate) fn redis_check(variables: &Variables) -> Result<(), CommandError> {
    let settings = ProviderSettings::load(variables)?;
    telemetry::start(&settings.tuning.telemetry)?;
    block_on(async {
        let started = Instant::now();
        let provider = wiring::connect_provider(&settings.redis).await?;
        let provider = provider.as_ref();
        provider.ping().await.map_err(CommandError::RedisCheck)?;
        say(format!("connected to {} in {}", settings.redis.backend(), show(started.elapsed())))?;
        let options = SetOptions::with_ttl(Duration::from_secs(60));
        timed("SET", provider.set(KEY, VALUE.into(), options)).await?;
        let value = timed("GET", provider.get(KEY)).await?;
        timed("DELETE", provider.delete_many(&[KEY])).await?;
        if value.as_deref() == Some(VALUE) {
            say("what was read is what was written")
        } else {
            Err(CommandError::RedisMismatch)
        }
    })
}

async fn timed<T>(
    name: &str,
    command: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, CommandError> {
    let started = Instant::now();
    let answer = command.await.map_err(CommandError::RedisCheck)?;
    say(format!("{name} took {}", show(started.elapsed())))?;
    Ok(answer)
}

fn show(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}
