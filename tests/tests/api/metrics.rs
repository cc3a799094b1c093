//! `/metrics`: what it tells, to whom, and what it never tells.

use portal_tests::client::Browser;
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use reqwest::Method;
use tenancy::Role;

async fn figures(browser: &Browser) -> String {
    browser.get("/metrics").await.expect(200).text
}

#[tokio::test]
async fn figures_are_told_by_operation_route_and_method() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let path = recruiter.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
    for path in ["/api/jobs", "/api/jobs", path.as_str()] {
        let _ = recruiter.get(path).await.expect(200);
    }
    let answer = portal.browser().get("/metrics").await.expect(200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), kind);
    assert_eq!(answer.header("cache-control"), "no-store");
    for line in [
        r#"portal_cache_answers_total{feature="jobs",operation="list",outcome="hit"} 1"#,
        r#"portal_cache_answers_total{feature="jobs",operation="list",outcome="miss"} 1"#,
        r#"portal_cache_answers_total{feature="jobs",operation="item",outcome="miss"} 1"#,
        r#"portal_cache_loads_total{feature="search",operation="job-facets"} 0"#,
        r#"portal_http_requests_total{method="GET",route="/api/jobs",status="200"} 2"#,
        r#"portal_http_requests_total{method="GET",route="/api/jobs/{id}",status="200"} 1"#,
        r#"portal_http_request_duration_seconds_count{method="POST",route="/api/jobs"} 1"#,
        r#"portal_database_connections_max{pool="application"} 4.0"#,
        r#"portal_phase{phase="ready"} 1.0"#,
        r#"portal_dependency_up{dependency="database"} 1.0"#,
    ] {
        assert!(answer.text.lines().any(|told| told == line), "{line} is missing in {answer:?}");
    }
    // Of these other tests have a part: their jobs close by themselves, and any portal sees to it.
    for beginning in ["portal_cache_invalidations_total ", "portal_cache_journal_length "] {
        let is_told = answer.text.lines().any(|told| told.starts_with(beginning));
        assert!(is_told, "{beginning} is missing in {answer:?}");
    }
    if Redis::Shared.backend() == "redis" {
        for beginning in [
            r#"portal_redis_circuit_state{circuit="reads",state="closed"} 1.0"#,
            r#"portal_redis_calls_total{method="get_many",outcome="ok"} "#,
            r#"portal_redis_call_duration_seconds_bucket{le="+Inf",method="get_many"} "#,
            "portal_redis_commands_total ",
        ] {
            let is_told = answer.text.lines().any(|told| told.starts_with(beginning));
            assert!(is_told, "{beginning} is missing in {answer:?}");
        }
    }
    assert!(answer.text.ends_with("# EOF\n"), "{answer:?}");
}

#[tokio::test]
async fn nothing_of_a_tenant_and_no_secret_is_told() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Shared).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let created = recruiter.post("/api/jobs", &job::titled("Quokka Whisperer")).await.expect(201);
    let job = created.json()["id"].as_str().unwrap().to_owned();
    let invented = Method::from_bytes(b"QUOKKA").unwrap();
    let _ = recruiter.get("/api/jobs?q=quokka&location=Wombatville").await.expect(200);
    let _ = recruiter.get(&format!("/api/jobs/{job}")).await.expect(200);
    let _ = recruiter.get("/quokka/wombat").await.expect(404);
    let _ = recruiter.send(recruiter.request(invented, "/api/jobs")).await.expect(405);
    let told = figures(&portal.browser()).await.to_lowercase();
    let (tenant_id, subject) = (tenant.id.to_string(), tenant.subject(Role::Recruiter));
    let mut untold = vec![
        "quokka",
        "wombat",
        "tenant:{",
        "for-tests-only",
        "portal-dev-secret",
        "127.0.0.1",
        tenant.org.as_str(),
        tenant.slug.as_str(),
        tenant_id.as_str(),
        subject.as_str(),
        job.as_str(),
    ];
    untold.extend(recruiter.csrf_token());
    untold.extend(recruiter.cookies().values().map(String::as_str));
    for text in untold {
        assert!(!told.contains(&text.to_lowercase()), "{text} is told in\n{told}");
    }
}

#[tokio::test]
async fn the_busiest_tenants_are_told_where_that_is_asked_for() {
    let world = World::shared().await;
    let (busy, idle) = (world.tenant().await, world.tenant().await);
    let settings = [("PORTAL__TELEMETRY__METRICS_TENANTS", "1")];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let of_busy = busy.signs_in(&portal, Role::Recruiter).await;
    let of_idle = idle.signs_in(&portal, Role::Recruiter).await;
    let _ = of_idle.get("/api/jobs").await.expect(200);
    for _ in 0..3 {
        let _ = of_busy.get("/api/jobs").await.expect(200);
    }
    let told = figures(&portal.browser()).await;
    let line =
        format!(r#"portal_cache_tenant_answers_total{{tenant="{}",outcome="hit"}} 2"#, busy.org);
    assert!(told.lines().any(|told| told == line), "{line} is missing in\n{told}");
    assert!(!told.contains(&idle.org), "{told}");
}

#[tokio::test]
async fn a_token_keeps_strangers_out() {
    let world = World::shared().await;
    let token = "a-token-of-24-characters";
    let settings = [("METRICS_TOKEN", token)];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let browser = portal.browser();
    let _ = browser.get("/metrics").await.expect_problem(401, "unauthenticated");
    let shown = async |token: &str| {
        let request = browser.request(Method::GET, "/metrics");
        browser.send(request.header("Authorization", format!("Bearer {token}"))).await
    };
    let _ = shown("a-token-of-24-characterz").await.expect_problem(401, "unauthenticated");
    let told = shown(token).await.expect(200).text;
    assert!(told.contains("portal_build_info") && !told.contains(token));
    assert!(!portal.log().contains(token));
}
