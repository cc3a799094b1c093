//! How fast the cache is beside what it could have been built from: `cargo xtask bench cache` starts
//! the server and runs this. Results and method: docs/benchmarks.md.
//!
//! What is compared runs in turns, round after round, each round beginning with another one, and a
//! ratio is the median of the rounds' ratios: on a shared machine the figures move, but those of one
//! round move together.
#![expect(clippy::print_stdout, reason = "a benchmark: its output is its result")]

mod aims;
mod calls;
mod forms;
mod hits;
mod provider;
mod threads;
mod world;

use std::error::Error;

/// What a step of the benchmark ends in.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let cores = std::thread::available_parallelism()?;
    println!("{cores} cores; load averages at the start: {}", load_averages());
    if is_wanted("provider") {
        match variable("PORTAL_BENCH_REDIS") {
            Some(address) => provider::run(&address).await?,
            None => println!("\nReads from the provider: not run; `cargo xtask bench cache` does"),
        }
    }
    if is_wanted("forms") {
        forms::run()?;
    }
    if is_wanted("hits") {
        hits::run().await?;
    }
    println!("\nload averages at the end: {}", load_averages());
    Ok(())
}

/// Whether tables of this kind are to be made: those that are named as arguments, or all.
fn is_wanted(kind: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let first = named.next();
    first.as_deref().is_none_or(|first| first == kind) || named.any(|other| other == kind)
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
