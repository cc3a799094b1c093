//! Ten thousand readers of one cold key, over four instances.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tenancy::TenantScope;
use tenant_cache::{CacheSettings, Loaded, Operation};
use tokio::sync::Barrier;
use tokio_util::task::TaskTracker;

use crate::fixture::{Fixture, Kind, tenant};
use crate::instance::{Instance, page_key, told};

const READERS: usize = 10_000;
const INSTANCES: usize = 4;

/// About what a query takes.
const LOAD: Duration = Duration::from_millis(30);

/// Past this an instance does not wait for another one's load any more, but loads by itself: what a
/// machine that is busy with other things makes of ten thousand readers proves nothing.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn ten_thousand_misses_on_four_instances_are_one_load(fixture: Fixture) {
    let instances = instances(&fixture, CacheSettings::default()).await;
    for _ in 0..10 {
        let counted =
            || instances.iter().map(|one| one.cache.statistics().total.loads).sum::<u64>();
        let (before, began) = (counted(), Instant::now());
        let loads = stampede(&instances, &tenant()).await;
        let took = began.elapsed();
        println!("{:?}: {READERS} readers, {loads} loads, {took:?}", fixture.kind());
        if loads == 1 || took < PATIENCE {
            assert_eq!(loads, 1);
            assert_eq!(counted() - before, 1, "so they say themselves");
            return;
        }
    }
    panic!("the machine is too busy for {READERS} readers");
}

pub(crate) async fn without_the_service_each_instance_loads_once(fixture: Fixture) {
    // While nobody can be asked, a load is shared for the lease. It is longer here because a busy
    // machine takes more than a second to let all of the readers read.
    let settings = CacheSettings { lease: Duration::from_secs(20), ..CacheSettings::default() };
    let fixture = fixture.of_its_own().await;
    let instances = instances(&fixture, settings).await;
    // They have seen it well.
    for instance in &instances {
        instance.reads(&tenant(), "before").await;
    }
    if fixture.kind() == Kind::Memory {
        instances.iter().for_each(Instance::loses_its_way);
    } else {
        fixture.server().is_killed().await;
    }
    let began = Instant::now();
    let loads = stampede(&instances, &tenant()).await;
    println!("{:?}: {READERS} readers, {loads} loads, {:?}", fixture.kind(), began.elapsed());
    assert!((1..=INSTANCES).contains(&loads), "{loads} loads");
}

async fn instances(fixture: &Fixture, settings: CacheSettings) -> Vec<Instance> {
    let mut instances = Vec::new();
    for _ in 0..INSTANCES {
        instances.push(fixture.instance_with(settings).await);
    }
    instances
}

/// Everybody reads at once, and is answered; how many loads that took.
async fn stampede(instances: &[Instance], scope: &TenantScope) -> usize {
    let (loads, start) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(READERS)));
    let tasks = TaskTracker::new();
    let readers: Vec<_> = (0..READERS)
        .map(|number| {
            let cache = instances[number % instances.len()].cache.clone();
            let (scope, loads, start) = (scope.clone(), Arc::clone(&loads), Arc::clone(&start));
            tasks.spawn(async move {
                let load = move || async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(LOAD).await;
                    Ok::<_, io::Error>(Some(Loaded::new("value")))
                };
                let key = page_key(&scope, "all");
                start.wait().await;
                let answer = cache.get_or_load(&scope, Operation::JobsList, key, &[], load).await;
                told(&answer.expect("no error").expect("a value")).1
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), "value");
    }
    loads.load(Ordering::SeqCst)
}
