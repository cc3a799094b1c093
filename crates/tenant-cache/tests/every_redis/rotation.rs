//! Replacing the key while everybody reads and writes, in the steps that `portal cache rotate-keys`
//! prints.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tenancy::{Clock as _, EventKind, SystemClock, TenantScope};
use tenant_cache::{Loaded, Operation};
use tokio::sync::RwLock;
use tokio_util::task::TaskTracker;

use crate::fixture::{Fixture, eventually, tenant};
use crate::instance::Instance;
use crate::sealing::{NEW, OLD, key, sealed_with};

const VALUES: usize = 40;

/// How long an unread value lives that is sealed with the old key.
const SHORT_LIFE: Duration = Duration::from_secs(3);

/// The rings of a rotation: the new key behind the old one, then in front of it, then alone.
fn steps() -> [String; 4] {
    [OLD.to_owned(), format!("{OLD},{NEW}"), format!("{NEW},{OLD}"), NEW.to_owned()]
}

/// Reads the value of a number, which is the number.
async fn reads(instance: &Instance, scope: &TenantScope, value: usize, loads: &Arc<AtomicUsize>) {
    let (key, loads) = (key(scope, &value.to_string()), Arc::clone(loads));
    let load = move || async move {
        loads.fetch_add(1, Ordering::Relaxed);
        Ok::<_, io::Error>(Some(Loaded::new(value)))
    };
    let answer = instance.cache.get_or_load(scope, Operation::SealedProbe, key, &[], load).await;
    assert_eq!(answer.expect("no error").expect("a value").body, value.to_string());
}

async fn wait_until_stored(instance: &Instance, scope: &TenantScope) {
    for value in 0..VALUES {
        instance.waits_until_stored(&key(scope, &value.to_string())).await;
    }
}

/// Whether every value is sealed with the new key.
async fn all_are_new(instance: &Instance, scope: &TenantScope) -> bool {
    for value in 0..VALUES {
        let stored = instance.stored(&key(scope, &value.to_string())).await;
        if stored.is_some_and(|stored| sealed_with(&stored) != "new") {
            return false;
        }
    }
    true
}

/// Readers go on while the instances are rolled, and both releases serve for a while.
pub(crate) async fn rotating_the_key_costs_no_miss_and_seals_everything_anew(fixture: Fixture) {
    let (scope, loads) = (tenant(), Arc::new(AtomicUsize::new(0)));
    let mut previous = fixture.instance_with_keys(OLD).await;
    for keys in steps() {
        let rolled = fixture.instance_with_keys(&keys).await;
        for instance in [&previous, &rolled, &rolled] {
            for value in 0..VALUES {
                reads(instance, &scope, value, &loads).await;
            }
            wait_until_stored(instance, &scope).await;
        }
        previous.cache.drain().await;
        assert_eq!(rolled.cache.refused_values().unknown_key, 0);
        previous = rolled;
    }
    assert_eq!(loads.load(Ordering::Relaxed), VALUES, "each was loaded once, and never again");
    for value in 0..VALUES {
        let stored = previous.stored(&key(&scope, &value.to_string())).await.unwrap();
        assert_eq!(sealed_with(&stored), "new");
    }
}

/// Instances that are rolled one by one, and what their users count.
struct Rolling {
    places: Vec<RwLock<Arc<Instance>>>,
    /// Nobody writes here: nothing is to be loaded twice.
    quiet: TenantScope,
    quiet_loads: Arc<AtomicUsize>,
    /// Somebody always writes here.
    busy: TenantScope,
    busy_loads: Arc<AtomicUsize>,
    is_over: AtomicBool,
}

impl Rolling {
    async fn user(&self, number: usize) -> usize {
        let mut reads_made = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            let round = reads_made + number;
            let instance = Arc::clone(&*self.places[round % self.places.len()].read().await);
            reads(&instance, &self.quiet, round % VALUES, &self.quiet_loads).await;
            reads(&instance, &self.busy, round % VALUES, &self.busy_loads).await;
            reads_made += 1;
        }
        reads_made
    }

    async fn writer(&self) {
        for round in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let instance = Arc::clone(&*self.places[round % self.places.len()].read().await);
            let written = instance.cache.invalidate(&self.busy, EventKind::TenantSuspended, None);
            written.await.expect("no error");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Replaces each instance; the old one finishes what it has begun.
    async fn rolls(&self, fixture: &Fixture, keys: &str) {
        for place in &self.places {
            let rolled = Arc::new(fixture.instance_with_keys(keys).await);
            let old = std::mem::replace(&mut *place.write().await, rolled);
            assert_eq!(old.cache.refused_values().unknown_key, 0, "before {keys}");
            tokio::time::sleep(Duration::from_millis(100)).await;
            old.cache.drain().await;
        }
    }
}

pub(crate) async fn rotating_the_key_under_load_fails_nobody(fixture: Fixture) {
    let [old, behind, in_front, alone] = steps();
    let mut places = Vec::new();
    for _ in 0..3 {
        places.push(RwLock::new(Arc::new(fixture.instance_with_keys(&old).await)));
    }
    let rolling = Arc::new(Rolling {
        places,
        quiet: tenant(),
        quiet_loads: Arc::default(),
        busy: tenant(),
        busy_loads: Arc::default(),
        is_over: AtomicBool::new(false),
    });
    let here = fixture.instance_with_keys(&old).await;
    for value in 0..VALUES {
        reads(&here, &rolling.quiet, value, &rolling.quiet_loads).await;
    }
    wait_until_stored(&here, &rolling.quiet).await;

    let (tasks, mut users) = (TaskTracker::new(), Vec::new());
    for number in 0..8 {
        let rolling = Arc::clone(&rolling);
        users.push(tasks.spawn(async move { rolling.user(number * 5).await }));
    }
    let writer = Arc::clone(&rolling);
    let writer = tasks.spawn(async move { writer.writer().await });

    let unread = sealed_and_never_read(&here).await;
    rolling.rolls(&fixture, &behind).await;
    rolling.rolls(&fixture, &in_front).await;
    // What is read is sealed anew at once; what nobody reads has gone when its time is over.
    eventually("every value is sealed with the new key", async || {
        all_are_new(&here, &rolling.quiet).await
            && all_are_new(&here, &rolling.busy).await
            && all_are_new(&here, &unread).await
    })
    .await;
    rolling.rolls(&fixture, &alone).await;
    tokio::time::sleep(Duration::from_millis(200)).await;

    rolling.is_over.store(true, Ordering::Relaxed);
    writer.await.expect("a writer without an error");
    let mut reads_made = 0;
    for user in users {
        reads_made += user.await.expect("a reader without an error");
    }
    for place in &rolling.places {
        assert_eq!(place.read().await.cache.refused_values().unknown_key, 0);
    }
    let loads = rolling.busy_loads.load(Ordering::Relaxed);
    println!("{:?}: {reads_made} reads a tenant, {loads} loads after writes", fixture.kind());
    assert_eq!(rolling.quiet_loads.load(Ordering::Relaxed), VALUES, "each was loaded once");
    assert!(loads > VALUES, "somebody wrote");
}

/// Values under the old key that live for a moment.
async fn sealed_and_never_read(instance: &Instance) -> TenantScope {
    let scope = tenant();
    let last = SystemClock.now() + SHORT_LIFE;
    for value in 0..VALUES {
        let key = key(&scope, &value.to_string());
        let load =
            move || async move { Ok::<_, io::Error>(Some(Loaded::until(value, Some(last)))) };
        let operation = Operation::SealedProbe;
        let answer = instance.cache.get_or_load(&scope, operation, key, &[], load).await;
        let _loaded = answer.expect("no error").expect("a value");
    }
    wait_until_stored(instance, &scope).await;
    assert!(!all_are_new(instance, &scope).await);
    scope
}
