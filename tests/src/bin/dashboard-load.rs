//! How good the cache is on a dashboard: `cargo xtask bench dashboard` starts the servers and runs
//! this. The load: `portal_tests::dashboard`; results: docs/benchmarks.md.
#![expect(clippy::print_stdout, reason = "a measurement: its output is its result")]

use std::process::ExitCode;
use std::time::Instant;

use portal_tests::dashboard::{Dashboard, PLAN, Report, VISITORS, Writes};

/// What is written: of five kinds of writes on a dashboard (edit a job, move an application, apply,
/// follow, post) one is to a job; and the hardest case, in which all are.
const WRITES: [(u8, u8); 6] = [(1, 5), (5, 5), (10, 5), (1, 1), (5, 1), (10, 1)];
/// Requests of each run, and those before it that are not counted.
const REQUESTS: u64 = 24_000;
const WARM_UP: u64 = 4_000;
/// Requests before everything, so that little is asked for the first time afterwards: a portal
/// that has been up for a day has no such reads but of what nobody ever asked for.
const FILLING: u64 = 60_000;

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
    for (percent, one_to_a_job_of) in WRITES {
        let began = Instant::now();
        let writes = Writes { percent, one_to_a_job_of };
        let report = dashboard.runs(writes, WARM_UP, REQUESTS).await;
        let rate = (WARM_UP + REQUESTS) / began.elapsed().as_secs().max(1);
        println!("{report}{rate} requests a second\n");
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
