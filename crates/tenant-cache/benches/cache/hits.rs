//! Hits in the process: the whole of one, and the store alone, beside two caches that are known to be
//! fast.

use std::hint::black_box;
use std::sync::Arc;

use redis_provider::{MemoryProvider, MemorySettings};
use tenant_cache::testing::{Ready, Store};

use crate::Outcome;
use crate::aims::{at_least, at_most};
use crate::threads::{Contender, Figures, compare};
use crate::world::{Asked, CAPACITY, KEY_BYTES, VALUE_BYTES, World, cache};

/// The place of the whole hit among the contenders.
const WHOLE: usize = 0;

pub(crate) async fn run() -> Outcome<()> {
    for count in [1000, 100_000, 1] {
        let world = World::new(count)?;
        let contenders = [
            whole(&world).await?,
            store(&world),
            store_bytes(&world),
            a_map(&world),
            quick_cache(&world),
            moka(&world),
        ];
        let title = format!("Hit in the process, {count} keys of {KEY_BYTES} bytes");
        let figures = compare(&title, &contenders, count);
        if let Some(whole) = figures.get(WHOLE) {
            print_aims(whole);
        }
    }
    Ok(())
}

fn print_aims(whole: &Figures) {
    println!("\nThe whole hit:");
    at_most("ns with the checks of tenant and generations, 1 thread", whole.nanos, 112.0);
    at_most("allocations a call", whole.allocations, 0.0);
    at_most("time of 2 threads by that of 1", whole.two_by_one, 1.2);
    at_least("throughput of 16 threads by that of 2", whole.many_by_two, 0.9);
}

/// One whose turn is a call for each key of an order.
fn contender<R>(
    world: &World,
    name: &str,
    get: impl Fn(&Asked) -> Option<R> + Send + Sync + 'static,
) -> Contender {
    let asked = Arc::clone(&world.asked);
    Contender::new(name, move |order| {
        let mut hits = 0;
        for index in order {
            let answer = asked.get(*index).and_then(|asked| black_box(get(black_box(asked))));
            hits += usize::from(answer.is_some());
        }
        hits
    })
}

/// As a request is answered: tenant, age and generations are checked, the hit is counted, and the
/// answer has references to the body and its tag.
async fn whole(world: &World) -> Outcome<Contender> {
    let settings = MemorySettings { max_bytes: CAPACITY, ..MemorySettings::default() };
    let cache = cache(Arc::new(MemoryProvider::new(settings)), CAPACITY);
    world.fill(&cache, VALUE_BYTES).await?;
    Ok(contender(world, "our cache, the whole hit", move |asked| {
        cache.cached(&asked.scope, &asked.key)
    }))
}

/// What no cache can be faster than by much: a map that cannot change.
fn a_map(world: &World) -> Contender {
    let map: std::collections::HashMap<Box<str>, Arc<Ready>, foldhash::fast::RandomState> = world
        .entries()
        .map(|(_, key, value)| (key.as_str().into(), Arc::new(Ready(value))))
        .collect();
    contender(world, "a map that nobody changes", move |asked| map.get(asked.key.as_str()).cloned())
}

fn quick_cache(world: &World) -> Contender {
    let cache = quick_cache::sync::Cache::<Box<str>, Arc<Ready>>::new(1 << 20);
    for (_, key, value) in world.entries() {
        cache.insert(key.as_str().into(), Arc::new(Ready(value)));
    }
    contender(world, "quick_cache 0.7, raw get", move |asked| cache.get(asked.key.as_str()))
}

fn moka(world: &World) -> Contender {
    let cache = moka::sync::Cache::<Box<str>, Arc<Ready>>::new(1 << 20);
    for (_, key, value) in world.entries() {
        cache.insert(key.as_str().into(), Arc::new(Ready(value)));
    }
    contender(world, "moka 0.12, raw get", move |asked| cache.get(asked.key.as_str()))
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
    contender(world, "our store alone, the value", move |asked| store.get(&asked.key))
}

fn store_bytes(world: &World) -> Contender {
    let store = filled(world);
    contender(world, "our store alone, the value's bytes", move |asked| store.bytes(&asked.key))
}
