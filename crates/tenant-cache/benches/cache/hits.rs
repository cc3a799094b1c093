//! Hits in the process: the store beside two caches that are known to be fast.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use tenancy::{Evidence, Feature, OrgId, TenantId, TenantKey, TenantScope};
use tenant_cache::testing::{Ready, Store};
use uuid::Uuid;

use crate::Outcome;
use crate::threads::{Contender, compare};

/// Of a key, as the longer ones of the portal have.
const KEY_BYTES: usize = 80;
/// Of a value; a hit does not touch them.
const VALUE_BYTES: usize = 1024;
/// More than any number of entries that is measured takes.
const CAPACITY: usize = 1 << 30;

pub(crate) fn run() -> Outcome<()> {
    for count in [1000, 100_000, 1] {
        let world = World::new(count)?;
        let contenders =
            [a_map(&world), quick_cache(&world), moka(&world), store(&world), store_bytes(&world)];
        let title = format!("Hit in the process, {count} keys of {KEY_BYTES} bytes");
        compare(&title, &contenders, count);
    }
    Ok(())
}

/// What is asked for: keys of ten tenants.
struct World {
    keys: Arc<[(OrgId, TenantKey)]>,
}

impl World {
    fn new(count: usize) -> Outcome<Self> {
        let orgs: Vec<OrgId> =
            (0..10).map(|number| format!("org_{number:016}").parse()).collect::<Result<_, _>>()?;
        let keys = orgs.iter().cycle().zip(0..count).map(|(org, number)| {
            let scope = scope(org);
            let start = scope.key(Feature::Jobs, "list").part("all").part("0").part("20");
            let length = start.clone().part("").build().as_str().len() - 1;
            let rest = KEY_BYTES.saturating_sub(length);
            (org.clone(), start.part(&format!("{number:0rest$}")).build())
        });
        let keys: Arc<[_]> = keys.collect();
        match keys.iter().find(|(_, key)| key.as_str().len() != KEY_BYTES) {
            Some((_, key)) => Err(format!("{key} has not {KEY_BYTES} bytes").into()),
            None => Ok(Self { keys }),
        }
    }

    /// One whose turn is a call for each key of an order.
    fn contender<R>(
        &self,
        name: &str,
        get: impl Fn(&TenantKey) -> Option<R> + Send + Sync + 'static,
    ) -> Contender {
        let keys = Arc::clone(&self.keys);
        Contender::new(name, move |order| {
            let mut hits = 0;
            for index in order {
                let key = keys.get(*index).map(|(_, key)| key);
                hits += usize::from(key.and_then(|key| black_box(get(black_box(key)))).is_some());
            }
            hits
        })
    }

    fn entries(&self) -> impl Iterator<Item = (&OrgId, &TenantKey, Bytes)> {
        self.keys.iter().map(|(org, key)| (org, key, Bytes::from(vec![b'x'; VALUE_BYTES])))
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

/// What no cache can be faster than by much: a map that cannot change.
fn a_map(world: &World) -> Contender {
    let map: std::collections::HashMap<Box<str>, Arc<Ready>, foldhash::fast::RandomState> = world
        .entries()
        .map(|(_, key, value)| (key.as_str().into(), Arc::new(Ready(value))))
        .collect();
    world.contender("a map that nobody changes", move |key| map.get(key.as_str()).cloned())
}

fn quick_cache(world: &World) -> Contender {
    let cache = quick_cache::sync::Cache::<Box<str>, Arc<Ready>>::new(1 << 20);
    for (_, key, value) in world.entries() {
        cache.insert(key.as_str().into(), Arc::new(Ready(value)));
    }
    world.contender("quick_cache 0.7, raw get", move |key| cache.get(key.as_str()))
}

fn moka(world: &World) -> Contender {
    let cache = moka::sync::Cache::<Box<str>, Arc<Ready>>::new(1 << 20);
    for (_, key, value) in world.entries() {
        cache.insert(key.as_str().into(), Arc::new(Ready(value)));
    }
    world.contender("moka 0.12, raw get", move |key| cache.get(key.as_str()))
}

fn filled(world: &World) -> Store {
    let store = Store::new(CAPACITY);
    for (org, key, value) in world.entries() {
        store.put(org, key, value);
    }
    store
}

fn store(world: &World) -> Contender {
    let store = filled(world);
    world.contender("our store, the value", move |key| store.get(key))
}

fn store_bytes(world: &World) -> Contender {
    let store = filled(world);
    world.contender("our store, the value's bytes", move |key| store.bytes(key))
}
