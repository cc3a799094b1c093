//! What is asked for: keys of ten tenants, and a cache that has their values.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis_provider::RedisProvider;
use tenancy::{Clock, Evidence, Feature, OrgId, Tag, TenantId, TenantKey, TenantScope};
use tenant_cache::{CacheSettings, Loaded, Operation, TenantCache};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::Outcome;

/// Of a key, as the longer ones of the portal have.
pub(crate) const KEY_BYTES: usize = 80;
/// Of a value in process: it is kept with its compressed form, as the larger ones of the portal are.
pub(crate) const VALUE_BYTES: usize = 1024;
/// Jobs that the values show, each of which several may: fewer generations than a process remembers
/// without looking which of them it may forget.
const JOBS: u64 = 5_000;
/// Whose keys they are, in turns.
pub(crate) const TENANTS: usize = 10;
/// More than any number of entries that is measured takes.
pub(crate) const CAPACITY: usize = 1 << 30;
/// Values live for 15 minutes, longer than any table takes, and depend on four generations: those of
/// platform, tenant, feature and job.
const OPERATION: Operation = Operation::JobsItem;

/// A key with whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) scope: TenantScope,
    pub(crate) key: TenantKey,
    entities: [Tag; 1],
    number: u64,
}

pub(crate) struct World {
    pub(crate) asked: Arc<[Asked]>,
}

impl World {
    pub(crate) fn new(count: usize) -> Outcome<Self> {
        let orgs: Vec<OrgId> = (0..TENANTS)
            .map(|number| format!("org_{number:016}").parse())
            .collect::<Result<_, _>>()?;
        let asked = orgs.iter().cycle().zip(0..count).map(|(org, number)| {
            let scope = scope(org);
            let start = OPERATION.key(&scope).part("all").part("0").part("20");
            let length = start.clone().part("").build().as_str().len() - 1;
            let rest = KEY_BYTES.saturating_sub(length);
            let key = start.part(&format!("{number:0rest$}")).build();
            let number = u64::try_from(number).unwrap_or_default();
            let job = u128::from(number % JOBS);
            let entities = [Tag::entity("job", Uuid::from_u128(job))];
            Asked { scope, key, entities, number }
        });
        let asked: Arc<[_]> = asked.collect();
        match asked.iter().find(|asked| asked.key.as_str().len() != KEY_BYTES) {
            Some(asked) => Err(format!("{} has not {KEY_BYTES} bytes", asked.key).into()),
            None => Ok(Self { asked }),
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&OrgId, &TenantKey, Bytes)> {
        let value = |asked: &Asked| Bytes::from(text(asked.number, VALUE_BYTES));
        self.asked.iter().map(move |asked| (asked.scope.org(), &asked.key, value(asked)))
    }

    /// Has every value loaded, so that it is stored and kept as far as it may be.
    pub(crate) async fn fill(&self, cache: &TenantCache, bytes: usize) -> Outcome<()> {
        for asked in &*self.asked {
            asked.read(cache, bytes).await?;
        }
        Ok(())
    }
}

impl Asked {
    /// Reads the value; loads one of so many bytes where there is none.
    pub(crate) async fn read(&self, cache: &TenantCache, bytes: usize) -> Outcome<Bytes> {
        let Self { scope, key, entities, number } = self;
        let number = *number;
        let load =
            move || async move { Ok::<_, Infallible>(Some(Loaded::new(text(number, bytes)))) };
        let answer = cache.get_or_load(scope, OPERATION, key.clone(), entities, load).await?;
        Ok(answer.ok_or("there is no answer")?.body.clone())
    }

    /// Where the generation of the job lives.
    pub(crate) fn tag_key(&self, feature: Feature) -> String {
        let [job] = &self.entities;
        self.scope.tag_generation_key(feature, job)
    }

    /// The same as one of a batch.
    pub(crate) fn of_batch(&self) -> tenant_cache::BatchKey {
        tenant_cache::BatchKey { key: self.key.clone(), entities: self.entities.to_vec() }
    }
}

pub(crate) const fn operation() -> Operation {
    OPERATION
}

/// Text that compression makes smaller by a quarter; as JSON it has so many bytes.
fn text(number: u64, bytes: usize) -> String {
    let mut state = number;
    let letters = std::iter::repeat_with(|| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let sixth = u32::try_from(state >> 58).unwrap_or_default();
        char::from_u32(0x30 + sixth).filter(|letter| *letter != '\\').unwrap_or('z')
    });
    letters.take(bytes.saturating_sub(2)).collect()
}

/// A cache of so much room whose leases do not end while it is measured: what a hit does is the
/// same, and none is a miss.
pub(crate) fn cache(provider: Arc<dyn RedisProvider>, process_max_bytes: usize) -> TenantCache {
    let settings = CacheSettings {
        process_max_bytes,
        process_max_tenant_share: 1.0,
        process_lease: Duration::from_secs(3600),
        ..CacheSettings::default()
    };
    TenantCache::new(provider, Arc::new(SystemClock), settings)
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "measurements run in real time")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "measurements make scopes of tenants that do not exist"
)]
fn scope(org: &OrgId) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::nil());
    TenantScope::from_verified(tenant, org.clone(), Evidence::SystemTask("bench"))
}
