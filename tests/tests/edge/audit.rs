//! What is refused stands in the trail, and does not fill it.

use std::time::{Duration, Instant};

use portal_tests::client::Answer;
use portal_tests::portal::{Portal, Redis};
use portal_tests::servers::OwnPostgres;
use portal_tests::tenant::{AuditRow, World};
use reqwest::Method;
use serde_json::json;
use tenancy::Role;

const PROXY: [(&str, &str); 1] = [("PORTAL__HTTP__TRUSTED_PROXIES", "127.0.0.1")];

/// Rows of the platform's trail from `address`, once there are `wanted`.
async fn platform_rows(world: &World, address: &str, wanted: usize) -> Vec<AuditRow> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let rows = world.security_log(address).await;
        if rows.len() >= wanted {
            return rows;
        }
        assert!(Instant::now() < deadline, "{wanted} rows of {address}: {rows:?}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

fn address() -> String {
    let (one, two): (u16, u16) = rand::random();
    format!("2001:db8:{one:x}:{two:x}::1")
}

fn request_of(answer: &Answer) -> String {
    answer.header("x-request-id")
}

#[tokio::test]
async fn strangers_leave_rows_with_address_and_request() {
    let world = World::shared().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &PROXY).await;
    let stranger = portal.browser();
    let from = address();
    let asks = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let mut request = stranger.request(method, path).header("X-Forwarded-For", &from);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        stranger.send(request).await
    };
    let no_session = asks(Method::GET, "/api/cache/status", &[]).await;
    no_session.expect_problem(401, "unauthenticated");
    let bad_login = asks(Method::GET, "/auth/callback?state=x&code=y", &[]).await;
    bad_login.expect_problem(400, "login_failed");
    let cookie = [("Cookie", "__Host-portal=x"), ("Sec-Fetch-Site", "cross-site")];
    let forged = asks(Method::DELETE, "/api/cache/invalidate", &cookie).await;
    forged.expect_problem(403, "csrf_failed");
    let rows = platform_rows(&world, &from, 3).await;
    let expected = [
        ("authz_fail", "GET /api/cache/status", request_of(&no_session)),
        ("authn_login_fail", "GET /auth/callback", request_of(&bad_login)),
        ("malicious_cors", "DELETE /api/cache/invalidate", request_of(&forged)),
    ];
    for (action, resource, request) in expected {
        let row = rows.iter().find(|row| row.action == action).unwrap();
        assert_eq!(row.resource, resource);
        assert_eq!(row.request_id.as_deref(), Some(request.as_str()), "{action}");
        assert_eq!((row.actor.as_str(), row.result.as_str()), ("nobody", "refused"));
        assert_eq!(row.ip.as_deref(), Some(from.as_str()));
    }
    // An ordinary visitor who has to sign in first is no finding.
    let other = address();
    let request = stranger.request(Method::GET, "/api/jobs").header("X-Forwarded-For", &other);
    stranger.send(request).await.expect_problem(401, "unauthenticated");
    assert!(world.security_log(&other).await.is_empty());
}

#[tokio::test]
async fn members_are_named_in_their_tenants_trail() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &PROXY).await;
    let from = address();
    let viewer = tenant.signs_in(&portal, Role::Viewer).await;
    let request = |method, path| viewer.request(method, path).header("X-Forwarded-For", &from);
    let denied = viewer.send(request(Method::POST, "/api/jobs").json(&json!({}))).await;
    denied.expect_problem(403, "forbidden");
    let mut forged = portal.browser();
    for (name, value) in viewer.cookies() {
        forged.set_cookie(name, value);
    }
    let drop = forged.request(Method::DELETE, "/api/cache/invalidate").json(&json!({}));
    forged.send(drop).await.expect_problem(403, "csrf_failed");
    let user = format!("user:{}", tenant.user(Role::Viewer).await);
    let rows = tenant.audit_rows("authz_fail", 2).await;
    let denials: Vec<&AuditRow> =
        rows.iter().filter(|row| row.resource == "POST /api/jobs").collect();
    assert_eq!(denials.len(), 1, "{rows:?}");
    assert_eq!(denials[0].request_id.as_deref(), Some(request_of(&denied).as_str()));
    assert_eq!(denials[0].ip.as_deref(), Some(from.as_str()));
    assert!(rows.iter().all(|row| row.actor == user && row.result == "refused"), "{rows:?}");
    assert!(rows.iter().any(|row| row.resource == "DELETE /api/cache/invalidate"), "{rows:?}");
    let began = tenant.audit_rows("session_created", 1).await;
    assert_eq!((began[0].actor.as_str(), began[0].result.as_str()), (user.as_str(), "done"));
    assert!(began[0].request_id.is_some() && began[0].ip.is_some(), "{began:?}");
    // Rows of transactions carry both as well, without being told.
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let created = recruiter
        .send(
            recruiter
                .request(Method::POST, "/api/jobs")
                .header("X-Forwarded-For", &from)
                .json(&portal_tests::job::nurse()),
        )
        .await
        .expect(201);
    let rows = tenant.audit_rows("job_created", 1).await;
    assert_eq!(rows[0].request_id.as_deref(), Some(request_of(&created).as_str()));
    assert_eq!(rows[0].ip.as_deref(), Some(from.as_str()));
}

#[tokio::test]
async fn a_flood_of_refusals_is_a_few_rows() {
    let postgres = OwnPostgres::start_new();
    let world = World::on(&postgres.superuser_url()).await;
    let few = [PROXY[0], ("PORTAL__AUDIT__ROWS_PER_MINUTE", "5")];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &few).await;
    let stranger = portal.browser();
    for round in 0..3 {
        for host in 0..20 {
            let from = format!("203.0.113.{host}");
            let request = stranger.request(Method::GET, "/api/cache/keys");
            let answer = stranger.send(request.header("X-Forwarded-For", from)).await;
            assert_eq!(answer.status, 401, "{round}");
        }
    }
    // Stopping it ends the minute: what was counted is written.
    assert_eq!(portal.stops().await, Some(0));
    let rows = world.security_rows("authz_fail").await;
    assert!(rows.len() <= 5 + 5 + 1, "{rows:?}");
    assert_eq!(rows.iter().map(|row| row.repeats).sum::<i32>(), 60, "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.actor == "many").count(), 1);
}

#[tokio::test]
async fn rows_wait_while_postgres_is_away() {
    let postgres = OwnPostgres::start_new();
    let world = World::on(&postgres.superuser_url()).await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &PROXY).await;
    let stranger = portal.browser();
    postgres.stops();
    for host in 0..10 {
        let request = stranger.request(Method::GET, "/api/cache/status");
        let started = Instant::now();
        let answer =
            stranger.send(request.header("X-Forwarded-For", format!("198.51.100.{host}"))).await;
        assert_eq!(answer.status, 401);
        assert!(started.elapsed() < Duration::from_secs(2), "requests do not wait for the trail");
    }
    postgres.starts();
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.security_rows("authz_fail").await.len() < 10 {
        assert!(Instant::now() < deadline, "rows were lost");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let metrics = portal.browser().get("/metrics").await.expect(200).text;
    assert!(metrics.contains("portal_audit_rows_lost_total 0"), "{metrics}");
}
