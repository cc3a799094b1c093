//! How good the cache is on a dashboard: `cargo xtask bench dashboard` starts the servers and runs
//! this. The load: `portal_tests::dashboard`; results: docs/benchmarks.md.
#![expect(clippy::print_stdout, reason = "a measurement: its output is its result")]

use std::process::ExitCode;

use portal_tests::dashboard::{Dashboard, PLAN, Report, VISITORS};

/// Shares of writes, in percent.
const WRITES: [u8; 3] = [1, 5, 10];
/// Requests of each run, and those before it that are not counted.
const REQUESTS: u64 = 12_000;
const WARM_UP: u64 = 2_000;
/// Requests before everything, so that little is asked for the first time afterwards.
const FILLING: u64 = 16_000;

#[tokio::main]
async fn main() -> ExitCode {
    let dashboard = Dashboard::set_up().await;
    println!(
        "{} jobs in {} tenants, {} people signed in, {VISITORS} at a time; {REQUESTS} requests \
         a run\n",
        PLAN.jobs,
        PLAN.tenants,
        dashboard.people(),
    );
    dashboard.fills(FILLING).await;
    let mut reports = Vec::new();
    for percent in WRITES {
        let report = dashboard.runs(percent, WARM_UP, REQUESTS).await;
        println!("{report}");
        reports.push(report);
    }
    println!("{}", Report::HEAD);
    for report in &reports {
        println!("{}", report.row());
    }
    let contradictions: Vec<String> = reports.iter().filter_map(Report::contradiction).collect();
    for contradiction in &contradictions {
        println!("\nwrong: {contradiction}");
    }
    if contradictions.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
