//! What the checks of session, tenant and permission add to a cached read: `cargo xtask bench
//! session` runs this. Results and method: docs/benchmarks.md.
//!
//! The same reads with and without the checks run in turns, round after round, each round beginning
//! with another one; a ratio is the median of the rounds' ratios. Times are of a processor, not of
//! the clock.
#![expect(clippy::print_stdout, reason = "a benchmark: its output is its result")]

mod aims;
mod contenders;
mod jobs;
mod ledger;
mod turns;
mod wiring;
mod world;

use std::error::Error;

/// What a step of the benchmark ends in.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[actix_web::main]
async fn main() -> Outcome<()> {
    let cores = std::thread::available_parallelism()?;
    println!("{cores} cores; load averages at the start: {}", load_averages());
    contenders::run().await?;
    println!("\nload averages at the end: {}", load_averages());
    Ok(())
}

/// Of the last 1, 5 and 15 minutes, where the system tells.
fn load_averages() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = text.split_whitespace().take(3).collect();
    if averages.is_empty() { "unknown".to_owned() } else { averages.join(" ") }
}
