//! The store that actix-session's middleware calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::{
    LoadError, SaveError, SessionKey, SessionStore, UpdateError, generate_session_key,
};
use actix_web::cookie::time::Duration as CookieDuration;
use tenancy::Clock;
use time::OffsetDateTime;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use crate::copies::{AccessCopies, HeldSession, SessionCopy, SessionSettings};
use crate::envelope::Copy;
use crate::error::StoreUnavailable;
use crate::held::Reading;
use crate::ledger::{EndReason, LedgerEntry, SessionLedger};
use crate::portal_session::{Carried, RECORD, SIGN_IN};
use crate::record::{NewSession, SessionRecord};
use crate::sid::Sid;
use crate::tokens::TokenVault;

/// Letters and digits in a cookie's value, as [`generate_session_key`] makes them.
const COOKIE_VALUE_CHARS: usize = 64;

/// Sessions: the ledger is the truth, Redis has a copy at `sid:{sha256 of the cookie's value, in
/// hex}` (no literal braces), and the process holds what it verified for the lease.
///
/// The lifetimes are those of [`SessionSettings`], enforced here: the `ttl` that the middleware
/// passes is the cookie's `Max-Age` and changes nothing. So the cookie may live as long as the
/// longest session, and need not be sent again whenever the idle time starts anew.
#[derive(Clone, Debug)]
pub struct PortalSessionStore {
    copies: AccessCopies,
    ledger: Arc<dyn SessionLedger>,
    vault: Option<TokenVault>,
    clock: Arc<dyn Clock>,
}

impl PortalSessionStore {
    /// A store over `ledger`, with copies of it. Without a vault no tokens are kept.
    pub fn new(
        copies: AccessCopies,
        ledger: Arc<dyn SessionLedger>,
        vault: Option<TokenVault>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { copies, ledger, vault, clock }
    }

    /// The lifetimes that the store enforces.
    pub fn settings(&self) -> SessionSettings {
        self.copies.settings()
    }

    /// Reads a session from the ledger, whatever copies say, and puts them right: something of it
    /// has changed.
    pub async fn reread(&self, sid: Sid) -> Result<(), StoreUnavailable> {
        let turn = self.copies.turn().await?;
        self.read_ledger(sid, turn).await.map(drop)
    }

    /// The session of a cookie that the process does not hold.
    async fn look_up(&self, sid: Sid) -> Result<HeldSession, StoreUnavailable> {
        let reading = self.copies.session_reading();
        let believed = match self.copies.find_session(&sid).await {
            // A session that has ended does not come back.
            (Copy::Tombstone, _) => {
                self.copies.count_session(false);
                self.copies.hold_session(sid, None, reading);
                return Ok(None);
            }
            (Copy::Of(copy, _), true) => Some(copy),
            (Copy::Of(..) | Copy::Missing, _) => None,
        };
        let now = self.clock.now();
        if let Some(copy) = believed.as_ref().filter(|copy| self.is_fresh(copy, now)) {
            self.copies.count_session(false);
            return Ok(self.hold(sid, &copy.record, reading));
        }
        match self.ask_ledger(sid).await {
            Ok(session) => Ok(session),
            // Only the ledger is away: what Redis has is good.
            Err(error) => match believed.filter(|copy| !self.is_over(copy, now)) {
                Some(copy) => Ok(self.hold(sid, &copy.record, reading)),
                None => Err(error),
            },
        }
    }

    /// Asks the ledger, one of a few at a time, and puts the copies right.
    async fn ask_ledger(&self, sid: Sid) -> Result<HeldSession, StoreUnavailable> {
        let turn = self.copies.turn().await?;
        // Others with the same cookie may have waited as well.
        if let Some(held) = self.copies.held_session(&sid) {
            return Ok(held);
        }
        self.read_ledger(sid, turn).await
    }

    async fn read_ledger(
        &self,
        sid: Sid,
        turn: SemaphorePermit<'_>,
    ) -> Result<HeldSession, StoreUnavailable> {
        let (asked, mark) = (Instant::now(), self.copies.mark());
        let reading = self.copies.session_reading();
        let answer = self.ledger.find(sid).await?;
        self.copies.settle(mark, answer.at);
        let copy = answer
            .entry
            .map(|LedgerEntry { record, touched_at }| SessionCopy { touched_at, record })
            .filter(|copy| !self.is_over(copy, answer.at));
        let Some(mut copy) = copy else {
            self.copies.hold_session(sid, None, reading);
            drop(turn);
            self.copies.bury_session(&sid).await;
            return Ok(None);
        };
        if answer.at - copy.touched_at >= self.settings().touch_after() {
            match self.ledger.touch(sid).await {
                Ok(()) => copy.touched_at = answer.at,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a session's idle time could not be restarted");
                }
            }
        }
        drop(turn);
        let session = self.hold(sid, &copy.record, reading);
        self.copies.keep_session(&copy, answer.at, self.ttl(&copy, answer.at), asked).await;
        Ok(session)
    }

    fn hold(&self, sid: Sid, record: &SessionRecord, reading: Reading) -> HeldSession {
        let session = Some(Arc::new(record.clone()));
        self.copies.hold_session(sid, session.clone(), reading);
        session
    }

    /// The session that a request was found to have a moment ago.
    pub(crate) async fn verified(&self, sid: Sid) -> Result<HeldSession, StoreUnavailable> {
        match self.copies.held_session(&sid) {
            Some(held) => Ok(held),
            None => self.look_up(sid).await,
        }
    }

    /// Whether its sign of life is recent enough for the ledger not to be asked.
    fn is_fresh(&self, copy: &SessionCopy, now: OffsetDateTime) -> bool {
        !self.is_over(copy, now) && now - copy.touched_at < self.settings().touch_after()
    }

    fn is_over(&self, copy: &SessionCopy, now: OffsetDateTime) -> bool {
        copy.record.absolute_expires_at <= now || now - copy.touched_at >= self.settings().idle
    }

    /// How long a copy may stand in Redis: never past the idle time nor the absolute end.
    fn ttl(&self, copy: &SessionCopy, now: OffsetDateTime) -> Duration {
        let left = Duration::try_from(copy.record.absolute_expires_at - now).unwrap_or_default();
        left.min(self.settings().idle)
    }

    /// Begins a session under a key that nobody has used.
    ///
    /// Only the row: a copy is made by the first request that looks the session up. Whoever ends
    /// all of a person's sessions while this one begins ends its row by the epoch, but does not see
    /// it yet and cannot take back a copy of it.
    async fn create(&self, new: &NewSession) -> Result<SessionKey, StoreUnavailable> {
        let session_key = generate_session_key();
        let sid = Sid::of_cookie(session_key.as_ref());
        let tokens = match (&self.vault, &new.tokens) {
            (Some(vault), Some(tokens)) => Some(
                vault
                    .seal(new.tenant, sid, tokens)
                    .map_err(|error| StoreUnavailable::Malformed(error.into()))?,
            ),
            _ => None,
        };
        self.ledger.create(sid, new, tokens).await?;
        Ok(session_key)
    }

    /// Moves the person from the session `old` to a new one. The new one is stored first, so that
    /// a failure leaves them with one of the two; it is taken back where the old one stays, so
    /// that none is left behind that nobody knows of.
    async fn replace(
        &self,
        old: &SessionKey,
        new: &NewSession,
    ) -> Result<SessionKey, StoreUnavailable> {
        let next = self.create(new).await?;
        let old = Sid::of_cookie(old.as_ref());
        if let Err(error) = self.ledger.end(old, EndReason::Replaced).await {
            let unused = Sid::of_cookie(next.as_ref());
            if let Err(second) = self.ledger.end(unused, EndReason::Replaced).await {
                let error = &second as &dyn std::error::Error;
                tracing::warn!(error, "an unused session is left to its idle time");
            }
            return Err(error.into());
        }
        Ok(next)
    }
}

impl SessionStore for PortalSessionStore {
    async fn load(
        &self,
        session_key: &SessionKey,
    ) -> Result<Option<HashMap<String, String>>, LoadError> {
        if !is_cookie_value(session_key.as_ref()) {
            return Ok(None);
        }
        let sid = Sid::of_cookie(session_key.as_ref());
        let carried = if let Some(held) = self.copies.held_session(&sid) {
            self.copies.count_session(true);
            held.map(|_record| Carried::Name(sid))
        } else {
            // It may be one of too many to be held.
            let found = self.look_up(sid).await;
            found.map_err(|error| LoadError::Other(error.into()))?.map(Carried::Record)
        };
        let Some(carried) = carried else { return Ok(None) };
        let text = carried.write().map_err(|error| LoadError::Other(error.into()))?;
        Ok(Some(HashMap::from([(RECORD.to_owned(), text)])))
    }

    async fn save(
        &self,
        state: HashMap<String, String>,
        _ttl: &CookieDuration,
    ) -> Result<SessionKey, SaveError> {
        let new = sign_in_of(&state).map_err(SaveError::Serialization)?;
        let new = new.ok_or_else(|| SaveError::Serialization(anyhow::anyhow!("no sign-in")))?;
        self.create(&new).await.map_err(|error| SaveError::Other(error.into()))
    }

    /// Writes where somebody signs in anew, and nothing else: a session does not change. So a
    /// request that was under way while its session ended cannot bring it back.
    async fn update(
        &self,
        session_key: SessionKey,
        state: HashMap<String, String>,
        _ttl: &CookieDuration,
    ) -> Result<SessionKey, UpdateError> {
        match sign_in_of(&state).map_err(UpdateError::Serialization)? {
            Some(new) => self
                .replace(&session_key, &new)
                .await
                .map_err(|error| UpdateError::Other(error.into())),
            None => Ok(session_key),
        }
    }

    /// Nothing: the lifetimes are not the cookie's.
    async fn update_ttl(
        &self,
        _session_key: &SessionKey,
        _ttl: &CookieDuration,
    ) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, session_key: &SessionKey) -> Result<(), anyhow::Error> {
        let sid = Sid::of_cookie(session_key.as_ref());
        let ended = self.ledger.end(sid, EndReason::SignedOut).await;
        ended.map_err(|error| StoreUnavailable::from(error).into())
    }
}

fn sign_in_of(state: &HashMap<String, String>) -> Result<Option<NewSession>, anyhow::Error> {
    Ok(state.get(SIGN_IN).map(|text| serde_json::from_str(text)).transpose()?)
}

fn is_cookie_value(text: &str) -> bool {
    text.len() == COOKIE_VALUE_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
