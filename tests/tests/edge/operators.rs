//! The platform's own people.

use std::time::{Duration, Instant};

use portal_tests::client::{Answer, Browser};
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use reqwest::Method;
use serde_json::{Value, json};
use tenancy::Role;

const REASON: &str = "Invoices unpaid since March, ticket 4711";

struct Scene {
    world: World,
    platform: Tenant,
    portal: Portal,
    operator: Browser,
}

async fn scene(redis: Redis, more: &[(&str, &str)]) -> Scene {
    let world = World::shared().await;
    let platform = world.tenant().await;
    let portal = spawn(&world, &platform, redis, more).await;
    let operator = platform.signs_in(&portal, Role::Viewer).await;
    Scene { world, platform, portal, operator }
}

async fn spawn(world: &World, platform: &Tenant, redis: Redis, more: &[(&str, &str)]) -> Portal {
    let mut settings = vec![("PLATFORM_ORG_ID", platform.org.as_str())];
    settings.extend(more);
    Portal::spawn_with(&world.databases, redis, &settings).await
}

async fn changes(operator: &Browser, tenant: &Tenant, verb: &str, body: &Value) -> Answer {
    operator.post(&format!("/api/platform/tenants/{}/{verb}", tenant.id), body).await
}

async fn visits(operator: &Browser, tenant: &Tenant, role: Role) -> Answer {
    let email = format!("{}@example.com", tenant.subject(role).replace('|', "."));
    changes(operator, tenant, "impersonate", &json!({ "email": email, "reason": REASON })).await
}

#[tokio::test]
async fn operators_see_tenants_and_nothing_in_them() {
    let Scene { world, platform: _, portal, operator } = scene(Redis::Memory, &[]).await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let mut seen = Vec::new();
    let mut path = "/api/platform/tenants?limit=1".to_owned();
    for _ in 0..40 {
        let page = operator.get(&path).await.expect(200).json();
        seen.push(page["data"][0].clone());
        let is_there = seen.iter().filter(|one| {
            [first.id.to_string(), second.id.to_string()]
                .contains(&one["id"].as_str().unwrap().into())
        });
        if is_there.count() == 2 {
            break;
        }
        path = format!(
            "/api/platform/tenants?limit=1&cursor={}",
            page["page"]["next_cursor"].as_str().unwrap()
        );
    }
    let row = seen.iter().find(|one| one["id"] == first.id.to_string()).unwrap();
    assert_eq!(row["organization"], first.org);
    assert_eq!(row["status"], "active");
    let expected = ["created_at", "id", "name", "organization", "plan", "slug", "status"];
    let fields: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(fields, expected, "{row}");
    for query in ["limit=0", "limit=101", "status=gone", "cursor=x", "name=*"] {
        assert_eq!(operator.get(&format!("/api/platform/tenants?{query}")).await.status, 400);
    }
    // What members have, operators have not, in any tenant, their own organization included.
    for path in ["/api/jobs", "/api/jobs/facets", "/api/jobs/stats/overview"] {
        operator.get(path).await.expect_problem(403, "forbidden");
    }
    operator.post("/api/jobs", &job::nurse()).await.expect_problem(403, "forbidden");
    let session = operator.get("/api/session").await.expect(200).json();
    let powers = json!(["session:read", "cache:read", "session:manage"]);
    assert_eq!(session["permissions"], powers, "{session}");
    // And what operators have, members have not.
    let owner = first.signs_in(&portal, Role::Owner).await;
    owner.get("/api/platform/tenants").await.expect_problem(403, "forbidden");
    changes(&owner, &second, "suspend", &json!({ "reason": REASON }))
        .await
        .expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_suspended_tenant_is_kept_out_until_it_is_resumed() {
    let Scene { world, platform, portal, operator } = scene(Redis::Shared, &[]).await;
    let two = spawn(&world, &platform, Redis::Shared, &[]).await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let bystander = other.signs_in(&portal, Role::Owner).await;
    let _ = owner.get("/api/jobs").await.expect(200);
    let body = json!({ "reason": REASON });
    let answer = changes(&operator, &tenant, "suspend", &body).await.expect(200).json();
    assert_eq!(answer["status"], "suspended");
    assert!(answer["audit_id"].is_string(), "{answer}");
    let deadline = Instant::now() + Duration::from_millis(1_500);
    for browser in [&owner, &owner.at(two.base_url())] {
        loop {
            let answer = browser.get("/api/jobs").await;
            if answer.status == 403 || answer.status == 401 {
                break;
            }
            assert!(Instant::now() < deadline, "still answered: {}", answer.text);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let _ = bystander.get("/api/jobs").await.expect(200);
    // Nobody signs in meanwhile; a second suspension changes nothing.
    let mut late = portal.browser();
    let refused =
        late.goes_through_login(tenant.provider(), &tenant.subject(Role::Admin), &tenant.org).await;
    refused.expect_problem(403, "forbidden");
    let again = changes(&operator, &tenant, "suspend", &body).await.expect(200).json();
    assert_eq!(again["audit_id"], Value::Null);
    let _ = changes(&operator, &tenant, "resume", &body).await.expect(200);
    let back = tenant.signs_in(&two, Role::Owner).await;
    let _ = back.get("/api/jobs").await.expect(200);
    let trail = tenant.audit_trail("authz_admin").await;
    let told: Vec<(&str, &str)> = trail
        .iter()
        .map(|(_, _, _, detail)| {
            (detail["deed"].as_str().unwrap(), detail["reason"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [("tenant_suspended", REASON), ("tenant_resumed", REASON)]);
    let by = platform.user(Role::Viewer).await;
    assert!(trail.iter().all(|(actor, _, ip, _)| {
        *actor == format!("operator:{by}") && ip.as_deref() == Some("127.0.0.1")
    }));
}

#[tokio::test]
async fn operators_say_why_and_do_not_lock_themselves_out() {
    let Scene { world, platform, operator, portal: _portal } = scene(Redis::Memory, &[]).await;
    let tenant = world.tenant().await;
    for body in [
        json!({}),
        json!({ "reason": "short" }),
        json!({ "reason": "x".repeat(501) }),
        json!({ "reason": 7 }),
        json!({ "reason": "line\nbreaks are refused" }),
        json!({ "reason": REASON, "force": true }),
    ] {
        changes(&operator, &tenant, "suspend", &body)
            .await
            .expect_problem(422, "validation_failed");
    }
    let body = json!({ "reason": REASON });
    changes(&operator, &platform, "suspend", &body).await.expect_problem(404, "not_found");
    for id in ["x", "0191F1C0-5A5A-7000-8000-00000000ABCD", "0191f1c0-5a5a-7000-8000-00000000abcd"]
    {
        let path = format!("/api/platform/tenants/{id}/suspend");
        operator.post(&path, &body).await.expect_problem(404, "not_found");
    }
    assert_eq!(visits(&operator, &platform, Role::Owner).await.status, 404);
    assert_eq!(tenant.audited("authz_admin").await, 0);
}

#[tokio::test]
async fn an_operator_looks_as_a_member_and_every_request_is_told() {
    let Scene { world, platform, portal, operator } = scene(Redis::Memory, &[]).await;
    let tenant = world.tenant().await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let _ = owner.post("/api/jobs", &job::nurse()).await.expect(201);
    let nobody = json!({ "email": "a@b.example", "reason": REASON });
    changes(&operator, &tenant, "impersonate", &nobody).await.expect_problem(404, "not_found");
    let visit = visits(&operator, &tenant, Role::Recruiter).await.expect(201).json();
    assert_eq!(visit["reason"], REASON);
    let session = operator.get("/api/session").await.expect(200).json();
    assert_eq!(session["organization"]["id"], tenant.org);
    assert_eq!(session["impersonation"]["id"], visit["id"], "{session}");
    let by = platform.user(Role::Viewer).await;
    assert_eq!(session["impersonation"]["operator_id"], by.to_string());
    assert!(!session["permissions"].to_string().contains("jobs:write"), "{session}");
    // It reads what the member reads, and changes nothing.
    let jobs = operator.get("/api/jobs").await.expect(200).json();
    assert_eq!(jobs["data"].as_array().unwrap().len(), 1);
    operator.post("/api/jobs", &job::nurse()).await.expect_problem(403, "forbidden");
    // Another session of the same operator is not there.
    let elsewhere = platform.signs_in(&portal, Role::Viewer).await;
    elsewhere.get("/api/jobs").await.expect_problem(403, "forbidden");
    // They are an operator meanwhile, and end it themselves.
    let _ = operator.get("/api/platform/tenants").await.expect(200);
    let end = operator.send(operator.request(Method::DELETE, "/api/platform/impersonation")).await;
    assert_eq!(end.status, 204, "{}", end.text);
    operator.get("/api/jobs").await.expect_problem(403, "forbidden");
    let session = operator.get("/api/session").await.expect(200).json();
    assert_eq!(session["impersonation"], Value::Null);
    assert_eq!(session["organization"]["id"], platform.org);
    let member = tenant.user(Role::Recruiter).await;
    let guest = format!("operator:{by} as user:{member}");
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let trail = tenant.audit_trail("authz_admin").await;
        let told: Vec<(&str, &str)> = trail
            .iter()
            .map(|(actor, resource, _, _)| (actor.as_str(), resource.as_str()))
            .collect();
        let requests = ["GET /api/session", "GET /api/jobs", "POST /api/jobs"];
        let are_told = requests.iter().all(|request| told.contains(&(guest.as_str(), *request)));
        let deeds: Vec<&str> = trail
            .iter()
            .filter_map(|(_, _, _, detail)| detail["deed"].as_str())
            .filter(|deed| *deed != "impersonated_request")
            .collect();
        if are_told && deeds == ["impersonation_started", "impersonation_ended"] {
            break;
        }
        assert!(Instant::now() < deadline, "{trail:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_visit_ends_by_itself_and_with_the_membership() {
    let Scene { world, operator, portal, platform: _ } =
        scene(Redis::Memory, &[("PORTAL__OPERATOR__IMPERSONATION_MAY_WRITE", "true")]).await;
    let tenant = world.tenant().await;
    let _ = visits(&operator, &tenant, Role::Recruiter).await.expect(201);
    // Where the setting allows it, the member's power is the operator's, but not over access.
    let _ = operator.post("/api/jobs", &job::nurse()).await.expect(201);
    let session = operator.get("/api/session").await.expect(200).json();
    let powers = session["permissions"].to_string();
    assert!(powers.contains("jobs:write") && !powers.contains("session:manage"), "{powers}");
    world.ends_visits_to(&tenant).await;
    operator.get("/api/jobs").await.expect_problem(403, "forbidden");
    let session = operator.get("/api/session").await.expect(200).json();
    assert_eq!(session["impersonation"], Value::Null);
    let _ = visits(&operator, &tenant, Role::Recruiter).await.expect(201);
    let _ = operator.get("/api/jobs").await.expect(200);
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let member = format!("/api/team/{}", tenant.user(Role::Recruiter).await);
    assert_eq!(owner.send(owner.request(Method::DELETE, &member)).await.status, 204);
    operator.get("/api/jobs").await.expect_problem(403, "forbidden");
    visits(&operator, &tenant, Role::Recruiter).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn operators_see_the_cache_of_all_tenants() {
    let Scene { world, portal, operator, platform: _ } = scene(Redis::Memory, &[]).await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    for tenant in [&first, &second] {
        let owner = tenant.signs_in(&portal, Role::Owner).await;
        for _ in 0..2 {
            let _ = owner.get("/api/jobs").await.expect(200);
        }
        let own = owner.get("/api/cache/status").await.expect(200).json();
        assert_eq!(own["total"]["hits"], 1);
        assert_eq!(own.get("tenants"), None, "{own}");
    }
    let status = operator.get("/api/cache/status").await.expect(200).json();
    assert_eq!(status["total"]["hits"], 2, "{status}");
    let tenants = status["tenants"].as_array().unwrap();
    for tenant in [&first, &second] {
        let row = tenants.iter().find(|row| row["organization"] == tenant.org).unwrap();
        assert_eq!((&row["hits"], &row["misses"]), (&json!(1), &json!(1)));
    }
    let drop =
        operator.request(Method::DELETE, "/api/cache/invalidate").json(&json!({"all": true}));
    operator.send(drop).await.expect_problem(403, "forbidden");
}
