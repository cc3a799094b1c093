//! What a server holds of one tenant, counted and listed.

use std::collections::BTreeSet;
use std::time::Duration;

use tenancy::{Feature, TenantScope};
use tenant_cache::{KeyKind, Operation, Outcome, PurgeTarget};
use uuid::Uuid;

use crate::fixture::{Fixture, tenant, tenant_named};
use crate::instance::{Instance, page_key};

const PAGES: usize = 1_200;

pub(crate) async fn a_server_is_counted_and_listed_by_tenant(fixture: Fixture) {
    let fixture = fixture.of_its_own().await;
    let (here, scope) = (fixture.instance().await, tenant());
    let (neighbour, job) = (tenant_named(&format!("{}b", scope.org())), Uuid::now_v7());
    for page in 0..PAGES {
        assert_eq!(here.answer(&scope, &page.to_string(), "a list").await.outcome, Outcome::Miss);
    }
    here.answer(&neighbour, "1", "a list").await;
    here.reads_job(&scope, job).await;
    here.reads_job(&scope, Uuid::now_v7()).await;
    here.waits_until_stored(&page_key(&neighbour, "1")).await;

    estimates_count_without_dropping(&here, &scope, job).await;
    keys_are_the_tenants_own_with_sizes_and_times(&here, &scope).await;
    a_status_has_the_tenants_figures_and_the_servers(&here, &scope).await;

    here.loses_its_way();
    let targets = BTreeSet::from([PurgeTarget::Everything]);
    let estimate = here.cache.estimate(&scope, &targets).await;
    assert_eq!((estimate.entries, estimate.is_complete), (0, false));
    assert_eq!(here.cache.status(&scope).await.server, None);
}

async fn estimates_count_without_dropping(here: &Instance, scope: &TenantScope, job: Uuid) {
    let pages = u64::try_from(PAGES).unwrap();
    for (target, expected) in [
        (PurgeTarget::Everything, pages + 2),
        (PurgeTarget::Feature(Feature::Jobs), pages + 2),
        (PurgeTarget::Feature(Feature::Search), 0),
        (PurgeTarget::Operation(Operation::JobsList), pages),
        (PurgeTarget::Entity(Operation::JobsItem, job), 1),
    ] {
        let estimate = here.cache.estimate(scope, &BTreeSet::from([target])).await;
        assert_eq!((estimate.entries, estimate.is_complete), (expected, true), "{target}");
    }
    assert_eq!(here.answer(scope, "1", "never").await.outcome, Outcome::Hit);
}

async fn keys_are_the_tenants_own_with_sizes_and_times(here: &Instance, scope: &TenantScope) {
    let ours = format!("tenant:{{{}:jobs}}:", scope.org());
    let (longest, shortest) = (Duration::from_secs(900), Duration::from_secs(60));
    let (mut values, mut generations, mut pages) = (BTreeSet::new(), BTreeSet::new(), 0);
    let mut after = None;
    loop {
        let page = here.cache.list_keys(scope, None, after).await.unwrap();
        pages += 1;
        for entry in page.keys {
            assert!(entry.name.starts_with(&ours), "{}", entry.name);
            assert!(entry.bytes.unwrap() > 0);
            match entry.kind {
                KeyKind::Value => {
                    let left = entry.expires_in.unwrap();
                    assert!((shortest..=longest).contains(&left), "{left:?}");
                    values.insert(entry.name);
                }
                KeyKind::Generation => {
                    assert_eq!(entry.expires_in, None);
                    generations.insert(entry.name);
                }
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // Of the feature, of the lists, and of the two jobs.
    assert_eq!((values.len(), generations.len()), (PAGES + 2, 4));
    assert!(pages >= 3, "{pages}");
    let searched = here.cache.list_keys(scope, Some(Feature::Search), None).await;
    assert_eq!(searched.unwrap().keys, []);
}

async fn a_status_has_the_tenants_figures_and_the_servers(here: &Instance, scope: &TenantScope) {
    let status = here.cache.status(scope).await;
    let lists = status.tenant.iter().find(|(operation, _)| *operation == Operation::JobsList);
    let (_, figures) = lists.unwrap();
    assert_eq!((figures.hits, figures.misses), (1, u64::try_from(PAGES).unwrap()));
    assert_eq!(status.process.total.misses, figures.misses + 3);
    let server = status.server.unwrap();
    // Of the platform, of each tenant and of each tenant's feature: those live for ever.
    assert_eq!(server.keys_without_ttl, Some(5));
    assert!(server.used_memory_bytes.is_none_or(|bytes| bytes > 0));
}
