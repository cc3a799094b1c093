//! Reads that ask the provider: nothing is kept in the process, the leases of tenant and platform are
//! warm.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use redis_provider::{ElastiCacheProvider, ElastiCacheSettings, RedisProvider, SetOptions};
use tenancy::{Feature, TenantKey};
use tenant_cache::{BatchKey, TenantCache};

use crate::Outcome;
use crate::aims::at_most;
use crate::calls::{Contender, TASKS, compare};
use crate::world::{Asked, TENANTS, World, cache, operation};

/// Of values: one that is stored as it is, and one that is compressed.
const SIZES: [usize; 2] = [1_000, 8_192];
/// Values of one tenant that are asked for at once.
const BATCH: usize = 20;
/// The limit of a call; a machine that is busy otherwise must not cut one.
const PATIENCE: Duration = Duration::from_secs(10);

type Provider = Arc<dyn RedisProvider>;

pub(crate) async fn run(address: &str) -> Outcome<()> {
    let (host, port) = address.rsplit_once(':').ok_or("the address of Redis has no port")?;
    let settings = ElastiCacheSettings {
        command_timeout: PATIENCE,
        ..ElastiCacheSettings::new(host, port.parse()?)
    };
    let provider: Provider = Arc::new(ElastiCacheProvider::connect(&settings).await?);
    // Tasks are dealt out over the ten tenants, and each has a batch of its own.
    let world = World::new(TASKS[1].div_ceil(TENANTS) * TENANTS * BATCH)?;
    for bytes in SIZES {
        let cache = cache(Arc::clone(&provider), 0);
        provider.delete_many(&keys(&world)).await?;
        world.fill(&cache, bytes).await?;
        singles(&world, &provider, &cache, bytes).await?;
        batches(&world, &provider, &cache, bytes).await?;
    }
    Ok(())
}

fn keys(world: &World) -> Vec<&str> {
    world.asked.iter().map(|asked| asked.key.as_str()).collect()
}

async fn singles(
    world: &World,
    provider: &Provider,
    cache: &TenantCache,
    bytes: usize,
) -> Outcome<()> {
    let first = world.asked.first().ok_or("there is no key")?;
    let stored = stored(provider, &first.key).await?;
    for number in 0..TASKS[1] {
        provider.set(&bare_key(number), stored.clone(), SetOptions::default()).await?;
    }
    let contenders =
        [bare(provider, stored.len()), together(world, provider), validated(world, cache, bytes)];
    let title = format!(
        "Value of {bytes} bytes, {} of them stored; beside a bare GET of as many",
        stored.len()
    );
    let ratios = compare(&title, &contenders).await?;
    let Some([alone, many]) = ratios.last() else { return Ok(()) };
    println!("\nThe validated read by the bare GET:");
    at_most("1 task", *alone, 1.15);
    at_most("many tasks", *many, 1.15);
    Ok(())
}

async fn stored(provider: &Provider, key: &TenantKey) -> Outcome<Bytes> {
    Ok(provider.get(key.as_str()).await?.ok_or("the value is not in Redis")?)
}

fn bare_key(number: usize) -> String {
    format!("bench:bare:{number}")
}

fn check(found: bool) -> Outcome<()> {
    if found { Ok(()) } else { Err("not the value that was written".into()) }
}

fn bare(provider: &Provider, length: usize) -> Contender {
    let keys: Arc<[String]> = (0..TASKS[1]).map(bare_key).collect();
    let provider = Arc::clone(provider);
    Contender::new("bare GET", move |number| {
        let (provider, keys) = (Arc::clone(&provider), Arc::clone(&keys));
        async move {
            let value = provider.get(keys.get(number).map_or("", String::as_str)).await?;
            check(value.is_some_and(|value| value.len() == length))
        }
    })
}

/// What Redis and the way to it take for the value and the generations that are asked for with it.
/// Compressed values are not all of one length.
fn together(world: &World, provider: &Provider) -> Contender {
    let (provider, asked) = (Arc::clone(provider), Arc::clone(&world.asked));
    Contender::new("bare MGET of the same keys", move |number| {
        let (provider, asked) = (Arc::clone(&provider), Arc::clone(&asked));
        async move {
            let Some(asked) = asked.get(number) else { return check(false) };
            let feature = asked.scope.feature_generation_key(Feature::Jobs);
            let keys = [asked.key.as_str(), &feature, &asked.tag_key(Feature::Jobs)];
            let found = provider.get_many(&keys).await?;
            check(found.len() == keys.len() && found.iter().all(Option::is_some))
        }
    })
}

fn validated(world: &World, cache: &TenantCache, bytes: usize) -> Contender {
    let (cache, asked) = (cache.clone(), Arc::clone(&world.asked));
    Contender::new("validated read", move |number| {
        let (cache, asked) = (cache.clone(), Arc::clone(&asked));
        async move {
            let Some(asked) = asked.get(number) else { return check(false) };
            check(asked.read(&cache, bytes).await?.len() == bytes)
        }
    })
}

/// The keys of each task's batch, all of one tenant.
fn batches_of(world: &World) -> Arc<[Vec<Asked>]> {
    let of_tenant = |task: usize| world.asked.iter().skip(task % TENANTS).step_by(TENANTS);
    (0..TASKS[1])
        .map(|task| of_tenant(task).skip(task / TENANTS * BATCH).take(BATCH).cloned().collect())
        .collect()
}

async fn batches(
    world: &World,
    provider: &Provider,
    cache: &TenantCache,
    bytes: usize,
) -> Outcome<()> {
    let batches = batches_of(world);
    let contenders = [
        bare_batch(&batches, provider),
        one_batch(&batches, cache, bytes)?,
        reads_at_once(&batches, cache, bytes),
    ];
    let title = format!("{BATCH} values of {bytes} bytes of one tenant");
    compare(&title, &contenders).await.map(drop)
}

fn bare_batch(batches: &Arc<[Vec<Asked>]>, provider: &Provider) -> Contender {
    let (provider, batches) = (Arc::clone(provider), Arc::clone(batches));
    Contender::new("bare MGET of the values", move |number| {
        let (provider, batches) = (Arc::clone(&provider), Arc::clone(&batches));
        async move {
            let batch = batches.get(number).into_iter().flatten();
            let keys: Vec<&str> = batch.map(|asked| asked.key.as_str()).collect();
            let found = provider.get_many(&keys).await?;
            check(found.len() == BATCH && found.iter().all(Option::is_some))
        }
    })
}

fn one_batch(batches: &Arc<[Vec<Asked>]>, cache: &TenantCache, bytes: usize) -> Outcome<Contender> {
    if batches.iter().any(|batch| batch.len() != BATCH) {
        return Err("there are not enough keys".into());
    }
    let (cache, batches) = (cache.clone(), Arc::clone(batches));
    Ok(Contender::new("one validated batch", move |number| {
        let (cache, batches) = (cache.clone(), Arc::clone(&batches));
        async move {
            let batch = batches.get(number).ok_or("there is no such batch")?;
            let scope = &batch.first().ok_or("a batch is empty")?.scope;
            let wanted: Vec<BatchKey> = batch.iter().map(Asked::of_batch).collect();
            let load = |_: Vec<usize>| async {
                Err::<Vec<Option<tenant_cache::Loaded<String>>>, _>(std::io::Error::other(
                    "all is cached",
                ))
            };
            let answers = cache.get_or_load_many(scope, operation(), &wanted, load).await?;
            check(
                answers.iter().flatten().filter(|answer| answer.body.len() == bytes).count()
                    == BATCH,
            )
        }
    }))
}

fn reads_at_once(batches: &Arc<[Vec<Asked>]>, cache: &TenantCache, bytes: usize) -> Contender {
    let (cache, batches) = (cache.clone(), Arc::clone(batches));
    Contender::new("as many validated reads at once", move |number| {
        let (cache, batches) = (cache.clone(), Arc::clone(&batches));
        async move {
            let batch = batches.get(number).into_iter().flatten();
            let mut reads = Vec::with_capacity(BATCH);
            for asked in batch {
                reads.push(asked.read(&cache, bytes));
            }
            let answers = try_join_all(reads).await?;
            check(answers.iter().filter(|body| body.len() == bytes).count() == BATCH)
        }
    })
}
