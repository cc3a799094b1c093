//! Access tokens that end before their session: refreshed, once over all instances, beside the
//! requests.
//!
//! No request waits for the identity provider. The refresh is also how the portal learns that it
//! has taken its word back: then, and only then, the session ends. An identity provider that is
//! slow, busy or broken ends nobody's.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use employer_store::TenantDb;
use employer_store::sessions::{
    self, LockedTokens, RefreshOutcome, RevocationReason, SealedTokens, give_up_refresh,
    lock_tokens, store_tokens,
};
use session_store::{PortalSessionStore, SessionRecord, Sid, TokenVault, Tokens};
use tenancy::{Actor, Clock, TenantScope};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::oidc::{FetchError, OidcClient, OidcError};
use crate::error::ApiError;
use crate::writes::Writes;

/// Most sessions that a process remembers to have looked after a moment ago.
const MOST: usize = 10_000;

/// How long it is tried to write down what a refresh has brought, and the first pause in between.
const WRITING: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// How long a process leaves a session alone after somebody else took care of it: until then its
/// own copy of the session says the same as before.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// How tokens are kept fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshSettings {
    /// How long before its end an access token is replaced.
    pub early: Duration,
    /// Longest time for one attempt, and for how long nobody else tries: an answer that is not
    /// waited for may have spent the refresh token.
    pub timeout: Duration,
    /// Pause after an attempt that failed, over all instances.
    pub pause: Duration,
}

/// Keeps the tokens of sessions fresh. Clones share the work.
#[derive(Clone)]
pub struct TokenRefresher(Arc<Inner>);

struct Inner {
    db: TenantDb,
    writes: Writes,
    sessions: PortalSessionStore,
    identity_provider: Arc<OidcClient>,
    vault: TokenVault,
    settings: RefreshSettings,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    /// Sessions to be left alone, and until when.
    busy: Mutex<HashMap<Sid, Instant>>,
}

impl fmt::Debug for TokenRefresher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenRefresher")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

/// Why an attempt came to nothing; the tokens are as they were.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the database did not answer")]
    Store(#[from] employer_store::StoreError),
    #[error("the change of the session could not be told")]
    Write(#[source] ApiError),
    #[error("the identity provider did not answer as it should")]
    Provider(#[source] OidcError),
    #[error("the tokens cannot be read or sealed")]
    Vault(#[from] session_store::TokensUnreadable),
}

impl TokenRefresher {
    /// Works on `tasks`.
    #[expect(clippy::too_many_arguments, reason = "wiring: each is another part of the portal")]
    pub fn new(
        db: TenantDb,
        writes: Writes,
        sessions: PortalSessionStore,
        identity_provider: Arc<OidcClient>,
        vault: TokenVault,
        settings: RefreshSettings,
        clock: Arc<dyn Clock>,
        tasks: TaskTracker,
    ) -> Self {
        let busy = Mutex::default();
        Self(Arc::new(Inner {
            db,
            writes,
            sessions,
            identity_provider,
            vault,
            settings,
            clock,
            tasks,
            busy,
        }))
    }

    /// Begins a refresh where the session's access token has ended or is about to. Never waits.
    pub(crate) fn look_after(&self, scope: &TenantScope, actor: &Actor, session: &SessionRecord) {
        let Some(ends_at) = session.access_expires_at else { return };
        let is_due = ends_at <= self.0.clock.now() + self.0.settings.early;
        if !is_due || !self.takes(session.sid) {
            return;
        }
        let work = Work {
            refresher: self.clone(),
            scope: scope.clone(),
            actor: actor.clone(),
            session: session.clone(),
        };
        self.0.tasks.spawn(work.run());
    }

    /// Whether this process is to look after a session now.
    fn takes(&self, sid: Sid) -> bool {
        let now = Instant::now();
        let mut busy = self.busy();
        if busy.len() >= MOST {
            busy.retain(|_, until| *until > now);
        }
        if busy.len() >= MOST || busy.get(&sid).is_some_and(|until| *until > now) {
            return false;
        }
        busy.insert(sid, now + 2 * self.0.settings.timeout);
        true
    }

    fn leaves(&self, sid: Sid, pause: Duration) {
        self.busy().insert(sid, Instant::now() + pause);
    }

    fn busy(&self) -> MutexGuard<'_, HashMap<Sid, Instant>> {
        self.0.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt for one session.
struct Work {
    refresher: TokenRefresher,
    scope: TenantScope,
    actor: Actor,
    session: SessionRecord,
}

impl Work {
    async fn run(self) {
        let outcome = self.refresh().await;
        let pause = match &outcome {
            Ok(()) => AFTERWARDS,
            Err(_) => self.inner().settings.pause,
        };
        self.refresher.leaves(self.session.sid, pause);
        if let Err(error) = outcome {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                tenant.id = %self.session.tenant,
                user.id = %self.session.user,
                "the access token of a session was not refreshed; the session goes on"
            );
        }
    }

    async fn refresh(&self) -> Result<(), Failure> {
        // Somebody else is at it, or has done it: what is held says soon what the row says.
        let Some(locked) = self.lock().await? else { return self.reread().await };
        match self.bring_new(&locked).await {
            Ok(Some(tokens)) => {
                self.store(&locked, &tokens).await?;
                self.reread().await
            }
            // The identity provider takes its word back.
            Ok(None) => self.end().await,
            Err(failure) => {
                if let Err(error) = self.give_up(&locked).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "the lock of a refresh is left to its end");
                }
                Err(failure)
            }
        }
    }

    /// Takes the tokens; none where there is nothing to do.
    async fn lock(&self) -> Result<Option<LockedTokens>, Failure> {
        let settings = self.inner().settings;
        let due = self.inner().clock.now() + settings.early;
        // Time for two requests, and for writing down what they bring.
        let longest = 2 * settings.timeout + WRITING;
        let mut tx = self.inner().db.begin(&self.scope, &self.actor).await?;
        let locked = lock_tokens(&mut tx, self.sid(), due, longest).await?;
        let _no_events = tx.commit().await?;
        Ok(locked)
    }

    /// Asks the identity provider; none where it refuses for good.
    async fn bring_new(&self, locked: &LockedTokens) -> Result<Option<SealedTokens>, Failure> {
        let Inner { vault, identity_provider, settings, .. } = self.inner();
        let (tenant, sid) = (self.session.tenant, self.session.sid);
        let old = vault.open(tenant, sid, &locked.sealed)?;
        let mut answer = identity_provider.refresh(&old.refresh, settings.timeout).await;
        if answer.as_ref().is_err_and(may_be_spent) {
            // Where the answer was lost on the way, the identity provider takes the same token once
            // more for a few seconds.
            answer = identity_provider.refresh(&old.refresh, settings.timeout).await;
        }
        let tokens: Tokens = match answer {
            Ok(tokens) => tokens,
            Err(OidcError::CodeRefused) => return Ok(None),
            Err(error) => return Err(Failure::Provider(error)),
        };
        let sealed = vault.seal(tenant, sid, &tokens)?;
        let session_store::SealedTokens { sealed, access_expires_at } = sealed;
        Ok(Some(SealedTokens { sealed, access_expires_at }))
    }

    /// Stores what was brought, while the lock lasts: the identity provider takes the old token no
    /// more, so what is lost here ends the session at its next refresh.
    async fn store(&self, locked: &LockedTokens, tokens: &SealedTokens) -> Result<(), Failure> {
        let give_up = Instant::now() + WRITING;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.try_store(locked, tokens).await {
                Err(error) if Instant::now() + pause < give_up => {
                    tracing::debug!(%error, "new tokens are not stored yet");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_store(&self, locked: &LockedTokens, tokens: &SealedTokens) -> Result<(), Failure> {
        let mut tx = self.inner().db.begin(&self.scope, &self.actor).await?;
        let outcome = store_tokens(&mut tx, self.sid(), locked.lock, tokens).await?;
        let _no_events = tx.commit().await?;
        if outcome == RefreshOutcome::Lost {
            tracing::debug!("a session ended while its tokens were refreshed");
        }
        Ok(())
    }

    async fn give_up(&self, locked: &LockedTokens) -> Result<(), Failure> {
        let mut tx = self.inner().db.begin(&self.scope, &self.actor).await?;
        let pause = self.inner().settings.pause;
        give_up_refresh(&mut tx, self.sid(), locked.lock, pause).await?;
        let _no_events = tx.commit().await?;
        Ok(())
    }

    async fn end(&self) -> Result<(), Failure> {
        tracing::info!(
            tenant.id = %self.session.tenant,
            user.id = %self.session.user,
            "the identity provider takes the refresh token of a session no more; it ends"
        );
        let mut tx = self.inner().db.begin(&self.scope, &self.actor).await?;
        let reason = RevocationReason::RefreshRefused;
        sessions::revoke_this(&mut tx, self.session.user, self.sid(), reason).await?;
        self.inner().writes.commit(tx).await.map_err(Failure::Write)
    }

    async fn reread(&self) -> Result<(), Failure> {
        // A copy that is behind costs another look at the row.
        if let Err(error) = self.inner().sessions.reread(self.session.sid).await {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "a session was not read again");
        }
        Ok(())
    }

    fn inner(&self) -> &Inner {
        &self.refresher.0
    }

    const fn sid(&self) -> &sessions::SidHash {
        self.session.sid.as_bytes()
    }
}

/// Whether the request may have been carried out though there is no answer.
const fn may_be_spent(error: &OidcError) -> bool {
    match error {
        OidcError::Unavailable(FetchError::Transport(_)) => true,
        OidcError::Unavailable(FetchError::Status(status)) => *status >= 500,
        _ => false,
    }
}
