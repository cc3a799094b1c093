//! How often somebody may ask, over all instances.

use std::time::{Duration, Instant};

use portal_tests::client::{Answer, Browser};
use portal_tests::portal::{Portal, Redis};
use portal_tests::servers::OwnRedis;
use portal_tests::tenant::World;
use reqwest::Method;
use serde_json::json;
use tenancy::Role;

/// Limits that a test reaches soon; addresses are what `X-Forwarded-For` says.
const SMALL: [(&str, &str); 6] = [
    ("PORTAL__RATE_LIMITS__ENABLED", "true"),
    ("PORTAL__RATE_LIMITS__USER_PER_MINUTE", "40"),
    ("PORTAL__RATE_LIMITS__ADDRESS_PER_MINUTE", "60"),
    ("PORTAL__RATE_LIMITS__SIGN_IN_PER_MINUTE", "8"),
    ("PORTAL__RATE_LIMITS__SYNC_INTERVAL_MS", "20"),
    ("PORTAL__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
];

async fn from(browser: &Browser, address: &str, path: &str) -> Answer {
    browser.send(browser.request(Method::GET, path).header("X-Forwarded-For", address)).await
}

/// How many of `asked` requests are answered; all others are 429.
async fn answered(browser: &Browser, address: &str, path: &str, asked: usize) -> usize {
    let mut count = 0;
    for _ in 0..asked {
        let answer = from(browser, address, path).await;
        if answer.status == 429 {
            answer.expect_problem(429, "too_many_requests");
            let wait: u64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
            assert!(answer.header("ratelimit").contains(";r=0;"), "{}", answer.header("ratelimit"));
        } else {
            count += 1;
        }
    }
    count
}

/// Asks from ever new addresses, so that only the person's own limit counts.
async fn answered_to_person(browser: &Browser, network: u8, asked: u8) -> u8 {
    let mut count = 0;
    for host in 0..asked {
        let address = format!("198.51.{network}.{host}");
        count += u8::from(from(browser, &address, "/api/session").await.status == 200);
    }
    count
}

#[tokio::test]
async fn two_instances_share_a_persons_limit() {
    let world = World::shared().await;
    let one = Portal::spawn_with(&world.databases, Redis::Shared, &SMALL).await;
    let two = Portal::spawn_with(&world.databases, Redis::Shared, &SMALL).await;
    let tenant = world.tenant().await;
    let owner = tenant.signs_in(&one, Role::Owner).await;
    let started = Instant::now();
    let first = answered_to_person(&owner, 1, 60).await;
    // The second instance learns of it with its own first report.
    let at_two = owner.at(two.base_url());
    let mut second = answered_to_person(&at_two, 2, 3).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    second += answered_to_person(&at_two, 3, 60).await;
    let came_back = u8::try_from(started.elapsed().as_secs() * 40 / 60 + 2).unwrap();
    assert!(first >= 39, "{first} at the first");
    let both = first + second;
    assert!(both <= 40 + 3 + came_back, "{first} and {second} in {:?}", started.elapsed());
    // Somebody else of the same organization is not concerned.
    let admin = tenant.signs_in(&two, Role::Admin).await;
    assert_eq!(from(&admin, "198.51.4.1", "/api/session").await.status, 200);
}

#[tokio::test]
async fn sign_ins_of_an_address_are_exact_over_instances() {
    let world = World::shared().await;
    let one = Portal::spawn_with(&world.databases, Redis::Shared, &SMALL).await;
    let two = Portal::spawn_with(&world.databases, Redis::Shared, &SMALL).await;
    let host: u16 = rand::random();
    let address = format!("2001:db8:{host:x}:1::7");
    let mut count = 0;
    for portal in [&one, &two].into_iter().cycle().take(30) {
        let path = "/auth/login?returnTo=/jobs";
        count += answered(&portal.browser(), &address, path, 1).await;
    }
    assert!((8..=9).contains(&count), "{count}");
    // The whole network of 64 bits is one subscriber, and another one is not concerned.
    let neighbour = format!("2001:db8:{host:x}:1:ffff::1");
    assert_eq!(answered(&two.browser(), &neighbour, "/auth/login", 3).await, 0);
    let other = format!("2001:db8:{host:x}:2::7");
    assert_eq!(answered(&two.browser(), &other, "/auth/login", 3).await, 3);
    // What is no sign-in has a limit of its own.
    assert_eq!(answered(&one.browser(), &address, "/api/openapi.json", 3).await, 3);
}

#[tokio::test]
async fn strangers_are_counted_before_their_session_is_looked_up() {
    let world = World::shared().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &SMALL).await;
    let stranger = portal.browser();
    let address = "203.0.113.9";
    let first = from(&stranger, address, "/api/jobs").await;
    first.expect_problem(401, "unauthenticated");
    assert_eq!(first.header("ratelimit-policy"), "\"address\";q=60;w=60");
    assert_eq!(first.header("ratelimit"), "\"address\";r=59;t=1");
    let count = answered(&stranger, address, "/api/jobs", 80).await;
    assert!((59..=61).contains(&count), "{count}");
    for path in ["/live", "/ready", "/health", "/api/docs/"] {
        let is_counted = path.starts_with("/api/");
        assert_eq!(from(&stranger, address, path).await.status == 429, is_counted, "{path}");
    }
    // What a client says about its address counts only from a proxy of ours.
    let believed = from(&stranger, "203.0.113.10, 203.0.113.9", "/api/jobs").await;
    assert_eq!(believed.status, 429);
}

#[tokio::test]
async fn without_redis_limits_hold_in_each_instance() {
    let redis = OwnRedis::start_new().await;
    let world = World::shared().await;
    let portal = Portal::spawn_with(&world.databases, Redis::At(redis.url()), &SMALL).await;
    redis.dies().await;
    let count = answered(&portal.browser(), "203.0.113.9", "/auth/login", 20).await;
    assert!((8..=9).contains(&count), "neither refused nor unlimited: {count}");
}

#[tokio::test]
async fn limits_are_told_and_can_be_turned_off() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &SMALL).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let told = from(&owner, "203.0.113.9", "/api/session").await.expect(200);
    let policy = told.header("ratelimit-policy");
    assert_eq!(policy, "\"address\";q=60;w=60, \"user\";q=40;w=60, \"tenant\";q=12000;w=60");
    let body = json!({ "feature": "jobs" });
    let request = owner.request(Method::DELETE, "/api/cache/invalidate").json(&body);
    let _ = owner.send(request.header("X-Forwarded-For", "203.0.113.9")).await.expect(200);
    let off = Portal::spawn(&world.databases, Redis::Memory).await;
    let silent = tenant.signs_in(&off, Role::Owner).await.get("/api/session").await.expect(200);
    assert_eq!(silent.header("ratelimit"), "");
}
