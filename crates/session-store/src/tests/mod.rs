//! The contract of the session store, on the in-process provider, on one that fails, and on a
//! ledger that can be away.

mod access;
mod ledger;
mod middleware;
mod outage;
mod store;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_session::storage::{SessionKey, SessionStore as _};
use actix_web::cookie::time::Duration as CookieDuration;
use ledger::TestLedger;
use redis_provider::testing::{FaultyRedis, RecordingRedis};
use redis_provider::{MemoryProvider, MemorySettings, RedisError, RedisProvider, ScanCursor};
use tenancy::{Clock as _, ManualClock, TenantId, UserId};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::portal_session::{Carried, RECORD, SIGN_IN};
use crate::{
    AccessCopies, Device, NewSession, PortalSessionStore, SessionRecord, SessionSettings, Sid,
};

const START: OffsetDateTime = datetime!(2026-11-20 08:00 UTC);
const IDLE: Duration = Duration::from_hours(1);
const ABSOLUTE: Duration = Duration::from_mins(150);
const LEASE: Duration = Duration::from_secs(1);

const SETTINGS: SessionSettings = SessionSettings {
    idle: IDLE,
    absolute: ABSOLUTE,
    lease: LEASE,
    held: 1_000,
    ledger_lookups: 2,
    ledger_queue: Duration::from_secs(2),
};

/// A store over a provider that can be broken and that counts, with clocks that move together.
struct Bench {
    redis: Arc<FaultyRedis>,
    recording: Arc<RecordingRedis>,
    clock: Arc<ManualClock>,
    ledger: Arc<TestLedger>,
    copies: AccessCopies,
    store: PortalSessionStore,
}

impl Bench {
    fn new() -> Self {
        let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
        let recording = Arc::new(RecordingRedis::new(memory));
        let clock = Arc::new(ManualClock::at(START));
        let ledger = Arc::new(TestLedger::new(clock.clone()));
        let bench = Self::instance(recording, clock, ledger, SETTINGS);
        bench.ledger.tells(&bench.copies);
        bench
    }

    /// Another process over the same Redis and ledger.
    fn another(&self) -> Self {
        self.another_with(SETTINGS)
    }

    fn another_with(&self, settings: SessionSettings) -> Self {
        Self::instance(self.recording.clone(), self.clock.clone(), self.ledger.clone(), settings)
    }

    fn instance(
        recording: Arc<RecordingRedis>,
        clock: Arc<ManualClock>,
        ledger: Arc<TestLedger>,
        settings: SessionSettings,
    ) -> Self {
        let provider: Arc<dyn RedisProvider> = recording.clone();
        let redis = Arc::new(FaultyRedis::new(provider));
        let copies = AccessCopies::new(redis.clone(), settings);
        let store = PortalSessionStore::new(copies.clone(), ledger.clone(), None, clock.clone());
        Self { redis, recording, clock, ledger, copies, store }
    }

    /// Lets time pass, for us and for Redis.
    async fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
        tokio::time::advance(duration).await;
    }

    /// Lets what the process holds run out.
    async fn lease_ends(&self) {
        self.pass(LEASE).await;
    }

    fn new_session(&self) -> NewSession {
        new_session(self.clock.now())
    }

    async fn save(&self) -> SessionKey {
        self.store.save(signing_in(&self.new_session()), &cookie_ttl()).await.unwrap()
    }

    async fn load(&self, key: &SessionKey) -> Option<SessionRecord> {
        let state = self.store.load(key).await.unwrap()?;
        assert_eq!(state.len(), 1);
        match Carried::parse(&state[RECORD]).unwrap() {
            Carried::Name(sid) => {
                assert_eq!(sid, Sid::of_cookie(key.as_ref()));
                self.store.verified(sid).await.unwrap().map(Arc::unwrap_or_clone)
            }
            Carried::Record(record) => Some(Arc::unwrap_or_clone(record)),
        }
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

fn sid(key: &SessionKey) -> Sid {
    Sid::of_cookie(key.as_ref())
}

fn new_session(now: OffsetDateTime) -> NewSession {
    NewSession {
        user: UserId::from_uuid(Uuid::from_u128(7)),
        tenant: TenantId::from_uuid(Uuid::from_u128(8)),
        org: "org_9f2cA1".parse().unwrap(),
        subject: "samlp|conn|x:y@z {*}".to_owned(),
        issuer: "https://login.example/".to_owned(),
        idp_sid: Some("idp-session-1".to_owned()),
        name: "Ada Example".to_owned(),
        email: "ada@example.com".to_owned(),
        csrf_token: "csrf-secret".to_owned(),
        device: Device::default(),
        absolute_expires_at: now + ABSOLUTE,
        tokens: None,
    }
}

fn signing_in(new: &NewSession) -> HashMap<String, String> {
    HashMap::from([(SIGN_IN.to_owned(), serde_json::to_string(new).unwrap())])
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
