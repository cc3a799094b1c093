//! Faults of a REST service and of what stands before it.

use std::time::Duration;

use portal_tests::drill::{Bounds, Drill, Late, Report, in_time};
use portal_tests::servers::OwnUpstash;
use tokio::time::Instant;

use super::{BEYOND, CALM};

/// The longest that an open circuit waits before a call is let through, and that call itself.
const HALF_OPEN: Duration = Duration::from_millis(240 + 250);
/// What a service asks for by `Retry-After: 1`, with the most jitter.
const RETRY_AFTER: Duration = Duration::from_millis(1_200 + 250);
/// The test's stand-in for the end of the period, with the most jitter.
const QUOTA_RESET: Duration = Duration::from_millis(2_400 + 250);

/// Breaks the service with `fault` for four seconds.
async fn drill(name: &str, fault: &str, settings: &[(&str, &str)], bounds: Bounds) {
    in_time(async || attempt(name, fault, settings, bounds).await).await;
}

async fn attempt(
    name: &str,
    fault: &str,
    settings: &[(&str, &str)],
    bounds: Bounds,
) -> Result<(), Late> {
    let upstash = OwnUpstash::start_new().await;
    let drill = Drill::set_up(upstash.as_redis(), settings).await;
    let load = drill.begins();
    load.runs_for(CALM).await;

    let began = Instant::now();
    upstash.fails_with(fault).await;
    load.runs_for(Duration::from_secs(4)).await;
    upstash.is_mended().await;
    let over = Instant::now();
    load.is_well_again().await;

    let openings = load.openings();
    let report = Report::of(name, &load.stops().await, &openings, began, over);
    let verdict = report.judge(bounds);
    drill.nothing_is_stale().await;
    drill.everybody_is_signed_in().await;
    verdict
}

const fn opens(half_open: Duration) -> Bounds {
    Bounds {
        opens_within: Some(Duration::from_secs(1)),
        recovers_within: half_open.saturating_add(BEYOND),
    }
}

#[tokio::test]
async fn every_request_answered_with_500() {
    drill("Upstash 500", "status-500", &[], opens(HALF_OPEN)).await;
}

#[tokio::test]
async fn every_request_answered_with_429() {
    drill("Upstash 429", "status-429", &[], opens(RETRY_AFTER)).await;
}

#[tokio::test]
async fn the_quota_used_up() {
    // The period of a real quota is a day or a month; the portal asks again once a minute.
    let settings = [("PORTAL__REDIS__BREAKER_QUOTA_OPEN_MS", "2000")];
    drill("Upstash quota", "quota-daily", &settings, opens(QUOTA_RESET)).await;
}

#[tokio::test]
async fn pages_of_html_from_a_proxy() {
    drill("Upstash HTML 502", "html-502", &[], opens(HALF_OPEN)).await;
}

#[tokio::test]
async fn answers_that_come_drop_by_drop() {
    drill("Upstash slow drip", "slow-drip", &[], opens(HALF_OPEN)).await;
}

#[tokio::test]
async fn no_answers_at_all() {
    drill("Upstash hangs", "hang", &[], opens(HALF_OPEN)).await;
}

#[tokio::test]
async fn answers_and_streams_cut() {
    drill("Upstash streams cut", "cut-stream", &[], opens(HALF_OPEN)).await;
}
