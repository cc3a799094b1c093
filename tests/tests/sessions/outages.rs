//! Redis killed, paused, restarted empty, with Postgres away as well.

use std::time::Duration;

use portal_tests::client::Browser;
use portal_tests::portal::{AS_DELIVERED, Redis};
use portal_tests::servers::{OwnPostgres, OwnRedis};
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use serde_json::json;
use tenancy::Role;
use tokio::time::Instant;

use crate::support::{LEASE, Pair, is_signed_out_soon, status};

const RECOVERY: Duration = Duration::from_secs(20);

/// Asks for a while; every answer must be that somebody is signed in.
async fn stays_signed_in(browsers: &[Browser], during: Duration) {
    let end = Instant::now() + during;
    while Instant::now() < end {
        for browser in browsers {
            let answer = browser.get("/api/session").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks for a while; nobody may be let in.
async fn stays_signed_out(browsers: &[Browser], during: Duration) {
    let end = Instant::now() + during;
    while Instant::now() < end {
        for browser in browsers {
            assert_eq!(status(browser).await, 401, "a session that had ended is alive");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn signs_out(browser: &Browser) {
    let _ = browser.post("/auth/logout", &json!({})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_and_back_empty() {
    let redis = OwnRedis::start_new().await;
    let pair = Pair::over(Redis::At(redis.url()), &AS_DELIVERED).await;
    let stays = pair.signs_in(Role::Recruiter).await;
    let goes_before = pair.signs_in(Role::Viewer).await;
    let goes_meanwhile = pair.signs_in(Role::Admin).await;
    stays_signed_in(&goes_before, Duration::from_millis(100)).await;
    signs_out(&goes_before[0]).await;
    is_signed_out_soon(&goes_before[1], "the other instance").await;
    let port = redis.port();
    redis.dies().await;

    stays_signed_in(&stays, 2 * LEASE).await;
    stays_signed_out(&goes_before, LEASE).await;
    signs_out(&goes_meanwhile[0]).await;
    assert_eq!(status(&goes_meanwhile[0]).await, 401);
    is_signed_out_soon(&goes_meanwhile[1], "without a message").await;
    let signs_in_meanwhile = pair.signs_in(Role::Owner).await;
    stays_signed_in(&signs_in_meanwhile, Duration::from_millis(100)).await;

    let _redis = OwnRedis::start_on(port).await;
    stays_signed_in(&stays, 2 * LEASE).await;
    stays_signed_in(&signs_in_meanwhile, Duration::from_millis(100)).await;
    for gone in [&goes_before, &goes_meanwhile] {
        stays_signed_out(gone, LEASE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_paused_for_three_seconds() {
    let redis = OwnRedis::start_new().await;
    let pair = Pair::over(Redis::At(redis.url()), &AS_DELIVERED).await;
    let stays = pair.signs_in(Role::Recruiter).await;
    let goes = pair.signs_in(Role::Viewer).await;
    stays_signed_in(&goes, Duration::from_millis(100)).await;
    redis.pauses();
    let paused = Instant::now();
    stays_signed_in(&stays, LEASE).await;
    // Redis keeps its copy of this session, and hears of the end only when it goes on.
    signs_out(&goes[0]).await;
    assert_eq!(status(&goes[0]).await, 401);
    is_signed_out_soon(&goes[1], "without a message").await;
    tokio::time::sleep_until(paused + Duration::from_secs(3)).await;
    redis.goes_on();
    stays_signed_out(&goes, 3 * LEASE).await;
    stays_signed_in(&stays, 2 * LEASE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_away_is_503_and_nobody_is_signed_out() {
    let (redis, postgres) = (OwnRedis::start_new().await, OwnPostgres::start_new());
    let world = World::on(&postgres.superuser_url()).await;
    let pair = Pair::on(world, Redis::At(redis.url()), &AS_DELIVERED).await;
    let stays = pair.signs_in(Role::Recruiter).await;
    let goes = pair.signs_in(Role::Viewer).await;
    stays_signed_in(&goes, Duration::from_millis(100)).await;
    signs_out(&goes[0]).await;
    is_signed_out_soon(&goes[1], "the other instance").await;

    // Both instances have seen the session while the ledger could confirm it.
    stays_signed_in(&stays, 2 * LEASE).await;

    postgres.stops();
    stays_signed_in(&stays, 2 * LEASE).await;
    stays_signed_out(&goes, Duration::from_millis(200)).await;
    let port = redis.port();
    redis.dies().await;
    tokio::time::sleep(LEASE).await;
    for browser in stays.iter().chain(&goes) {
        for _ in 0..3 {
            let answer = browser.get("/api/session").await;
            if answer.status != 401 || stays.iter().any(|one| std::ptr::eq(one, browser)) {
                answer.expect_problem(503, "unavailable");
                assert!(!answer.header("retry-after").is_empty());
            }
        }
    }

    let _redis = OwnRedis::start_on(port).await;
    postgres.starts();
    eventually("people are let in again", RECOVERY, async || {
        let mut statuses = Vec::new();
        for browser in &stays {
            statuses.push(status(browser).await);
        }
        assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
        statuses.iter().all(|status| *status == 200).then_some(())
    })
    .await;
    stays_signed_in(&stays, LEASE).await;
    for browser in &goes {
        eventually("it can be told again", RECOVERY, async || {
            let status = status(browser).await;
            assert_ne!(status, 200, "a session that had ended is alive");
            (status == 401).then_some(())
        })
        .await;
    }
    stays_signed_out(&goes, LEASE).await;
}
