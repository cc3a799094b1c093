//! What an admin does to one tenant.

use std::collections::BTreeSet;

use redis_provider::RedisError;
use tenancy::{Feature, TenantScope};
use tenant_cache::{KeyCursor, Operation, Outcome, PurgeMode, PurgeTarget};
use uuid::Uuid;

use crate::fixture::{Fixture, tenant, tenant_named};
use crate::instance::Instance;

impl Instance {
    /// Drops a group; what was dropped, and the new generations.
    pub(crate) async fn purges(
        &self,
        scope: &TenantScope,
        target: PurgeTarget,
    ) -> Vec<(PurgeTarget, String)> {
        let targets = BTreeSet::from([target]);
        let purged = self.cache.purge(scope, &targets, PurgeMode::Hard).await.unwrap();
        purged.dropped.into_iter().map(|one| (one.target, one.generation)).collect()
    }
}

pub(crate) async fn a_purge_drops_its_group_and_nothing_else(fixture: Fixture) {
    let here = fixture.instance().await;
    let there = fixture.instance_without_process_level().await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    for (target, drops_list, drops_one, drops_other) in [
        (PurgeTarget::Everything, true, true, true),
        (PurgeTarget::Feature(Feature::Jobs), true, true, true),
        (PurgeTarget::Feature(Feature::Search), false, false, false),
        (PurgeTarget::Operation(Operation::JobsList), true, false, false),
        (PurgeTarget::Entity(Operation::JobsItem, one), false, true, false),
    ] {
        let (scope, neighbour) = (tenant(), tenant());
        there.reads(&scope, "a list").await;
        there.reads(&neighbour, "a list").await;
        there.reads_job(&scope, one).await;
        there.reads_job(&scope, other).await;
        here.purges(&scope, target).await;
        let expected = |is_dropped| if is_dropped { Outcome::Miss } else { Outcome::Hit };
        assert_eq!(there.reads(&scope, "a list").await.0, expected(drops_list), "{target}");
        assert_eq!(there.reads_job(&scope, one).await, expected(drops_one), "{target}");
        assert_eq!(there.reads_job(&scope, other).await, expected(drops_other), "{target}");
        assert_eq!(there.reads(&neighbour, "a list").await.0, Outcome::Hit, "{target}");
    }
}

pub(crate) async fn each_purge_has_a_generation_of_its_own_and_says_which(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    let target = PurgeTarget::Operation(Operation::JobsList);
    let first = here.purges(&scope, target).await;
    let second = here.purges(&scope, target).await;
    assert_eq!((first[0].0, second[0].0), (target, target));
    assert!(first[0].1 < second[0].1, "the time part grows");
    let key = format!("tenant:{{{}:jobs}}:!t:list", scope.org());
    let stored = here.service.get(&key).await.unwrap().unwrap();
    assert_eq!(stored, second[0].1.as_bytes());
}

pub(crate) async fn a_group_is_not_dropped_twice_by_its_parts(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    let targets = BTreeSet::from([
        PurgeTarget::Operation(Operation::JobsList),
        PurgeTarget::Entity(Operation::JobsItem, Uuid::now_v7()),
        PurgeTarget::Feature(Feature::Jobs),
        PurgeTarget::Operation(Operation::JobFacets),
    ]);
    let purged = here.cache.purge(&scope, &targets, PurgeMode::Hard).await.unwrap();
    let dropped: Vec<PurgeTarget> = purged.dropped.iter().map(|one| one.target).collect();
    let facets = PurgeTarget::Operation(Operation::JobFacets);
    assert_eq!(dropped, [PurgeTarget::Feature(Feature::Jobs), facets]);
    assert_eq!(here.asked.count("pipeline.evaluate"), 2);
}

pub(crate) async fn a_purge_that_fails_is_told_and_nothing_older_is_served(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    here.reads(&scope, "old").await;
    here.loses_its_way();
    let targets = BTreeSet::from([PurgeTarget::Everything]);
    let purged = here.cache.purge(&scope, &targets, PurgeMode::Hard).await;
    assert!(matches!(purged, Err(RedisError::Unavailable(_))));
    assert_eq!(here.cache.statistics().journaled, 1);
    here.way.heal();
    assert_ne!(here.reads(&scope, "new").await.1, "old");
}

pub(crate) async fn a_cursor_leads_nowhere_else(fixture: Fixture) {
    let (here, scope, neighbour) = (fixture.instance().await, tenant(), tenant());
    here.reads(&scope, "ours").await;
    here.reads(&neighbour, "theirs").await;
    let theirs = format!(">tenant:{{{}:jobs}}:list:all", neighbour.org());
    for scan in [theirs.as_str(), "*", "0 MATCH *", "-1", "\u{0}"] {
        let cursor = serde_json::json!({ "feature": 0, "scan": scan });
        let cursor: KeyCursor = serde_json::from_value(cursor).unwrap();
        let page = here.cache.list_keys(&scope, None, Some(cursor)).await;
        assert!(matches!(page, Err(RedisError::Rejected(_))), "{scan:?}: {page:?}");
    }
    // A cursor of the service's own form may be good for another walk: over our own keys.
    let cursor = serde_json::from_str(r#"{"feature":0,"scan":"0"}"#).unwrap();
    if let Ok(page) = here.cache.list_keys(&scope, None, Some(cursor)).await {
        let ours = format!("tenant:{{{}:", scope.org());
        assert!(page.keys.iter().all(|key| key.name.starts_with(&ours)), "{page:?}");
    }
    let beyond: KeyCursor = serde_json::from_str(r#"{"feature":99,"scan":""}"#).unwrap();
    let page = here.cache.list_keys(&scope, None, Some(beyond)).await.unwrap();
    assert_eq!((page.keys.len(), page.next), (0, None));
    // An organization whose name begins with another's is not it.
    let longer = tenant_named(&format!("{}b", scope.org()));
    here.reads(&longer, "theirs").await;
    let mut after = None;
    loop {
        let page = here.cache.list_keys(&scope, None, after).await.unwrap();
        let ours = format!("tenant:{{{}:", scope.org());
        assert!(page.keys.iter().all(|key| key.name.starts_with(&ours)), "{page:?}");
        after = page.next;
        if after.is_none() {
            break;
        }
    }
}
