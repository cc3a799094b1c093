//! The cache as its users see it: fast, fresh after a write, on every instance.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::bufread::GzDecoder;
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use serde_json::json;
use tenancy::Role;

#[tokio::test]
async fn a_list_is_a_miss_then_a_hit_with_one_entity_tag() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let _ = recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
    let first = recruiter.get("/api/jobs").await.expect(200);
    let second = recruiter.get("/api/jobs").await.expect(200);
    assert_eq!((first.header("x-cache"), second.header("x-cache")), ("miss".into(), "hit".into()));
    assert!(second.header("age").parse::<u64>().is_ok());
    assert_eq!(first.text, second.text);
    assert_eq!(first.header("etag"), second.header("etag"));

    let request = recruiter
        .request(reqwest::Method::GET, "/api/jobs")
        .header("If-None-Match", second.header("etag"));
    let unchanged = recruiter.send(request).await.expect(304);
    assert!(unchanged.text.is_empty());

    // People with the same view share the entry; others do not.
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    assert_eq!(admin.get("/api/jobs").await.header("x-cache"), "hit");
    let viewer = tenant.signs_in(&portal, Role::Viewer).await;
    assert_eq!(viewer.get("/api/jobs").await.header("x-cache"), "miss");
}

#[tokio::test]
async fn who_takes_gzip_is_sent_it_and_the_others_are_not() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    for number in 0..5 {
        let job = job::titled(&format!("Nurse {number}"));
        let _ = recruiter.post("/api/jobs", &job).await.expect(201);
    }
    let plain = recruiter.get("/api/jobs").await.expect(200);
    let get = || recruiter.request(reqwest::Method::GET, "/api/jobs");
    let coded = get().header("Accept-Encoding", "br;q=0.1, gzip").send().await.unwrap();
    let header = |name: &str| coded.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("x-cache"), "hit", "one entry for both forms");
    assert_eq!(header("content-encoding"), "gzip");
    assert_eq!(header("vary"), "Accept-Encoding, Cookie, Authorization");
    assert_eq!(header("etag"), plain.header("etag").trim_end_matches('"').to_owned() + "-gzip\"");
    let etag = header("etag");
    let body = coded.bytes().await.unwrap();
    assert!(body.len() * 10 <= plain.text.len() * 9);
    let mut inflated = String::new();
    GzDecoder::new(&body[..]).read_to_string(&mut inflated).unwrap();
    assert_eq!(inflated, plain.text);

    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(plain.header("vary"), "Accept-Encoding, Cookie, Authorization");
    for known in [etag, plain.header("etag")] {
        let request = get().header("Accept-Encoding", "gzip").header("If-None-Match", &known);
        let unchanged = recruiter.send(request).await.expect(304);
        assert_eq!(unchanged.header("etag"), known);
    }
    // A part of a page is made for this caller, and not compressed for one.
    let part = recruiter.request(reqwest::Method::GET, "/api/jobs?fields=id");
    let part = part.header("Accept-Encoding", "gzip");
    assert_eq!(recruiter.send(part).await.expect(200).header("content-encoding"), "");
}

#[tokio::test]
async fn a_write_through_one_instance_is_seen_through_the_other_at_once() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let one = Portal::spawn(&world.databases, Redis::Shared).await;
    let two = Portal::spawn(&world.databases, Redis::Shared).await;
    let at_one = tenant.signs_in(&one, Role::Recruiter).await;
    // One session, both instances.
    let at_two = at_one.at(two.base_url());

    let created = at_one.post("/api/jobs", &job::titled("Before")).await.expect(201);
    let path = created.header("location");
    for list in ["/api/jobs", "/api/jobs/stats/overview", "/api/jobs/facets", path.as_str()] {
        let _ = at_one.get(list).await.expect(200);
        assert_eq!(at_two.get(list).await.expect(200).header("x-cache"), "hit", "{list}");
    }
    let changed = at_one.patch(&path, &created.header("etag"), &json!({ "title": "After" })).await;
    let _ = changed.expect(200);
    eventually("the other instance shows the change", Duration::from_secs(1), async || {
        let list = at_two.get("/api/jobs").await.expect(200);
        let item = at_two.get(&path).await.expect(200);
        (list.text.contains("After") && item.text.contains("After")).then_some(())
    })
    .await;
    // The writer never sees the old one.
    assert!(at_one.get("/api/jobs").await.text.contains("After"));
}

#[tokio::test]
async fn every_write_is_followed_by_a_miss_and_the_new_value() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let path = owner.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
    for (action, body, status) in [
        ("publish", json!({}), "published"),
        ("pause", json!({}), "paused"),
        ("toggle", json!({}), "published"),
        ("close", json!({ "reason": "filled" }), "closed"),
        ("reopen", json!({}), "published"),
        ("pause", json!({}), "paused"),
        ("archive", json!({}), "archived"),
        ("reopen", json!({}), "draft"),
    ] {
        let _ = owner.get("/api/jobs").await.expect(200);
        let _ = owner.post(&format!("{path}/{action}"), &body).await.expect(200);
        let list = owner.get("/api/jobs").await.expect(200);
        assert_eq!(list.header("x-cache"), "miss", "after {action}");
        assert_eq!(list.json()["data"][0]["status"], status, "after {action}");
        assert_eq!(owner.get(&path).await.json()["status"], status, "after {action}");
    }
    let etag = owner.get(&path).await.header("etag");
    let request = owner.request(reqwest::Method::DELETE, &path).header("If-Match", etag);
    let _ = owner.send(request).await.expect(204);
    assert_eq!(owner.get("/api/jobs").await.json()["data"], json!([]));
}

#[tokio::test]
async fn another_tenants_writes_leave_our_entries_alone() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let our_recruiter = ours.signs_in(&portal, Role::Recruiter).await;
    let their_recruiter = theirs.signs_in(&portal, Role::Recruiter).await;
    let _ = our_recruiter.get("/api/jobs").await.expect(200);
    let _ = their_recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
    let list = our_recruiter.get("/api/jobs").await.expect(200);
    assert_eq!((list.header("x-cache").as_str(), &list.json()["data"]), ("hit", &json!([])));
}

#[tokio::test]
async fn a_thousand_readers_of_a_cold_list_make_one_query() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let recruiter = Arc::new(tenant.signs_in(&portal, Role::Recruiter).await);
    let _ = recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
    let before = cache_misses(&recruiter).await;
    let readers = (0..1_000).map(|_| recruiter.get("/api/jobs?sort=title"));
    let answers = futures_util::future::join_all(readers).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.text == answers[0].text));
    let hits = answers.iter().filter(|answer| answer.header("x-cache") == "hit").count();
    let misses = cache_misses(&recruiter).await - before;
    // Readers that waited for the one load count as misses; what they shared is one query, which
    // the statistics of Postgres cannot show per test, so the cache's own figure is asked.
    assert!(hits < 1_000 && misses >= 1, "{hits} hits, {misses} misses");
    let loads = portal_loads(&recruiter).await;
    assert_eq!(loads, 1, "one load of the list");
}

/// Misses so far, from the health document.
async fn cache_misses(browser: &portal_tests::client::Browser) -> u64 {
    browser.get("/health/cache").await.expect(200).json()["stats"]["misses"].as_u64().unwrap()
}

/// Loads so far, from the health document.
async fn portal_loads(browser: &portal_tests::client::Browser) -> u64 {
    browser.get("/health/cache").await.expect(200).json()["stats"]["loads"].as_u64().unwrap()
}
