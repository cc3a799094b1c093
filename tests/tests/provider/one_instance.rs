//! One instance.

use portal_tests::environment;
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::json;
use tenancy::Role;

#[tokio::test]
async fn the_health_document_names_the_provider_that_was_chosen() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let health = portal.browser().get("/health/cache").await.expect(200).json();
    let (provider, backend) = match environment::staged_provider().as_deref() {
        Some("memory") => ("memory", "memory"),
        Some("upstash") => ("upstash", "upstash"),
        _ => ("elasticache", "redis"),
    };
    assert_eq!(health["provider"], provider, "{health}");
    assert_eq!(health["backend"], backend, "{health}");
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(health["stats"]["redis_available"], json!(provider != "memory"), "{health}");
    for circuit in ["reads", "writes"] {
        assert_eq!(health["breaker"][circuit], "closed", "{health}");
    }
}

#[tokio::test]
async fn a_session_lasts_over_requests_and_ends_with_the_sign_out() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    for _ in 0..3 {
        let session = recruiter.get("/api/session").await.expect(200).json();
        assert_eq!(session["organization"]["id"], tenant.org.as_str());
    }
    let signed_out = recruiter.post("/auth/logout", &json!({})).await;
    assert!(signed_out.status.is_success() || signed_out.status.is_redirection());
    recruiter.get("/api/session").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn values_are_cached_and_a_write_drops_what_it_changes_and_nothing_else() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let recruiter = ours.signs_in(&portal, Role::Recruiter).await;
    let stranger = theirs.signs_in(&portal, Role::Recruiter).await;
    let created = recruiter.post("/api/jobs", &job::titled("Zürich 東京")).await.expect(201);
    let path = created.header("location");
    let other = recruiter.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
    let cached = ["/api/jobs", "/api/jobs/stats/overview", "/api/jobs/facets", &path, &other];
    for outcome in ["miss", "hit"] {
        for page in cached {
            let answer = recruiter.get(page).await.expect(200);
            assert_eq!(answer.header("x-cache"), outcome, "{page}");
        }
        let _ = stranger.get("/api/jobs").await.expect(200);
    }
    assert!(recruiter.get(&path).await.text.contains("Zürich 東京"), "text comes back as it was");

    let change = json!({ "title": "After" });
    let changed = recruiter.patch(&path, &created.header("etag"), &change).await.expect(200);
    assert!(!changed.header("etag").is_empty());
    for page in ["/api/jobs", &path] {
        let answer = recruiter.get(page).await.expect(200);
        assert_eq!(answer.header("x-cache"), "miss", "{page}");
        assert!(answer.text.contains("After"), "{page}");
    }
    assert_eq!(recruiter.get(&other).await.header("x-cache"), "hit", "another job");
    assert_eq!(stranger.get("/api/jobs").await.header("x-cache"), "hit", "another tenant");
}

#[tokio::test]
async fn a_large_answer_comes_back_from_the_cache_byte_for_byte() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let description = "Ünïcode \u{1f980} \"quoted\" \\ back\n".repeat(500);
    let mut body = job::nurse();
    body["description"] = json!(description);
    let path = recruiter.post("/api/jobs", &body).await.expect(201).header("location");
    let loaded = recruiter.get(&path).await.expect(200);
    let cached = recruiter.get(&path).await.expect(200);
    assert_eq!((loaded.header("x-cache"), cached.header("x-cache")), ("miss".into(), "hit".into()));
    assert!(loaded.text.len() > 10_000, "{} bytes", loaded.text.len());
    assert_eq!(loaded.text, cached.text);
    assert_eq!(loaded.header("etag"), cached.header("etag"));
}
