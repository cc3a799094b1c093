use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis_provider::testing::{Fault, FaultyRedis};
use redis_provider::{MemoryProvider, MemorySettings, RedisProvider as _, SetOptions};
use tenancy::{OrgId, Role, UserId};
use tokio::time::advance;
use uuid::Uuid;

use super::away;
use crate::{OrganizationData, Snapshots, TenantStatus};

const KEY: &str = "session:00000000-0000-0000-0000-000000000007:org_9f2cA1";

struct Bench {
    redis: Arc<FaultyRedis>,
    snapshots: Snapshots,
    user: UserId,
    org: OrgId,
}

impl Bench {
    fn new() -> Self {
        let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
        let redis = Arc::new(FaultyRedis::new(memory));
        Self {
            snapshots: Snapshots::new(redis.clone()),
            redis,
            user: UserId::from_uuid(Uuid::from_u128(7)),
            org: "org_9f2cA1".parse().unwrap(),
        }
    }

    async fn find(&self) -> Option<OrganizationData> {
        self.snapshots.find(self.user, &self.org).await.unwrap()
    }

    async fn put(&self, role: Role) -> bool {
        self.snapshots.put(self.user, &self.org, &data(role)).await.unwrap()
    }
}

fn data(role: Role) -> OrganizationData {
    OrganizationData {
        role,
        role_version: 3,
        tenant_name: "Northwind Clinics".to_owned(),
        tenant_slug: "northwind".to_owned(),
        tenant_status: TenantStatus::Active,
        time_zone: "Europe/Berlin".to_owned(),
        locale: "de-DE".to_owned(),
        currency: "EUR".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_lives_for_an_hour() {
    let bench = Bench::new();
    assert_eq!(bench.find().await, None);
    assert!(bench.put(Role::Admin).await);
    assert!(bench.redis.get(KEY).await.unwrap().is_some(), "at the documented key");
    advance(Duration::from_mins(59)).await;
    assert_eq!(bench.find().await, Some(data(Role::Admin)));
    advance(Duration::from_mins(1)).await;
    assert_eq!(bench.find().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_change_is_not_put_after_it() {
    let bench = Bench::new();
    bench.put(Role::Admin).await;
    // A request has read the role; it changes; the request puts what it has read.
    bench.snapshots.drop(bench.user, &bench.org).await.unwrap();
    assert!(!bench.put(Role::Admin).await);
    assert_eq!(bench.find().await, None);
    advance(Duration::from_secs(30)).await;
    assert!(bench.put(Role::Viewer).await);
    assert_eq!(bench.find().await, Some(data(Role::Viewer)));
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_another_shape_is_none() {
    let bench = Bench::new();
    for text in ["", "{}", "null", "dropped", r#"{"role":"emperor"}"#] {
        let ttl = SetOptions::with_ttl(Duration::from_mins(1));
        bench.redis.set(KEY, Bytes::from(text), ttl).await.unwrap();
        assert_eq!(bench.find().await, None, "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_an_error() {
    let bench = Bench::new();
    bench.put(Role::Admin).await;
    bench.redis.inject(Fault::Fail(away()));
    assert!(bench.snapshots.find(bench.user, &bench.org).await.is_err());
    assert!(bench.snapshots.put(bench.user, &bench.org, &data(Role::Owner)).await.is_err());
    assert!(bench.snapshots.drop(bench.user, &bench.org).await.is_err());
}
