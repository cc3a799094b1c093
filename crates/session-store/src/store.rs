//! The store that actix-session's middleware calls.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::{
    LoadError, SaveError, SessionKey, SessionStore, UpdateError, generate_session_key,
};
use actix_web::cookie::time::Duration as CookieDuration;
use bytes::Bytes;
use redis_provider::{RedisError, RedisProvider, SetOptions};
use sha2::{Digest as _, Sha256};
use tenancy::Clock;
use time::OffsetDateTime;

use crate::error::StoreUnavailable;
use crate::portal_session::{RECORD, ROTATE};
use crate::record::{Decoded, Envelope, SessionRecord};

/// Letters and digits in a cookie's value, as [`generate_session_key`] makes them.
const COOKIE_VALUE_CHARS: usize = 64;

/// Longest time for which a request's sign of life may go unwritten.
const TOUCH_AT_LATEST: Duration = Duration::from_mins(5);

/// How often a fresh key is tried where the one before was taken. One collision in 62^64 keys is
/// no matter; a service that claims three is broken.
const KEY_ATTEMPTS: usize = 3;

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// A session ends after this long without a request.
    pub idle: Duration,
    /// A session ends this long after the sign-in, however busy it is.
    pub absolute: Duration,
}

impl SessionSettings {
    /// How old the last written sign of life must be before a request writes a new one: a tenth
    /// of the idle time, and at most five minutes.
    ///
    /// An `EXPIRE` on each request would double the portal's commands for a precision that nobody
    /// asks for. The price is that an idle session may end up to this much early, never late.
    pub fn touch_after(&self) -> Duration {
        (self.idle / 10).min(TOUCH_AT_LATEST)
    }
}

/// Sessions in Redis, at `sid:{sha256 of the cookie's value, in hex}` (no literal braces).
///
/// The lifetimes are those of [`SessionSettings`], enforced here: the `ttl` that the middleware
/// passes is the cookie's `Max-Age` and only ever shortens them. So the cookie may live as long as
/// the longest session, and need not be sent again whenever the idle time starts anew.
#[derive(Clone, Debug)]
pub struct RedisSessionStore {
    provider: Arc<dyn RedisProvider>,
    clock: Arc<dyn Clock>,
    settings: SessionSettings,
}

impl RedisSessionStore {
    /// A store over `provider`. Does no I/O.
    pub fn new(
        provider: Arc<dyn RedisProvider>,
        clock: Arc<dyn Clock>,
        settings: SessionSettings,
    ) -> Self {
        Self { provider, clock, settings }
    }

    /// The lifetimes that the store enforces.
    pub fn settings(&self) -> SessionSettings {
        self.settings
    }

    /// Reads a session; deletes what is damaged or over.
    async fn find(&self, key: &str) -> Result<Option<SessionRecord>, RedisError> {
        let Some(bytes) = self.provider.get(key).await? else { return Ok(None) };
        let envelope = match Envelope::decode(&bytes) {
            Decoded::Envelope(envelope) => envelope,
            Decoded::Newer => return Ok(None),
            Decoded::Damaged => {
                tracing::warn!("a session record was damaged; it is deleted");
                self.provider.delete_many(&[key]).await?;
                return Ok(None);
            }
        };
        let now = self.clock.now();
        let is_idle = now - envelope.touched_at >= self.settings.idle;
        if is_idle || envelope.record.absolute_expires_at <= now {
            self.provider.delete_many(&[key]).await?;
            return Ok(None);
        }
        if now - envelope.touched_at >= self.settings.touch_after() {
            self.touch(key, &envelope.record, now).await;
        }
        Ok(Some(envelope.record))
    }

    /// Writes down that the session is in use. The session is valid either way, so a failure only
    /// means that the next request tries again.
    async fn touch(&self, key: &str, record: &SessionRecord, now: OffsetDateTime) {
        let written = self.write(key, record, now, self.settings.idle, SetOptions::if_present);
        if let Err(error) = written.await {
            tracing::warn!(kind = error.kind(), "a session's idle time could not be restarted");
        }
    }

    /// Writes a session under `condition`; `Ok(false)` where the condition did not hold.
    async fn write(
        &self,
        key: &str,
        record: &SessionRecord,
        now: OffsetDateTime,
        ttl: Duration,
        condition: fn(SetOptions) -> SetOptions,
    ) -> Result<bool, RedisError> {
        let Some(ttl) = self.capped(ttl, record, now) else { return Ok(false) };
        let bytes = Envelope::new(record.clone(), now)
            .encode()
            .map_err(|error| RedisError::Rejected(error.to_string()))?;
        self.provider.set(key, Bytes::from(bytes), condition(SetOptions::with_ttl(ttl))).await
    }

    /// The time to live: never past the idle time nor the absolute end; `None` where that is over.
    fn capped(
        &self,
        ttl: Duration,
        record: &SessionRecord,
        now: OffsetDateTime,
    ) -> Option<Duration> {
        let remaining = Duration::try_from(record.absolute_expires_at - now).ok()?;
        let ttl = ttl.min(self.settings.idle).min(remaining);
        (!ttl.is_zero()).then_some(ttl)
    }

    /// Stores a session under a key that nobody has used.
    async fn create(
        &self,
        record: &SessionRecord,
        ttl: Duration,
    ) -> Result<SessionKey, RedisError> {
        for _ in 0..KEY_ATTEMPTS {
            let session_key = generate_session_key();
            let key = redis_key(&session_key);
            if self.write(&key, record, self.clock.now(), ttl, SetOptions::if_absent).await? {
                return Ok(session_key);
            }
        }
        Err(RedisError::Protocol("every new session key is taken".to_owned()))
    }

    /// Moves the person from the session `old` to a new one. The new one is stored first, so that
    /// a failure leaves them with one of the two; it is taken back where the old one stays, so
    /// that none is left behind that nobody knows of.
    async fn rotate(
        &self,
        old: &SessionKey,
        record: &SessionRecord,
        ttl: Duration,
    ) -> Result<SessionKey, RedisError> {
        let new = self.create(record, ttl).await?;
        if let Err(error) = self.provider.delete_many(&[&redis_key(old)]).await {
            if let Err(second) = self.provider.delete_many(&[&redis_key(&new)]).await {
                tracing::warn!(kind = second.kind(), "an unused session is left to its idle time");
            }
            return Err(error);
        }
        Ok(new)
    }
}

impl SessionStore for RedisSessionStore {
    async fn load(
        &self,
        session_key: &SessionKey,
    ) -> Result<Option<HashMap<String, String>>, LoadError> {
        if !is_cookie_value(session_key.as_ref()) {
            return Ok(None);
        }
        let found = self.find(&redis_key(session_key)).await;
        let Some(record) = found.map_err(|error| LoadError::Other(outage(error)))? else {
            return Ok(None);
        };
        let text = serde_json::to_string(&record)
            .map_err(|error| LoadError::Other(outage(RedisError::Protocol(error.to_string()))))?;
        Ok(Some(HashMap::from([(RECORD.to_owned(), text)])))
    }

    async fn save(
        &self,
        state: HashMap<String, String>,
        ttl: &CookieDuration,
    ) -> Result<SessionKey, SaveError> {
        let record = record_of(&state).map_err(SaveError::Serialization)?;
        let created = self.create(&record, std_duration(*ttl)).await;
        created.map_err(|error| SaveError::Other(outage(error)))
    }

    /// Writes only where the session still exists. Where it is gone, because the person signed
    /// out or it ran out meanwhile, the answer is the same key and nothing is written: the cookie
    /// that the middleware then sets names no session.
    async fn update(
        &self,
        session_key: SessionKey,
        state: HashMap<String, String>,
        ttl: &CookieDuration,
    ) -> Result<SessionKey, UpdateError> {
        let record = record_of(&state).map_err(UpdateError::Serialization)?;
        let ttl = std_duration(*ttl);
        if state.contains_key(ROTATE) {
            let rotated = self.rotate(&session_key, &record, ttl).await;
            return rotated.map_err(|error| UpdateError::Other(outage(error)));
        }
        let key = redis_key(&session_key);
        let written = self.write(&key, &record, self.clock.now(), ttl, SetOptions::if_present);
        written.await.map_err(|error| UpdateError::Other(outage(error)))?;
        Ok(session_key)
    }

    async fn update_ttl(
        &self,
        session_key: &SessionKey,
        ttl: &CookieDuration,
    ) -> Result<(), anyhow::Error> {
        let key = redis_key(session_key);
        let Some(record) = self.find(&key).await.map_err(outage)? else { return Ok(()) };
        // `None` cannot be: a record past its absolute end is not found.
        let Some(ttl) = self.capped(std_duration(*ttl), &record, self.clock.now()) else {
            return Ok(());
        };
        self.provider.expire(&key, ttl).await.map_err(outage)?;
        Ok(())
    }

    async fn delete(&self, session_key: &SessionKey) -> Result<(), anyhow::Error> {
        self.provider.delete_many(&[&redis_key(session_key)]).await.map_err(outage)?;
        Ok(())
    }
}

fn outage(error: RedisError) -> anyhow::Error {
    StoreUnavailable::from(error).into()
}

fn record_of(state: &HashMap<String, String>) -> Result<SessionRecord, anyhow::Error> {
    let text = state.get(RECORD).ok_or_else(|| anyhow::anyhow!("the session has no record"))?;
    Ok(serde_json::from_str(text)?)
}

fn is_cookie_value(text: &str) -> bool {
    text.len() == COOKIE_VALUE_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The key of a session: a digest, so that whoever reads Redis learns no cookie's value.
fn redis_key(session_key: &SessionKey) -> String {
    let mut key = "sid:".to_owned();
    for byte in Sha256::digest(session_key.as_ref().as_bytes()) {
        // Writing to a String does not fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// A cookie's lifetime; one that is over becomes zero.
fn std_duration(duration: CookieDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}
