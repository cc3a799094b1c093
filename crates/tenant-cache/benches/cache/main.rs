//! How fast the cache is beside what it could have been built from: `cargo xtask bench cache`.
//! Results and method: docs/benchmarks.md.
//!
//! What is compared runs in turns, round after round, each round beginning with another one, and a
//! ratio is the median of the rounds' ratios: on a shared machine the figures move, but those of one
//! round move together.
#![expect(clippy::print_stdout, reason = "a benchmark: its output is its result")]

mod hits;
mod threads;

use std::error::Error;

/// What a step of the benchmark ends in.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let cores = std::thread::available_parallelism()?;
    println!("{cores} cores; load averages at the start: {}", load_averages());
    hits::run()?;
    println!("\nload averages at the end: {}", load_averages());
    Ok(())
}

/// Of the last 1, 5 and 15 minutes, where the system tells.
fn load_averages() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = text.split_whitespace().take(3).collect();
    if averages.is_empty() { "unknown".to_owned() } else { averages.join(" ") }
}
