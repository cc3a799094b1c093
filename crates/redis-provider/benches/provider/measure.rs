//! Turns, rounds, medians and the table they end in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use redis_provider::RedisError;
use tokio::task::JoinSet;

use crate::{Outcome, ROUNDS, TURN};

/// What came of one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Time of the processors that this process used for a call, where it is known.
    pub(crate) processor: Option<Duration>,
}

/// One of those that are compared.
pub(crate) struct Contender {
    name: String,
    turn: Box<dyn Fn() -> BoxFuture<'static, Outcome<Sample>>>,
}

impl Contender {
    pub(crate) fn new(
        name: impl Into<String>,
        turn: impl Fn() -> BoxFuture<'static, Outcome<Sample>> + 'static,
    ) -> Self {
        Self { name: name.into(), turn: Box::new(turn) }
    }

    /// One whose turn is calls by so many tasks at once; each is given its task's number.
    pub(crate) fn of_calls<C, F>(name: impl Into<String>, tasks: usize, call: C) -> Self
    where
        C: Fn(usize) -> F + Clone + Send + 'static,
        F: Future<Output = Result<(), RedisError>> + Send + 'static,
    {
        Self::new(name, move || Box::pin(call_at_once(tasks, call.clone())))
    }
}

/// A call that fails ends the benchmark: an error may be faster than an answer.
async fn call_at_once<C, F>(callers: usize, call: C) -> Outcome<Sample>
where
    C: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), RedisError>> + Send + 'static,
{
    let (is_over, started) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let used = processor_time();
    let mut tasks = JoinSet::new();
    for number in 0..callers {
        let (call, is_over) = (call.clone(), Arc::clone(&is_over));
        tasks.spawn(async move {
            let mut durations = Vec::with_capacity(4096);
            while !is_over.load(Ordering::Relaxed) {
                let started = Instant::now();
                call(number).await?;
                durations.push(started.elapsed());
            }
            Ok::<_, RedisError>(durations)
        });
    }
    tokio::time::sleep(TURN).await;
    is_over.store(true, Ordering::Relaxed);
    let mut durations = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        durations.append(&mut ended??);
    }
    let (elapsed, used) = (started.elapsed(), processor_time().zip(used));
    durations.sort_unstable();
    let count = u32::try_from(durations.len())?;
    Ok(Sample {
        per_second: f64::from(count) / elapsed.as_secs_f64(),
        p50: percentile(&durations, 50),
        p99: percentile(&durations, 99),
        processor: used.map(|(after, before)| after.saturating_sub(before) / count.max(1)),
    })
}

/// What the threads of this process have used so far; only Linux tells to the nanosecond.
fn processor_time() -> Option<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanos += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanos))
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}

/// Lets everyone have a turn in each round, and prints a table. Ratios are to the one of that
/// number.
pub(crate) async fn compare(
    title: &str,
    contenders: &[Contender],
    reference: usize,
) -> Outcome<Vec<f64>> {
    let mut samples: Vec<Vec<Sample>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for offset in 0..contenders.len() {
            let turn = (round + offset) % contenders.len();
            let (Some(contender), Some(samples)) = (contenders.get(turn), samples.get_mut(turn))
            else {
                continue;
            };
            let sample = (contender.turn)().await?;
            // The first round is for connections and caches to warm up.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let of_reference = samples.get(reference).cloned().unwrap_or_default();
    println!("\n{title}\n");
    println!("| | calls/s, median (range) | ratio | p50 ms | p99 ms | client CPU, us a call |");
    println!("|---|--:|--:|--:|--:|--:|");
    let mut ratios = Vec::new();
    for (contender, samples) in contenders.iter().zip(&samples) {
        let ratio = median(
            samples.iter().zip(&of_reference).map(|(one, other)| one.per_second / other.per_second),
        );
        print_row(&contender.name, samples, ratio);
        ratios.push(ratio);
    }
    Ok(ratios)
}

fn print_row(name: &str, samples: &[Sample], ratio: f64) {
    let rates = || samples.iter().map(|sample| sample.per_second);
    let millis = |pick: fn(&Sample) -> Duration| {
        median(samples.iter().map(|sample| pick(sample).as_secs_f64() * 1000.0))
    };
    let processor = samples.iter().filter_map(|sample| sample.processor);
    let processor = median(processor.map(|time| time.as_secs_f64() * 1e6));
    let processor = if processor.is_nan() { "-".to_owned() } else { format!("{processor:.1}") };
    println!(
        "| {name} | {:.0} ({:.0} to {:.0}) | {ratio:.2} | {:.2} | {:.2} | {processor} |",
        median(rates()),
        rates().fold(f64::INFINITY, f64::min),
        rates().fold(0.0, f64::max),
        millis(|sample| sample.p50),
        millis(|sample| sample.p99),
    );
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
