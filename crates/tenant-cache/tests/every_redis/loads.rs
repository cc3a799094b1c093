//! One load for all who wait, and none that outlives an invalidation.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tenancy::TenantScope;
use tenant_cache::{CachedAnswer, Loaded, Operation, Outcome, TenantCache};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::fixture::{Fixture, eventually, tenant};
use crate::instance::{CHANGED, an, page_key, told};

pub(crate) async fn a_load_that_began_before_an_invalidation_is_never_served_after_it(
    fixture: Fixture,
) {
    let here = fixture.instance_without_process_level().await;
    let there = fixture.instance_without_process_level().await;
    let (scope, go_on) = (tenant(), Arc::new(Notify::new()));
    let slow = reader_in_a_slow_load(&here.cache, &scope, &go_on).await;
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();

    // A reader after the write does not join the load from before it…
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Miss, "new"));
    go_on.notify_one();
    assert_eq!(told(&slow.await.unwrap()).1, "old");
    // …and the old value, though stored last, is served by no instance.
    let key = page_key(&scope, "all");
    eventually("the old value is stored last", async || {
        let stored = here.stored(&key).await;
        stored.is_some_and(|bytes| String::from_utf8_lossy(&bytes).ends_with("\"old\""))
    })
    .await;
    let late = here.stored(&key).await.unwrap();
    for reader in [&here, &there] {
        here.puts(&key, late.clone()).await;
        assert_eq!(reader.reads(&scope, "newer").await.1, "newer");
        eventually("the newer one is stored", async || {
            here.stored(&key).await != Some(late.clone())
        })
        .await;
    }
}

pub(crate) async fn a_writer_reads_its_write_while_the_service_is_away(fixture: Fixture) {
    let (here, scope) = (fixture.instance_without_process_level().await, tenant());
    here.loses_its_way();
    let go_on = Arc::new(Notify::new());
    let slow = reader_in_a_slow_load(&here.cache, &scope, &go_on).await;
    assert!(here.cache.invalidate(&scope, CHANGED, None).await.is_err());
    assert_eq!(here.reads(&scope, "new").await.1, "new");
    go_on.notify_one();
    assert_eq!(told(&slow.await.unwrap()).1, "old");
}

pub(crate) async fn a_thousand_readers_of_a_cold_key_load_once(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    let loads = Arc::new(AtomicUsize::new(0));
    let tasks = TaskTracker::new();
    let readers: Vec<_> = (0..1_000)
        .map(|_| {
            let (cache, scope, loads) = (here.cache.clone(), scope.clone(), Arc::clone(&loads));
            tasks.spawn(async move {
                let load = move || async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    Ok::<_, io::Error>(Some(Loaded::new("one")))
                };
                let key = page_key(&scope, "all");
                cache.get_or_load(&scope, Operation::JobsList, key, &[], load).await
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(told(&reader.await.unwrap().unwrap().unwrap()).1, "one");
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

pub(crate) async fn a_reader_who_goes_away_does_not_take_the_load_along(fixture: Fixture) {
    let (here, scope) = (fixture.instance().await, tenant());
    let go_on = Arc::new(Notify::new());
    let first = reader_in_a_slow_load(&here.cache, &scope, &go_on).await;
    first.abort();
    go_on.notify_one();
    assert_eq!(here.reads(&scope, "from the second").await.1, "old");
}

/// A reader in a load that has begun and goes on when it is told to; it will answer "old".
async fn reader_in_a_slow_load(
    cache: &TenantCache,
    scope: &TenantScope,
    go_on: &Arc<Notify>,
) -> tokio::task::JoinHandle<CachedAnswer> {
    let started = Arc::new(Notify::new());
    let reader = {
        let (cache, scope) = (cache.clone(), scope.clone());
        let (started, go_on) = (Arc::clone(&started), Arc::clone(go_on));
        TaskTracker::new().spawn(async move {
            let load = move || async move {
                started.notify_one();
                go_on.notified().await;
                Ok::<_, io::Error>(Some(Loaded::new("old")))
            };
            let key = page_key(&scope, "all");
            cache.get_or_load(&scope, Operation::JobsList, key, &[], load).await.unwrap().unwrap()
        })
    };
    started.notified().await;
    reader
}
