//! Turns of requests, and the table that they end in.

use std::sync::Arc;
use std::time::Duration;

use redis_provider::testing::RecordingRedis;
use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;

/// Turns of each contender; one more to warm up.
pub(crate) const ROUNDS: usize = 150;

/// What is told of one of those that are compared.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The number of the one that it is a ratio to.
    pub(crate) base: usize,
    pub(crate) redis: Arc<RecordingRedis>,
}

/// What one turn came to.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Time of a processor for a request.
    micros: f64,
    requests: f64,
    redis_calls: f64,
}

/// The turns of all contenders, in the order of their rows.
pub(crate) struct Turns {
    rows: Vec<Row>,
    samples: Vec<Vec<Sample>>,
}

impl Turns {
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        let samples = rows.iter().map(|_| Vec::new()).collect();
        Self { rows, samples }
    }

    /// Whose turns they are, in this order: each round begins with another one.
    pub(crate) fn order(&self, round: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.rows.len();
        (0..count).map(move |offset| (round + offset) % count)
    }

    /// To be called before a turn.
    pub(crate) fn begin(&self, contender: usize) {
        if let Some(row) = self.rows.get(contender) {
            row.redis.reset();
        }
    }

    /// Notes a turn of so many requests. The first round is to warm up.
    pub(crate) fn end(&mut self, round: usize, contender: usize, requests: u32, micros: f64) {
        let (Some(row), Some(samples)) =
            (self.rows.get(contender), self.samples.get_mut(contender))
        else {
            return;
        };
        if round > 0 {
            let requests = f64::from(requests);
            let calls = u32::try_from(row.redis.calls()).unwrap_or(u32::MAX);
            let (micros, redis_calls) = (micros / requests, f64::from(calls));
            samples.push(Sample { micros, requests, redis_calls });
        }
    }

    /// Prints the table; answers each one's ratio to its base.
    pub(crate) fn print(&self, title: &str) -> Outcome<Vec<f64>> {
        println!("\n{title}; median of {ROUNDS} turns\n");
        println!("| | us a request | added, us | ratio | calls of Redis a request |");
        println!("|---|--:|--:|--:|--:|");
        let mut ratios = Vec::new();
        for (number, (row, samples)) in self.rows.iter().zip(&self.samples).enumerate() {
            let base = self.samples.get(row.base).ok_or("there is no such base")?;
            let pairs = || samples.iter().zip(base);
            let micros = median(samples.iter().map(|sample| sample.micros));
            let ratio = median(pairs().map(|(this, that)| this.micros / that.micros));
            let added = median(pairs().map(|(this, that)| this.micros - that.micros));
            let requests: f64 = samples.iter().map(|sample| sample.requests).sum();
            let calls: f64 = samples.iter().map(|sample| sample.redis_calls).sum();
            let added = if row.base == number { String::new() } else { format!("{added:.2}") };
            let (name, calls) = (row.name, calls / requests);
            println!("| {name} | {micros:.2} | {added} | {ratio:.2} | {calls:.4} |");
            ratios.push(ratio);
        }
        println!();
        Ok(ratios)
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Time of a processor that this thread has used, us.
pub(crate) fn thread_micros() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let time = Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default());
    time.as_secs_f64() * 1e6
}
