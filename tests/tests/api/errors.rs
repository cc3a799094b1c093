//! What every answer carries, good or bad.

use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use tenancy::Role;

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_a_request_id() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    for path in ["/api/jobs", "/api/nothing", "/api/jobs?unknown=1", "/live", "/api/openapi.json"] {
        let answer = recruiter.get(path).await;
        for name in ["x-request-id", "content-security-policy", "referrer-policy"] {
            assert!(!answer.header(name).is_empty(), "{path} lacks {name}");
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("server").is_empty(), "{path}");
    }
    let problem = recruiter.get("/api/nothing").await;
    assert_eq!(problem.json()["request_id"], problem.header("x-request-id"));
    assert_eq!(problem.json()["instance"], "/api/nothing");
    let private = recruiter.get("/api/jobs").await.header("cache-control");
    assert!(private.contains("private") || private.contains("no-store"), "{private}");
}

#[tokio::test]
async fn the_document_describes_every_route_and_the_page_shows_it() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let browser = portal.browser();
    let document = browser.get("/api/openapi.json").await.expect(200).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in ["/api/jobs", "/api/jobs/{id}", "/api/jobs/stats/overview", "/auth/login"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let page = browser.get("/api/docs/").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
}
