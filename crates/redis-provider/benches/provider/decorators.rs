//! What the decorators add to a call that costs next to nothing itself.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis_provider::{
    BreakerSettings, Budget, CircuitBreaker, GuardSettings, MemoryProvider, MemorySettings,
    Metered, RedisProvider, SetOptions, guard,
};
use tokio::task::JoinSet;

use crate::measure::median;
use crate::{Outcome, VALUE_BYTES};

/// Turns are short and many, so that most of them are not interrupted by whatever else the machine
/// has to do; the median leaves out those that are.
const CALLS: u32 = 2000;
const TURNS: usize = 400;
const KEY: &str = "bench:decorators";

pub(crate) async fn run() -> Outcome<()> {
    let memory: Arc<dyn RedisProvider> = Arc::new(MemoryProvider::new(MemorySettings::default()));
    let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
    memory.set(KEY, value, SetOptions::default()).await?;
    let inner = || Arc::clone(&memory);
    let breaker = || CircuitBreaker::new(inner(), &BreakerSettings::default());
    let stacks: [(&str, Arc<dyn RedisProvider>); 5] = [
        ("in-process adapter, bare", inner()),
        ("with breaker", Arc::new(breaker())),
        ("with meters", Arc::new(Metered::new(inner()))),
        ("with breaker and meters", Arc::new(Metered::new(Arc::new(breaker())))),
        ("with deadline, meters and breaker (`guard`)", guard(inner(), &GuardSettings::default())),
    ];
    println!(
        "\nGET of 1 KiB in the process, ns a call (median of {TURNS} turns of {CALLS} calls)\n"
    );
    println!("| | one thread | added | two threads | added |\n|---|--:|--:|--:|--:|");
    let mut nanos: Vec<[Vec<f64>; 2]> = stacks.iter().map(|_| Default::default()).collect();
    for _ in 0..TURNS {
        for ((_, provider), [alone, together]) in stacks.iter().zip(&mut nanos) {
            alone.push(nanos_a_call(provider, 1).await?);
            together.push(nanos_a_call(provider, 2).await?);
        }
    }
    let medians = nanos.iter().map(|both| both.each_ref().map(|one| median(one.iter().copied())));
    let medians: Vec<[f64; 2]> = medians.collect();
    let bare = medians.first().copied().unwrap_or([f64::NAN; 2]);
    for ((name, _), [alone, together]) in stacks.iter().zip(medians) {
        let [bare_alone, bare_together] = bare;
        println!(
            "| {name} | {alone:.0} | {:.0} | {together:.0} | {:.0} |",
            alone - bare_alone,
            together - bare_together,
        );
    }
    Ok(())
}

/// Wall time of a call in each of so many threads, each working for a request with a budget.
async fn nanos_a_call(provider: &Arc<dyn RedisProvider>, threads: u32) -> Outcome<f64> {
    let mut tasks = JoinSet::new();
    for _ in 0..threads {
        let provider = Arc::clone(provider);
        let calls = async move {
            let started = Instant::now();
            for _ in 0..CALLS {
                black_box(provider.get(black_box(KEY)).await?);
            }
            Ok::<_, redis_provider::RedisError>(started.elapsed())
        };
        tasks.spawn(Budget::new(Duration::from_secs(3600)).scope(calls));
    }
    let mut total = Duration::ZERO;
    while let Some(ended) = tasks.join_next().await {
        total += ended??;
    }
    Ok(total.as_secs_f64() * 1e9 / f64::from(CALLS * threads))
}
