//! What live notifications cost: `cargo xtask bench events` starts the servers and runs this. The
//! load: `portal_tests::live_load`; results: docs/benchmarks.md.
#![expect(clippy::print_stdout, reason = "a measurement: its output is its result")]

use std::process::ExitCode;
use std::time::Instant;

use portal_tests::live_load::LiveLoad;
use portal_tests::live_load::processes::{load_averages, machine};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let begun = Instant::now();
    println!("{}; load averages {}", machine(), load_averages());
    let load = LiveLoad::set_up().await;
    println!("set up in {} s\n", begun.elapsed().as_secs());
    let report = load.runs().await;
    println!("{report}");
    println!("{} s in all; load averages {}", begun.elapsed().as_secs(), load_averages());
    let contradictions = report.contradictions();
    for contradiction in &contradictions {
        println!("wrong: {contradiction}");
    }
    if contradictions.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
