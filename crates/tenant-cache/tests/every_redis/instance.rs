//! One process's share: a cache over a provider of its own.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use redis_provider::testing::{Fault, FaultyRedis, RecordingRedis};
use redis_provider::{Backplane, RedisError, RedisProvider, SetOptions};
use tenancy::{EventKind, SystemClock, Tag, TenantKey, TenantScope};
use tenant_cache::{CacheSettings, CachedAnswer, KeyRing, Loaded, Operation, Outcome, TenantCache};
use uuid::Uuid;

use crate::fixture::{LIMIT, eventually};

/// An event that drops lists.
pub(crate) const CHANGED: EventKind = EventKind::JobUpdated;

/// A cache, with what stands between it and the service.
pub(crate) struct Instance {
    pub(crate) cache: TenantCache,
    /// Counts what it asks.
    pub(crate) asked: Arc<RecordingRedis>,
    /// Breaks its way.
    pub(crate) way: Arc<FaultyRedis>,
    /// The way around both.
    pub(crate) service: Arc<dyn RedisProvider>,
}

impl Instance {
    pub(crate) fn over(
        service: Arc<dyn RedisProvider>,
        settings: CacheSettings,
        keys: Option<&str>,
    ) -> Self {
        let way = Arc::new(FaultyRedis::new(Arc::clone(&service)));
        let asked = Arc::new(RecordingRedis::new(Arc::clone(&way) as _));
        let (provider, clock) = (Arc::clone(&asked) as _, Arc::new(SystemClock));
        let cache = match keys.map(|keys| KeyRing::parse(&keys.into()).unwrap()) {
            Some(ring) => TenantCache::with_keys(provider, clock, settings, Some(ring)).unwrap(),
            None => TenantCache::new(provider, clock, settings),
        };
        Self { cache, asked, way, service }
    }

    /// Joins the messages, and waits until it hears them.
    pub(crate) async fn comes_into_touch(&self) {
        let way = Arc::clone(&self.way) as Arc<dyn RedisProvider>;
        let backplane = Backplane::spawn(way, &[tenant_cache::TOPIC]);
        self.cache.joins(backplane.clone()).unwrap();
        let is_live = tokio::time::timeout(LIMIT, backplane.wait_until_live()).await;
        assert!(is_live.expect("a subscription in time"));
    }

    /// Reads a page of the list, which would be loaded as `value`.
    pub(crate) async fn answer(
        &self,
        scope: &TenantScope,
        page: &str,
        value: &str,
    ) -> CachedAnswer {
        let value = value.to_owned();
        let load = move || async move { Ok::<_, io::Error>(Some(Loaded::new(value))) };
        let key = page_key(scope, page);
        let answer = self.cache.get_or_load(scope, Operation::JobsList, key, &[], load).await;
        answer.unwrap().unwrap()
    }

    /// Reads the whole list.
    pub(crate) async fn reads(&self, scope: &TenantScope, value: &str) -> (Outcome, String) {
        told(&self.answer(scope, "all", value).await)
    }

    /// Reads one job.
    pub(crate) async fn reads_job(&self, scope: &TenantScope, job: Uuid) -> Outcome {
        let key = Operation::JobsItem.key(scope).part("all").part(&job.to_string()).build();
        let load = || async { Ok::<_, io::Error>(Some(Loaded::new("a job"))) };
        let tags = [Tag::entity("job", job)];
        let answer = self.cache.get_or_load(scope, Operation::JobsItem, key, &tags, load).await;
        answer.unwrap().unwrap().outcome
    }

    /// From now on, until it is healed, the service is away.
    pub(crate) fn loses_its_way(&self) {
        self.way.inject(away());
    }

    /// What is stored under a key.
    pub(crate) async fn stored(&self, key: &TenantKey) -> Option<Bytes> {
        self.service.get(key.as_str()).await.unwrap()
    }

    /// Puts something else there, as somebody with access to the service could.
    pub(crate) async fn puts(&self, key: &TenantKey, value: Bytes) {
        let options = SetOptions::with_ttl(LIMIT);
        assert!(self.service.set(key.as_str(), value, options).await.unwrap());
    }

    /// Waits until no load is under way; a reader who comes before that shares in it.
    pub(crate) async fn waits_until_idle(&self) {
        let is_idle = async || self.cache.statistics().loads_under_way == 0;
        eventually("every load has ended", is_idle).await;
    }

    /// Waits until the other instances can find a value: the reader who loads it is answered
    /// without waiting for a slow service to store it.
    pub(crate) async fn waits_until_stored(&self, key: &TenantKey) {
        eventually("the value is stored", async || self.stored(key).await.is_some()).await;
        self.waits_until_idle().await;
    }
}

/// The key of a page of the list.
pub(crate) fn page_key(scope: &TenantScope, page: &str) -> TenantKey {
    Operation::JobsList.key(scope).part(page).build()
}

pub(crate) fn away() -> Fault {
    Fault::Fail(RedisError::Unavailable("test".to_owned()))
}

pub(crate) fn told(answer: &CachedAnswer) -> (Outcome, String) {
    (answer.outcome, serde_json::from_slice(&answer.body).unwrap())
}

pub(crate) fn an(outcome: Outcome, value: &str) -> (Outcome, String) {
    (outcome, value.to_owned())
}
