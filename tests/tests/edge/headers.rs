//! Headers that every answer has, whatever it is.

use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use reqwest::Method;
use tenancy::Role;

#[tokio::test]
async fn every_answer_has_the_headers_of_safety() {
    let world = World::shared().await;
    let https = [("PORTAL_BASE_URL", "https://portal.example.com")];
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let public = Portal::spawn_with(&world.databases, Redis::Memory, &https).await;
    let owner = world.tenant().await.signs_in(&portal, Role::Owner).await;
    let answers = [
        ("a success", owner.get("/api/session").await, 200),
        ("a document", owner.get("/api/docs/").await, 200),
        ("health", owner.get("/live").await, 200),
        ("a redirect", portal.browser().get("/auth/login").await, 303),
        ("nobody", portal.browser().get("/api/jobs").await, 401),
        ("not there", owner.get("/nowhere").await, 404),
        ("another method", owner.send(owner.request(Method::PUT, "/live")).await, 405),
        ("refused input", owner.get("/api/jobs?limit=x").await, 400),
    ];
    for (name, answer, status) in answers {
        assert_eq!(answer.status, status, "{name}");
        let says = |header: &str, text: &str| {
            let value = answer.header(header);
            assert!(value.contains(text), "{name}: {header}: {value}");
        };
        says("content-security-policy", "frame-ancestors 'none'");
        says("content-security-policy", "default-src 'none'");
        says("x-content-type-options", "nosniff");
        says("x-frame-options", "DENY");
        says("referrer-policy", "no-referrer");
        says("cross-origin-opener-policy", "same-origin");
        says("cross-origin-resource-policy", "same-origin");
        says("cross-origin-embedder-policy", "require-corp");
        says("permissions-policy", "camera=()");
        says("x-permitted-cross-domain-policies", "none");
        assert_eq!(answer.header("server"), "", "{name}: nobody needs to know what we run");
        assert!(!answer.header("x-request-id").is_empty(), "{name}");
        assert_eq!(answer.header("strict-transport-security"), "", "{name}: not over http");
    }
    for path in ["/api/session", "/auth/login"] {
        let caching = owner.get(path).await.header("cache-control");
        assert!(caching.contains("no-store"), "{path}: {caching}");
    }
    let transport = public.browser().get("/api/session").await.header("strict-transport-security");
    assert_eq!(transport, "max-age=31536000; includeSubDomains");
}
