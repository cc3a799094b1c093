//! What has to be done now and then: giving up, clearing away, and sealing anew.

use std::time::Duration;

use employer_store::webhooks::upkeep::{self, SealedSecrets};
use employer_store::{StoreError, WorkerDb};
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::vault::WebhookVault;

/// Pause between two rounds.
const INTERVAL: Duration = Duration::from_secs(60);

/// Longest time for one round.
const DEADLINE: Duration = Duration::from_secs(50);

/// Rounds between two looks at all secrets; the first is at the start, when keys may have changed.
const ROUNDS_BETWEEN_SEALINGS: u32 = 60;

/// Keeps the tables of webhooks in order.
#[derive(Debug)]
pub(super) struct Upkeep {
    pub(super) db: WorkerDb,
    pub(super) vault: WebhookVault,
    pub(super) keep: Duration,
}

impl Upkeep {
    pub(super) async fn run_until_stopped(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until_sealing = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let round = self.round(until_sealing == 0);
            let done = tokio::select! {
                () = stop.cancelled() => return,
                done = timeout(DEADLINE, round) => done,
            };
            match done {
                Ok(Ok(())) => {
                    until_sealing = match until_sealing {
                        0 => ROUNDS_BETWEEN_SEALINGS,
                        rounds => rounds - 1,
                    };
                }
                Ok(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the tables of webhooks could not be kept in order");
                }
                Err(_elapsed) => tracing::warn!("keeping webhooks in order took too long"),
            }
        }
    }

    async fn round(&self, seals: bool) -> Result<(), StoreError> {
        while upkeep::give_up_the_hopeless(&self.db).await? > 0 {}
        while upkeep::purge(&self.db, self.keep).await? > 0 {}
        upkeep::forget_old_secrets(&self.db).await?;
        if seals {
            self.seal_anew().await?;
        }
        // The last: it may take several rounds.
        while upkeep::clear_deleted(&self.db).await? > 0 {}
        Ok(())
    }

    /// Seals under the newest key what an older one has sealed, so that those can be taken away.
    async fn seal_anew(&self) -> Result<(), StoreError> {
        let (mut after, mut sealed, mut unreadable) = (None, 0_u32, 0_u32);
        loop {
            let batch = upkeep::list_secrets(&self.db, after).await?;
            let Some(last) = batch.last() else { break };
            after = Some((last.tenant, last.endpoint));
            for before in &batch {
                match self.anew(before) {
                    Some(Some(fresh)) => {
                        sealed += u32::from(upkeep::replace_seals(&self.db, before, &fresh).await?);
                    }
                    Some(None) => {}
                    None => unreadable += 1,
                }
            }
        }
        if sealed > 0 {
            tracing::info!(webhook.secrets = sealed, "sealed secrets under the newest key");
        }
        if unreadable > 0 {
            tracing::error!(
                webhook.secrets = unreadable,
                "secrets of webhooks were sealed under keys that are not in SESSION_KEYS any more; \
                 put those back, or have the secrets rotated"
            );
        }
        Ok(())
    }

    /// The secrets under the newest key; `Some(None)` where they are, `None` where they do not open.
    #[expect(clippy::option_option, reason = "what is well is not what cannot be read")]
    fn anew(&self, before: &SealedSecrets) -> Option<Option<SealedSecrets>> {
        let (tenant, endpoint) = (before.tenant, before.endpoint);
        let (secret, is_current) = self.vault.open(tenant, endpoint, &before.secret).ok()?;
        // One that is on its way out anyway may be lost.
        let old = before.old_secret.as_ref();
        let old = old.and_then(|sealed| self.vault.open(tenant, endpoint, sealed).ok());
        if is_current && old.as_ref().is_none_or(|(_, is_current)| *is_current) {
            return Some(None);
        }
        let old_secret = match (&before.old_secret, old) {
            (_, Some((old, _))) => Some(self.vault.seal(tenant, endpoint, &old).ok()?),
            (kept, None) => kept.clone(),
        };
        let secret = self.vault.seal(tenant, endpoint, &secret).ok()?;
        Some(Some(SealedSecrets { tenant, endpoint, secret, old_secret }))
    }
}
