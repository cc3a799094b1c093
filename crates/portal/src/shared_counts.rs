//! The counts of rate limits, over the provider port.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use portal_api::{Charge, SharedCounts};
use redis_provider::{Command, RedisError, RedisProvider, Reply, Script, ScriptReply};

/// Accounts in Redis, one a subject; each goes by itself once all is paid back.
#[derive(Debug)]
pub(crate) struct RedisCounts(pub(crate) Arc<dyn RedisProvider>);

impl SharedCounts for RedisCounts {
    fn charge(&self, charges: Vec<Charge>) -> BoxFuture<'_, Vec<Option<i64>>> {
        async move {
            match charges.as_slice() {
                [] => Vec::new(),
                [one] => {
                    let (key, terms) = (one.key.as_str(), terms(one));
                    let answer = self.0.evaluate(Script::Charge, &[key], &terms).await;
                    vec![answer.inspect_err(tell).ok().as_ref().and_then(micros)]
                }
                many => self.charge_many(many).await,
            }
        }
        .boxed()
    }
}

impl RedisCounts {
    async fn charge_many(&self, charges: &[Charge]) -> Vec<Option<i64>> {
        let commands = charges.iter().map(|charge| {
            Command::Evaluate(Script::Charge, vec![charge.key.clone()], terms(charge).to_vec())
        });
        let answers = match self.0.pipeline(commands.collect()).await {
            Ok(answers) => answers,
            Err(error) => {
                tell(&error);
                return Vec::new();
            }
        };
        let answers = answers.into_iter().map(|answer| match answer {
            Ok(Reply::Script(reply)) => micros(&reply),
            Ok(Reply::Value(_) | Reply::Applied(_)) => None,
            Err(error) => {
                tell(&error);
                None
            }
        });
        answers.collect()
    }
}

/// The arguments of [`Script::Charge`].
fn terms(charge: &Charge) -> [Bytes; 4] {
    let number = |duration: Duration| Bytes::from(duration.as_micros().to_string());
    let now = (charge.now.unix_timestamp_nanos() / 1_000).max(0);
    let stands = if charge.is_due { "1" } else { "0" };
    [
        Bytes::from(now.to_string()),
        number(charge.amount),
        number(charge.most),
        Bytes::from_static(stands.as_bytes()),
    ]
}

fn micros(reply: &ScriptReply) -> Option<i64> {
    match reply {
        ScriptReply::Integer(micros) => Some(*micros),
        ScriptReply::Nil | ScriptReply::Bytes(_) => None,
    }
}

/// The limits go on without; what Redis lacks is told elsewhere.
fn tell(error: &RedisError) {
    tracing::debug!(%error, "rate limits are counted by this instance alone");
}
