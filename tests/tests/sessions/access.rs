//! What a change of access made by anybody does on another instance.

use std::time::Duration;

use portal_tests::portal::{Portal, Redis};
use portal_tests::servers::{OwnPostgres, OwnRedis};
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use reqwest::Method;
use serde_json::json;
use tenancy::Role;
use tokio::time::Instant;

use crate::support::{LEASE, Pair, status};

/// What requests take on a busy machine, on top of what is promised.
const SLACK: Duration = Duration::from_millis(700);

/// A change that nobody but the relay knows of: it waits until a row is a second old.
const RELAYED: Duration = Duration::from_secs(10);

/// A pair whose outbox no portal of another test empties.
async fn alone() -> (OwnPostgres, OwnRedis, Pair) {
    let (postgres, redis) = (OwnPostgres::start_new(), OwnRedis::start_new().await);
    let world = World::on(&postgres.superuser_url()).await;
    let pair = Pair::on(world, Redis::At(redis.url()), &[]).await;
    (postgres, redis, pair)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_hold_within_the_lease_where_no_message_gets_through() {
    let (_postgres, redis, pair) = alone().await;
    redis.forbids_messages().await;
    for (role, method, path) in [
        (Role::Viewer, Method::POST, "/auth/logout"),
        (Role::Recruiter, Method::DELETE, "/api/sessions"),
    ] {
        let [one, two] = pair.signs_in(role).await;
        assert_eq!((status(&one).await, status(&two).await), (200, 200));
        let ended = one.send(one.request(method, path)).await;
        assert!(ended.status.is_success(), "{path}: {}", ended.text);
        let told = Instant::now();
        assert_eq!(status(&one).await, 401, "{path}: at once where it was asked");
        eventually("the other instance lets nobody in", LEASE + SLACK, async || {
            (status(&two).await == 401).then_some(())
        })
        .await;
        assert!(told.elapsed() <= LEASE + SLACK, "{path}: {:?}", told.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_role_holds_everywhere_and_signs_nobody_out() {
    let (_postgres, _redis, pair) = alone().await;
    let browsers = pair.signs_in(Role::Admin).await;
    for browser in &browsers {
        let session = browser.get("/api/session").await.expect(200).json();
        assert_eq!(session["role"], "admin");
    }
    pair.tenant.demotes_behind_the_portal(Role::Admin, Role::Viewer).await;
    for browser in &browsers {
        eventually("the role is the new one", RELAYED, async || {
            let session = browser.get("/api/session").await.expect(200).json();
            (session["role"] == "viewer").then_some(())
        })
        .await;
        browser.post("/api/cache/warm", &json!({})).await.expect_problem(403, "forbidden");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_removed_is_out_and_whoever_is_suspended_is_told_so() {
    let (_postgres, _redis, pair) = alone().await;
    let (removed, colleague) =
        (pair.signs_in(Role::Viewer).await, pair.signs_in(Role::Owner).await);
    for browser in removed.iter().chain(&colleague) {
        assert_eq!(status(browser).await, 200);
    }
    pair.tenant.removes_behind_the_portal(Role::Viewer).await;
    for browser in &removed {
        eventually("nobody lets them in", RELAYED, async || {
            (status(browser).await == 401).then_some(())
        })
        .await;
    }
    for (is_suspended, expected) in [(true, 403), (false, 200)] {
        pair.tenant.is_suspended_behind_the_portal(is_suspended).await;
        for browser in &colleague {
            eventually("everybody knows", RELAYED, async || {
                (status(browser).await == expected).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_request_within_the_lease_asks_nobody() {
    let redis = OwnRedis::start_new().await;
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::At(redis.url())).await;
    let browser = tenant.signs_in(&portal, Role::Recruiter).await;
    assert_eq!(status(&browser).await, 200);
    let before = redis.commands_of("get").await;
    let started = Instant::now();
    let mut requests = 0_u64;
    while started.elapsed() < 3 * LEASE {
        assert_eq!(status(&browser).await, 200);
        requests += 1;
    }
    let asked = redis.commands_of("get").await - before;
    // A session and a membership a lease, and what the portal asks on its own account.
    assert!(asked <= 30, "{asked} GETs for {requests} requests in {:?}", started.elapsed());
    assert!(requests > 10 * asked, "{asked} GETs for {requests} requests");
}
