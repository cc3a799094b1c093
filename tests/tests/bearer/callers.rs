//! What callers with tokens may do: their role as it is now, their scopes, one credential.

use std::time::Duration;

use portal_tests::issuer::{FORMS, Issuer};
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::servers::OwnPostgres;
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use serde_json::json;
use tenancy::Role;

/// Longer than the second for which a verified caller is believed.
const SOON: Duration = Duration::from_secs(3);
/// The relay waits a second before it repeats what nobody has acted on.
const RELAYED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_persons_token_is_good_for_their_role_within_its_scopes() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    for form in FORMS {
        let call = |role: Role, scope: &str| {
            let token = issuer.token(form, &tenant.subject(role), &tenant.org, scope);
            portal.browser().with_token(&token)
        };
        let reader = call(Role::Owner, "jobs:read");
        let _ = reader.get("/api/jobs").await.expect(200);
        let refused = reader.post("/api/jobs", &job::nurse()).await;
        drop(refused.expect_problem(403, "forbidden"));
        let challenge = refused.header("www-authenticate");
        assert!(
            challenge.contains("error=\"insufficient_scope\"")
                && challenge.contains("scope=\"jobs:write\""),
            "{challenge}"
        );

        // No CSRF token is asked for, and none is of use.
        let writer = call(Role::Recruiter, "jobs:read jobs:write");
        let path = writer.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
        let etag = writer.get(&path).await.expect(200).header("etag");
        let _ = writer.patch(&path, &etag, &json!({ "openings": 3 })).await.expect(200);

        let viewer = call(Role::Viewer, "jobs:read jobs:write");
        drop(viewer.post("/api/jobs", &job::nurse()).await.expect_problem(403, "forbidden"));
        let nothing = call(Role::Owner, "openid profile");
        drop(nothing.get("/api/jobs").await.expect_problem(403, "forbidden"));
        let session = call(Role::Owner, "session:read").get("/api/session").await;
        drop(session.expect_problem(403, "forbidden"));
    }
}

#[tokio::test]
async fn permissions_that_the_provider_adds_bound_the_scopes() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    let post = async |scope: &str, permissions: &[&str]| {
        let mut claims = issuer.claims("JWT", &tenant.subject(Role::Owner), &tenant.org, scope);
        claims["permissions"] = json!(permissions);
        let token = issuer.key().sign(&Issuer::header("JWT"), &claims.to_string());
        let caller = portal.browser().with_token(&token);
        caller.post("/api/jobs", &job::nurse()).await.status.as_u16()
    };
    assert_eq!(post("jobs:read jobs:write", &["jobs:read", "jobs:write"]).await, 201);
    assert_eq!(post("jobs:read jobs:write", &["jobs:read"]).await, 403);
    assert_eq!(post("jobs:read", &["jobs:read", "jobs:write"]).await, 403);
    assert_eq!(post("openid profile", &["jobs:write"]).await, 403, "nobody asked for it");
}

#[tokio::test]
async fn a_machine_works_in_the_organization_of_its_token_and_nowhere_else() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let issuer = Issuer::start();
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    for form in FORMS {
        let call = |org: &str, scope: &str| {
            portal.browser().with_token(&issuer.machine_token(form, org, scope))
        };
        let machine = call(&ours.org, "jobs:read jobs:write");
        let path = machine.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
        let _ = machine.get(&path).await.expect(200);
        let stranger = call(&theirs.org, "jobs:read jobs:write");
        drop(stranger.get(&path).await.expect_problem(404, "not_found"));
        drop(call(&ours.org, "openid").get("/api/jobs").await.expect_problem(403, "forbidden"));
        // Whatever a machine is given, it decides nothing about people and access.
        let greedy = call(&ours.org, "jobs:delete api_keys:manage cache:read team:manage");
        for path in ["/api/api-keys", "/api/cache/status", "/api/session"] {
            drop(greedy.get(path).await.expect_problem(403, "forbidden"));
        }
    }
    let trail = ours.audit_trail("job_created").await;
    assert_eq!(trail.len(), FORMS.len());
    assert!(trail.iter().all(|(actor, ..)| actor == "client:an-application"), "{trail:?}");
    ours.is_suspended().await;
    let token = issuer.machine_token("JWT", &ours.org, "jobs:read");
    let machine = portal.browser().with_token(&token);
    eventually("a suspended organization's machines are refused", SOON, async || {
        (machine.get("/api/jobs").await.status == 403).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_request_has_one_credential() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let both = [owner.with_token("a.b.c"), owner.with_key("epk_x"), owner.with_token("epk_x")];
    for caller in both {
        for path in ["/api/jobs", "/api/session", "/auth/login"] {
            drop(caller.get(path).await.expect_problem(400, "bad_request"));
        }
        drop(caller.post("/api/jobs", &job::nurse()).await.expect_problem(400, "bad_request"));
    }
    let request = portal.browser().with_token("a.b.c").request(reqwest::Method::GET, "/api/jobs");
    let answer = portal.browser().send(request.header("x-api-key", "epk_x")).await;
    drop(answer.expect_problem(400, "bad_request"));
    let _ = owner.get("/api/session").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_reaches_whoever_sends_tokens_and_never_signs_in() {
    // No portal of another test empties its outbox.
    let postgres = OwnPostgres::start_new();
    let world = World::on(&postgres.superuser_url()).await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    let token = issuer.token("JWT", &tenant.subject(Role::Recruiter), &tenant.org, "jobs:read");
    let caller = portal.browser().with_token(&token);
    // From now on there is a copy of the membership that says that all is well.
    drop(caller.get("/api/jobs").await.expect(200));
    for (is_suspended, expected) in [(true, 403), (false, 200)] {
        tenant.is_suspended_behind_the_portal(is_suspended).await;
        eventually("it is noticed", RELAYED, async || {
            (caller.get("/api/jobs").await.status == expected).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn whoever_is_removed_or_suspended_is_refused_although_the_token_lives() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    let call = |role: Role| {
        let token = issuer.token("JWT", &tenant.subject(role), &tenant.org, "jobs:read jobs:write");
        portal.browser().with_token(&token)
    };
    let (removed, other) = (call(Role::Admin), call(Role::Recruiter));
    // A snapshot is shared with sessions; without one, as here at first, the row decides.
    tenant.removes_behind_everybody(Role::Admin).await;
    drop(removed.get("/api/jobs").await.expect_problem(401, "unauthenticated"));
    tenant.is_suspended().await;
    drop(other.get("/api/jobs").await.expect_problem(403, "forbidden"));
    eventually("nothing is held of either", SOON, async || {
        let first = removed.get("/api/jobs").await.status == 401;
        (first && other.get("/api/jobs").await.status == 403).then_some(())
    })
    .await;
}
