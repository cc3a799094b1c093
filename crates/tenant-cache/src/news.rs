//! What instances tell each other: which generations were replaced.
//!
//! A message only ends leases, so it may come twice, late, or not at all: then the lease ends by
//! itself.

use bytes::Bytes;
use futures_util::StreamExt;
use redis_provider::{Backplane, Incoming, RedisError};

use crate::cache::{Inner, TenantCache};
use crate::coherence::Target;

/// The topic of these messages.
pub const TOPIC: &str = "cache:replaced";

/// Longest message; more is told in several.
const LONGEST: usize = 16 * 1024;

impl TenantCache {
    /// Tells other instances of invalidations by this backplane, and hears of theirs. Without it
    /// they are noticed when a lease ends.
    ///
    /// To be called once, within a runtime. The backplane must carry [`TOPIC`].
    ///
    /// # Errors
    ///
    /// [`RedisError::Rejected`] where it does not.
    pub fn joins(&self, backplane: Backplane) -> Result<(), RedisError> {
        let mut news = backplane.listen(TOPIC)?;
        let Inner { tasks, stop, .. } = &**self.shared();
        // Held weakly: who listens must not keep the cache alive.
        let cache = std::sync::Arc::downgrade(self.shared());
        let stop = stop.clone();
        tasks.spawn(stop.run_until_cancelled_owned(async move {
            while let Some(incoming) = news.next().await {
                let Some(inner) = cache.upgrade() else { return };
                match incoming {
                    Incoming::Message { payload, .. } => inner.coherence.hears_of(keys(&payload)),
                    Incoming::Gap => inner.coherence.misses_messages(),
                }
            }
            if let Some(inner) = cache.upgrade() {
                inner.coherence.misses_messages();
            }
        }));
        // A second call changes nothing.
        let _first = self.shared().backplane.set(backplane);
        Ok(())
    }

    /// Tells them what was replaced. Nobody relies on it, so a failure is none.
    pub(crate) async fn tells(&self, done: &[Target]) {
        let Inner { provider, backplane, .. } = &**self.shared();
        if backplane.get().is_none() {
            return;
        }
        for message in messages(done) {
            if let Err(error) = provider.publish(TOPIC, message).await {
                tracing::debug!(%error, "other instances notice an invalidation with their leases");
            }
        }
    }
}

fn messages(done: &[Target]) -> Vec<Bytes> {
    let mut messages = Vec::new();
    let mut text = String::new();
    for target in done {
        if text.len() + target.key.len() > LONGEST {
            messages.push(Bytes::from(std::mem::take(&mut text)));
        }
        text.push_str(&target.key);
        text.push('\n');
    }
    if !text.is_empty() {
        messages.push(Bytes::from(text));
    }
    messages
}

/// Whatever is no text names no generation.
fn keys(payload: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(payload).unwrap_or_default().lines().filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let targets: Vec<Target> = (0..1_000)
            .map(|n| Target { key: format!("tenant:{{org_{n}:jobs}}:!t:list"), expires: true })
            .collect();
        let messages = messages(&targets);
        assert!(messages.len() > 1 && messages.iter().all(|message| message.len() <= LONGEST + 1));
        let heard: Vec<&str> = messages.iter().flat_map(|message| keys(message)).collect();
        let told: Vec<&str> = targets.iter().map(|target| target.key.as_str()).collect();
        assert_eq!(heard, told);
        assert_eq!(keys(b"\xff\n").count(), 0);
    }
}
