//! How fast the providers are beside what they stand on, in one run: `cargo xtask bench provider`
//! starts the servers and runs this. Results and method: docs/benchmarks.md.
//!
//! What is compared runs in turns, round after round, each round beginning with another one, and
//! a ratio is the median of the rounds' ratios: on a shared machine the figures move, but those of
//! one round move together.
#![expect(clippy::print_stdout, reason = "a benchmark: its output is its result")]

mod decorators;
mod delay;
mod elasticache;
mod measure;
mod upstash;

use std::error::Error;
use std::time::Duration;

/// What a step of the benchmark ends in.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Callers at once, in all comparisons over a network.
const TASKS: usize = 64;
/// Bytes of a value.
const VALUE_BYTES: usize = 1024;
/// How often each one has its turn, and for how long.
const ROUNDS: usize = 25;
const TURN: Duration = Duration::from_millis(250);
/// The limit of a call, whoever makes it. A timer has its price, so everyone has one; but what is
/// measured is speed, and a machine that is busy otherwise must not cut a call.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Outcome<()> {
    let cores = std::thread::available_parallelism()?;
    println!("{cores} cores; load averages at the start: {}", load_averages());
    decorators::run().await?;
    match variable("PORTAL_BENCH_REDIS") {
        Some(address) => {
            let redis_benchmark = variable("PORTAL_BENCH_REDIS_BENCHMARK");
            elasticache::run(&address, redis_benchmark.as_deref()).await?;
        }
        None => println!("\nGET over RESP3: not run; `cargo xtask bench provider` does"),
    }
    match (variable("PORTAL_BENCH_UPSTASH_URL"), variable("PORTAL_BENCH_UPSTASH_TOKEN")) {
        (Some(url), Some(token)) => upstash::run(&url, &token).await?,
        _ => println!("\nGET over REST: not run; `cargo xtask bench provider` does"),
    }
    println!("\nload averages at the end: {}", load_averages());
    Ok(())
}

fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "addresses of servers, not the portal's settings"
    )]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Of the last 1, 5 and 15 minutes, where the system tells.
fn load_averages() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = text.split_whitespace().take(3).collect();
    if averages.is_empty() { "unknown".to_owned() } else { averages.join(" ") }
}
