//! One load at a time across instances: a lock in the provider, with a deadline.
//!
//! It saves work and guards nothing: whoever cannot have it, or has waited for long enough, loads.
//! What is loaded is guarded by generations, whoever loads it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis_provider::{Command, RedisError, Reply, Script, SetOptions};
use sha2::{Digest, Sha256};
use tenancy::TenantScope;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::cache::{Inner, TenantCache};
use crate::coherence::Stamp;
use crate::envelope::{Envelope, Place};

/// How long a waiter goes on before it loads by itself.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between looks: short at first, because most loads are.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LAST_LOOK: Duration = Duration::from_millis(80);

/// The right to load a value, until it is given back or its time is over.
#[derive(Debug)]
pub(crate) struct LoadLease {
    key: String,
    token: Bytes,
}

/// What another instance's value must be like to be taken instead of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) generations: &'a [Stamp],
    /// Who loads a value anew wants no older one.
    pub(crate) made_since: Option<OffsetDateTime>,
}

/// Who loads.
pub(crate) enum Turn {
    /// This instance; with a lease, if one could be had.
    Ours(Option<LoadLease>),
    /// Another one did meanwhile, under the same generations.
    Theirs(Arc<Envelope>),
}

impl TenantCache {
    /// Takes the lease for a load, or waits for what its holder stores.
    pub(crate) async fn take_turn(
        &self,
        scope: &TenantScope,
        place: &Place<'_>,
        wanted: Wanted<'_>,
    ) -> Turn {
        let Inner { provider, settings, .. } = &**self.shared();
        let key = lease_key(scope, place, wanted.generations);
        // Text, which goes in one request with the look at the value; bytes would take their own.
        let token = Bytes::from(format!("{:032x}", rand::random::<u128>()));
        let give_up = Instant::now() + PATIENCE;
        let mut look = FIRST_LOOK;
        // Longer than its holder may take, so that nobody else begins while it is at work.
        let ttl = settings.load_queue_timeout + settings.load_timeout;
        loop {
            let options = SetOptions::with_ttl(ttl).if_absent();
            let commands = vec![
                Command::Set(key.clone(), token.clone(), options),
                Command::Get(place.key.as_str().to_owned()),
            ];
            let ours = || LoadLease { key: key.clone(), token: token.clone() };
            // Waited for as long as the provider waits: its answer comes behind those to all the
            // readers who ask at once, and whoever gave up on it would load beside the others.
            let answered = match provider.pipeline(commands).await {
                // It may have been taken; if so, it is given back.
                Err(RedisError::Timeout { maybe_applied: true }) => {
                    return Turn::Ours(Some(ours()));
                }
                answered => answered,
            };
            let mut replies = answered.unwrap_or_default().into_iter();
            // Nobody is to wait because the provider is away.
            let (Some(Ok(Reply::Applied(is_ours))), Some(Ok(Reply::Value(value)))) =
                (replies.next(), replies.next())
            else {
                return Turn::Ours(None);
            };
            if let Some(envelope) = value.and_then(|value| self.usable(place, value, wanted)) {
                if is_ours {
                    self.end_turn(ours()).await;
                }
                return Turn::Theirs(envelope);
            }
            if is_ours {
                // Commands of a batch are carried out in any order, and whoever held the lease
                // before has stored the value before giving it back: only what is asked for once the
                // lease is ours tells that nobody has.
                let value = provider.get(place.key.as_str()).await.unwrap_or_default();
                return match value.and_then(|value| self.usable(place, value, wanted)) {
                    Some(envelope) => {
                        self.end_turn(ours()).await;
                        Turn::Theirs(envelope)
                    }
                    None => Turn::Ours(Some(ours())),
                };
            }
            if Instant::now() >= give_up {
                return Turn::Ours(None);
            }
            match self.await_theirs(place, &key, wanted, give_up, &mut look).await {
                Some(envelope) => return Turn::Theirs(envelope),
                None if Instant::now() < give_up => {}
                None => return Turn::Ours(None),
            }
        }
    }

    /// Looks for the value until it is there, or the lease is gone without it.
    async fn await_theirs(
        &self,
        place: &Place<'_>,
        lease: &str,
        wanted: Wanted<'_>,
        give_up: Instant,
        look: &mut Duration,
    ) -> Option<Arc<Envelope>> {
        let Inner { provider, .. } = &**self.shared();
        while Instant::now() < give_up {
            tokio::time::sleep(look.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            *look = (*look * 2).min(LAST_LOOK);
            let mut found = provider.get_many(&[place.key.as_str(), lease]).await.ok()?;
            let is_held = found.pop().flatten().is_some();
            let value = found.pop().flatten();
            let envelope = value.and_then(|value| self.usable(place, value, wanted));
            if envelope.is_some() {
                return envelope;
            }
            if !is_held {
                return None;
            }
        }
        None
    }

    /// Gives the lease back, if it is still ours.
    pub(crate) async fn end_turn(&self, lease: LoadLease) {
        let Inner { provider, .. } = &**self.shared();
        let LoadLease { key, token } = lease;
        let given_back = provider.evaluate(Script::DeleteIfEquals, &[key.as_str()], &[token]).await;
        if let Err(error) = given_back {
            tracing::debug!(%error, "a load's lease ends by itself");
        }
    }
}

/// In the slot of the value. Those who know of other invalidations do not wait for each other.
fn lease_key(scope: &TenantScope, place: &Place<'_>, generations: &[Stamp]) -> String {
    let mut digest = Sha256::new();
    digest.update(place.key.as_str());
    for generation in generations {
        digest.update(generation.as_bytes());
    }
    let digest: [u8; 32] = digest.finalize().into();
    let (half, _) = digest.split_at(16);
    let number = half.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    scope.lease_key(place.operation.feature(), number)
}
