//! What an admin does to one tenant: purges that cost one command at any size, and looks inside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis_provider::testing::{Fault, FaultyRedis, RecordingRedis};
use redis_provider::{MemoryProvider, MemorySettings, RedisError, RedisProvider};
use tenancy::{Clock, Evidence, Feature, ManualClock, Tag, TenantId, TenantScope};
use tenant_cache::{
    CacheSettings, KeyCursor, KeyKind, Loaded, Operation, Outcome, PurgeMode, PurgeTarget,
    TenantCache,
};
use time::OffsetDateTime;
use uuid::Uuid;

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope(org: &str) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::now_v7());
    TenantScope::from_verified(tenant, org.parse().unwrap(), Evidence::SystemTask("test"))
}

fn away() -> Fault {
    Fault::Fail(RedisError::Unavailable("test".to_owned()))
}

struct Fixture {
    faulty: Arc<FaultyRedis>,
    recording: Arc<RecordingRedis>,
    clock: Arc<ManualClock>,
    cache: TenantCache,
    scope: TenantScope,
}

impl Fixture {
    fn new() -> Self {
        let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
        let faulty = Arc::new(FaultyRedis::new(memory));
        let recording = Arc::new(RecordingRedis::new(Arc::clone(&faulty) as _));
        let start = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(1 << 30);
        let clock = Arc::new(ManualClock::at(start));
        let provider: Arc<dyn RedisProvider> = Arc::clone(&recording) as _;
        let cache = TenantCache::new(
            provider,
            Arc::clone(&clock) as Arc<dyn Clock>,
            CacheSettings::default(),
        );
        Self { faulty, recording, clock, cache, scope: scope("org_a") }
    }

    async fn purges(&self, target: PurgeTarget) -> Vec<(PurgeTarget, String)> {
        let targets = BTreeSet::from([target]);
        let purged = self.cache.purge(&self.scope, &targets, PurgeMode::Hard).await.unwrap();
        purged.dropped.into_iter().map(|one| (one.target, one.generation)).collect()
    }

    async fn list(&self, scope: &TenantScope, page: &str) -> Outcome {
        let key = Operation::JobsList.key(scope).part(page).build();
        let load = || async { Ok::<_, io::Error>(Some(Loaded::new("a list"))) };
        let answer = self.cache.get_or_load(scope, Operation::JobsList, key, &[], load).await;
        answer.unwrap().unwrap().outcome
    }

    async fn job(&self, id: Uuid) -> Outcome {
        let key = Operation::JobsItem.key(&self.scope).part("all").part(&id.to_string()).build();
        let load = || async { Ok::<_, io::Error>(Some(Loaded::new("a job"))) };
        let tags = [Tag::entity("job", id)];
        let answer =
            self.cache.get_or_load(&self.scope, Operation::JobsItem, key, &tags, load).await;
        answer.unwrap().unwrap().outcome
    }
}

#[tokio::test]
async fn a_purge_drops_its_group_and_nothing_else() {
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let neighbour = scope("org_b");
    for (target, drops_list, drops_one, drops_other) in [
        (PurgeTarget::Everything, true, true, true),
        (PurgeTarget::Feature(Feature::Jobs), true, true, true),
        (PurgeTarget::Feature(Feature::Search), false, false, false),
        (PurgeTarget::Operation(Operation::JobsList), true, false, false),
        (PurgeTarget::Entity(Operation::JobsItem, one), false, true, false),
    ] {
        let fixture = Fixture::new();
        fixture.list(&fixture.scope, "1").await;
        fixture.list(&neighbour, "1").await;
        fixture.job(one).await;
        fixture.job(other).await;
        fixture.purges(target).await;
        let expected = |is_dropped| if is_dropped { Outcome::Miss } else { Outcome::Hit };
        assert_eq!(fixture.list(&fixture.scope, "1").await, expected(drops_list), "{target}");
        assert_eq!(fixture.job(one).await, expected(drops_one), "{target}");
        assert_eq!(fixture.job(other).await, expected(drops_other), "{target}");
        assert_eq!(fixture.list(&neighbour, "1").await, Outcome::Hit, "{target}");
    }
}

#[tokio::test]
async fn a_purge_is_one_command_at_any_size() {
    for entries in [1, 10, 1_000] {
        let fixture = Fixture::new();
        for page in 0..entries {
            fixture.list(&fixture.scope, &page.to_string()).await;
        }
        fixture.recording.reset();
        // Within one instant a stamp may have to be made anew to be the later one.
        fixture.clock.advance(Duration::from_millis(1));
        fixture.purges(PurgeTarget::Everything).await;
        let counts = fixture.recording.counts();
        assert_eq!(counts.get("pipeline.evaluate"), Some(&1), "{entries}: {counts:?}");
        assert_eq!(fixture.recording.calls(), 1, "{entries}: {counts:?}");
    }
}

#[tokio::test]
async fn each_purge_has_a_generation_of_its_own_and_says_which() {
    let fixture = Fixture::new();
    let target = PurgeTarget::Operation(Operation::JobsList);
    let first = fixture.purges(target).await;
    let second = fixture.purges(target).await;
    assert_eq!((first[0].0, second[0].0), (target, target));
    assert!(first[0].1 < second[0].1, "the time part grows");
    let key = "tenant:{org_a:jobs}:!t:list";
    let stored = fixture.recording.get(key).await.unwrap().unwrap();
    assert_eq!(stored, second[0].1.as_bytes());
}

#[tokio::test]
async fn a_group_is_not_dropped_twice_by_its_parts() {
    let fixture = Fixture::new();
    let targets = BTreeSet::from([
        PurgeTarget::Operation(Operation::JobsList),
        PurgeTarget::Entity(Operation::JobsItem, Uuid::now_v7()),
        PurgeTarget::Feature(Feature::Jobs),
        PurgeTarget::Operation(Operation::JobFacets),
    ]);
    let purged = fixture.cache.purge(&fixture.scope, &targets, PurgeMode::Hard).await.unwrap();
    let dropped: Vec<PurgeTarget> = purged.dropped.iter().map(|one| one.target).collect();
    let facets = PurgeTarget::Operation(Operation::JobFacets);
    assert_eq!(dropped, [PurgeTarget::Feature(Feature::Jobs), facets]);
    assert_eq!(fixture.recording.count("pipeline.evaluate"), 2);
}

#[tokio::test]
async fn a_purge_that_fails_is_told_and_nothing_older_is_served() {
    let fixture = Fixture::new();
    fixture.list(&fixture.scope, "1").await;
    fixture.faulty.inject(away());
    let targets = BTreeSet::from([PurgeTarget::Everything]);
    let purged = fixture.cache.purge(&fixture.scope, &targets, PurgeMode::Hard).await;
    assert!(matches!(purged, Err(RedisError::Unavailable(_))));
    fixture.faulty.heal();
    assert_ne!(fixture.list(&fixture.scope, "1").await, Outcome::Hit);
    assert_eq!(fixture.cache.statistics().journaled, 1);
}

#[tokio::test]
async fn an_estimate_counts_without_dropping() {
    let fixture = Fixture::new();
    let job = Uuid::now_v7();
    for page in 0..7 {
        fixture.list(&fixture.scope, &page.to_string()).await;
        fixture.list(&scope("org_ab"), &page.to_string()).await;
    }
    fixture.job(job).await;
    fixture.job(Uuid::now_v7()).await;
    for (target, expected) in [
        (PurgeTarget::Everything, 9),
        (PurgeTarget::Feature(Feature::Jobs), 9),
        (PurgeTarget::Feature(Feature::Search), 0),
        (PurgeTarget::Operation(Operation::JobsList), 7),
        (PurgeTarget::Entity(Operation::JobsItem, job), 1),
    ] {
        let estimate = fixture.cache.estimate(&fixture.scope, &BTreeSet::from([target])).await;
        assert_eq!((estimate.entries, estimate.is_complete), (expected, true), "{target}");
    }
    assert_eq!(fixture.list(&fixture.scope, "1").await, Outcome::Hit);
    fixture.faulty.inject(away());
    let targets = BTreeSet::from([PurgeTarget::Everything]);
    let estimate = fixture.cache.estimate(&fixture.scope, &targets).await;
    assert_eq!((estimate.entries, estimate.is_complete), (0, false));
}

#[tokio::test]
async fn keys_are_the_tenants_own_with_sizes_and_times() {
    let fixture = Fixture::new();
    let neighbour = scope("org_ab");
    for page in 0..1_200 {
        fixture.list(&fixture.scope, &page.to_string()).await;
    }
    fixture.list(&neighbour, "1").await;
    fixture.clock.advance(Duration::from_secs(20));
    let (mut values, mut generations, mut pages) = (BTreeSet::new(), BTreeSet::new(), 0);
    let mut after = None;
    loop {
        let page = fixture.cache.list_keys(&fixture.scope, None, after).await.unwrap();
        pages += 1;
        for entry in page.keys {
            assert!(entry.name.starts_with("tenant:{org_a:jobs}:"), "{}", entry.name);
            assert!(entry.bytes.unwrap() > 0);
            let left = entry.expires_in;
            match entry.kind {
                KeyKind::Value => {
                    assert!(left.unwrap() <= Duration::from_secs(100), "{left:?}");
                    assert!(left.unwrap() >= Duration::from_secs(88), "{left:?}");
                    assert!(values.insert(entry.name));
                }
                KeyKind::Generation => {
                    assert_eq!(left, None);
                    assert!(generations.insert(entry.name));
                }
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((values.len(), generations.len()), (1_200, 2));
    assert!(pages >= 3, "{pages}");
    let searched = fixture.cache.list_keys(&fixture.scope, Some(Feature::Search), None).await;
    assert_eq!(searched.unwrap().keys, []);
}

#[tokio::test]
async fn a_cursor_leads_nowhere_else() {
    let fixture = Fixture::new();
    fixture.list(&fixture.scope, "1").await;
    for cursor in [
        r#"{"feature":0,"scan":">tenant:{org_b:jobs}:list:1"}"#,
        r#"{"feature":0,"scan":"*"}"#,
        r#"{"feature":0,"scan":"0"}"#,
    ] {
        let cursor: KeyCursor = serde_json::from_str(cursor).unwrap();
        let page = fixture.cache.list_keys(&fixture.scope, None, Some(cursor)).await;
        assert!(matches!(page, Err(RedisError::Rejected(_))), "{page:?}");
    }
    let beyond: KeyCursor = serde_json::from_str(r#"{"feature":99,"scan":""}"#).unwrap();
    let page = fixture.cache.list_keys(&fixture.scope, None, Some(beyond)).await.unwrap();
    assert_eq!((page.keys.len(), page.next), (0, None));
}

#[tokio::test]
async fn a_status_has_the_tenants_figures_and_the_servers() {
    let fixture = Fixture::new();
    fixture.list(&fixture.scope, "1").await;
    fixture.list(&fixture.scope, "1").await;
    fixture.list(&scope("org_b"), "1").await;
    let status = fixture.cache.status(&fixture.scope).await;
    let (operation, figures) = status.tenant[0];
    assert_eq!((operation, figures.hits, figures.misses), (Operation::JobsList, 1, 1));
    assert_eq!(status.process.total.misses, 2);
    let server = status.server.unwrap();
    // Of the platform, of each tenant and of each tenant's feature: those live for ever.
    assert_eq!(server.keys_without_ttl, Some(5));
    fixture.faulty.inject(away());
    assert_eq!(fixture.cache.status(&fixture.scope).await.server, None);
}
