//! Postgres or Redis away: what still works, what is said, and that all is well afterwards.

mod secrets;

use std::time::Duration;

use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::servers::OwnPostgres;
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use tenancy::Role;

const SOON: Duration = Duration::from_secs(15);

#[tokio::test]
async fn without_postgres_cached_reads_go_on_and_the_rest_says_when_to_come_back() {
    let postgres = OwnPostgres::start_new();
    let world = World::on(&postgres.superuser_url()).await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let path = recruiter.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
    for cached in ["/api/jobs", path.as_str(), "/api/jobs/stats/overview"] {
        let _ = recruiter.get(cached).await.expect(200);
    }

    postgres.stops();
    eventually("the portal notices", SOON, async || {
        (recruiter.get("/ready").await.json()["status"] == "degraded").then_some(())
    })
    .await;
    let _ = recruiter.get("/ready").await.expect(200);
    for cached in ["/api/jobs", path.as_str(), "/api/jobs/stats/overview"] {
        assert_eq!(recruiter.get(cached).await.expect(200).header("x-cache"), "hit", "{cached}");
    }
    for uncached in ["/api/jobs?status=draft", "/api/jobs/facets"] {
        let answer = recruiter.get(uncached).await;
        answer.expect_problem(503, "unavailable");
        assert!(!answer.header("retry-after").is_empty(), "{uncached}");
    }
    let write = recruiter.post("/api/jobs", &job::nurse()).await;
    write.expect_problem(503, "unavailable");

    postgres.starts();
    eventually("all is well again", SOON, async || {
        let is_ready = recruiter.get("/ready").await.json()["status"] == "ready";
        let answers = recruiter.get("/api/jobs?status=draft").await.status == 200;
        (is_ready && answers).then_some(())
    })
    .await;
    let _ = recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
}

#[tokio::test]
async fn a_portal_that_starts_before_postgres_waits_for_it() {
    let postgres = OwnPostgres::start_new();
    let world = World::on(&postgres.superuser_url()).await;
    postgres.stops();
    let portal = Portal::start(&world.databases, Redis::Memory, &[]).await;
    let client = portal_tests::client::http();
    let ready = format!("{}/ready", portal.base_url());
    eventually("it answers, and is not ready", SOON, async || {
        let response = client.get(&ready).send().await.ok()?;
        (response.status() == 503).then_some(())
    })
    .await;
    // Nobody has seen yet whether the database keeps tenants apart.
    let session = client.get(format!("{}/api/session", portal.base_url())).send().await.unwrap();
    assert_eq!(session.status(), 503);
    assert!(session.headers().contains_key("retry-after"));
    postgres.starts();
    eventually("it is ready", SOON, async || {
        let response = client.get(&ready).send().await.ok()?;
        response.status().is_success().then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_that_a_crash_cut_off_is_made_up_for() {
    // A database of its own: the relays of other tests' portals would take the row, and those
    // have other Redis services.
    let postgres = OwnPostgres::start_new();
    let world = World::on(&postgres.superuser_url()).await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let path =
        recruiter.post("/api/jobs", &job::titled("Old")).await.expect(201).header("location");
    let _ = recruiter.get("/api/jobs").await.expect(200);
    let cached = recruiter.get("/api/jobs").await.expect(200);
    assert_eq!(cached.header("x-cache"), "hit");
    assert!(cached.text.contains("Old"));
    // The change happens in the database, with its outbox row, while nobody tells the cache.
    tenant.renames_job_behind_the_cache(&path, "New").await;
    eventually("the relay has repeated the invalidation", SOON, async || {
        recruiter.get("/api/jobs").await.text.contains("New").then_some(())
    })
    .await;
}
