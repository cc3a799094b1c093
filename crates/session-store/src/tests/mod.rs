//! The contract of the session store, on the in-process provider and on one that fails.

mod middleware;
mod snapshots;
mod store;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::{SessionKey, SessionStore as _};
use actix_web::cookie::time::Duration as CookieDuration;
use redis_provider::testing::{FaultyRedis, RecordingRedis};
use redis_provider::{MemoryProvider, MemorySettings, RedisError, RedisProvider, ScanCursor};
use tenancy::{Clock, ManualClock, TenantId, UserId};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::portal_session::{RECORD, ROTATE};
use crate::{RedisSessionStore, SessionRecord, SessionSettings};

const START: OffsetDateTime = datetime!(2026-11-20 08:00 UTC);
const IDLE: Duration = Duration::from_hours(1);
const ABSOLUTE: Duration = Duration::from_mins(150);

/// A store over a provider that can be broken and that counts, with clocks that move together.
struct Bench {
    redis: Arc<FaultyRedis>,
    recording: Arc<RecordingRedis>,
    clock: Arc<ManualClock>,
    store: RedisSessionStore,
}

impl Bench {
    fn new() -> Self {
        let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
        let recording = Arc::new(RecordingRedis::new(memory));
        let provider: Arc<dyn RedisProvider> = recording.clone();
        let redis = Arc::new(FaultyRedis::new(provider));
        let clock = Arc::new(ManualClock::at(START));
        let store = RedisSessionStore::new(
            redis.clone(),
            clock.clone(),
            SessionSettings { idle: IDLE, absolute: ABSOLUTE },
        );
        Self { redis, recording, clock, store }
    }

    /// Lets time pass, for us and for Redis.
    async fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
        tokio::time::advance(duration).await;
    }

    /// A record of somebody who signs in now.
    fn record(&self) -> SessionRecord {
        record(self.clock.now())
    }

    async fn save(&self) -> SessionKey {
        self.store.save(state(&self.record()), &cookie_ttl()).await.unwrap()
    }

    async fn load(&self, key: &SessionKey) -> Option<SessionRecord> {
        let state = self.store.load(key).await.unwrap()?;
        assert_eq!(state.len(), 1);
        Some(serde_json::from_str(&state[RECORD]).unwrap())
    }

    /// Every key in Redis.
    async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut cursor = Some(ScanCursor::START);
        while let Some(at) = cursor {
            let page = self.recording.scan("", at).await.unwrap();
            keys.extend(page.keys);
            cursor = page.next;
        }
        keys
    }
}

fn record(now: OffsetDateTime) -> SessionRecord {
    SessionRecord {
        user: UserId::from_uuid(Uuid::from_u128(7)),
        tenant: TenantId::from_uuid(Uuid::from_u128(8)),
        org: "org_9f2cA1".parse().unwrap(),
        subject: "samlp|conn|x:y@z {*}".to_owned(),
        idp_sid: Some("idp-session-1".to_owned()),
        name: "Ada Example".to_owned(),
        email: "ada@example.com".to_owned(),
        csrf_token: "csrf-secret".to_owned(),
        created_at: now,
        absolute_expires_at: now + ABSOLUTE,
    }
}

fn state(record: &SessionRecord) -> HashMap<String, String> {
    HashMap::from([(RECORD.to_owned(), serde_json::to_string(record).unwrap())])
}

fn rotating(record: &SessionRecord) -> HashMap<String, String> {
    let mut state = state(record);
    state.insert(ROTATE.to_owned(), "true".to_owned());
    state
}

fn cookie_ttl() -> CookieDuration {
    ABSOLUTE.try_into().unwrap()
}

/// The session key of another value than the one that the compiler would let us copy.
fn same(key: &SessionKey) -> SessionKey {
    key.as_ref().to_owned().try_into().unwrap()
}

fn away() -> RedisError {
    RedisError::Unavailable("no route".to_owned())
}
