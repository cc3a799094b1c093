//! API keys: shown once, bounded by whoever made them, gone when revoked.

use std::time::Duration;

use portal_tests::client::{Answer, Browser};
use portal_tests::issuer::Issuer;
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use tenancy::Role;

/// Longer than the second for which a verified caller is believed.
const SOON: Duration = Duration::from_secs(3);

async fn makes(owner: &Browser, scopes: &[&str]) -> Value {
    let body = json!({ "name": "Careers page", "scopes": scopes });
    owner.post("/api/api-keys", &body).await.expect(201).json()
}

fn caller(portal: &Portal, key: &Value) -> Browser {
    portal.browser().with_key(key["key"].as_str().unwrap())
}

async fn revokes(owner: &Browser, key: &Value) -> Answer {
    let path = format!("/api/api-keys/{}", key["id"].as_str().unwrap());
    owner.send(owner.request(Method::DELETE, &path)).await
}

async fn setup() -> (World, Tenant, Portal, Browser) {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let settings = [("PORTAL__AUTH__API_KEY_USES_SECONDS", "1")];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    (world, tenant, portal, owner)
}

#[tokio::test]
async fn a_key_is_shown_once_and_does_what_its_scopes_say() {
    let (_, tenant, portal, owner) = setup().await;
    let made = makes(&owner, &["jobs:read", "jobs:write"]).await;
    let text = made["key"].as_str().unwrap().to_owned();
    assert!(text.starts_with(made["prefix"].as_str().unwrap()));
    let listed = owner.get("/api/api-keys").await.expect(200);
    assert!(!listed.text.contains(&text), "the list shows no secret");
    assert_eq!(listed.json()["data"][0]["prefix"], made["prefix"]);
    assert_eq!(listed.json()["data"][0]["last_used_at"], Value::Null);

    let machine = caller(&portal, &made);
    let path = machine.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
    let answer = machine.get(&path).await.expect(200);
    assert!(!answer.headers.contains_key("set-cookie"));
    // The same key as a bearer token.
    let _ = portal.browser().with_token(&text).get(&path).await.expect(200);
    let reader = caller(&portal, &makes(&owner, &["jobs:read"]).await);
    drop(reader.post("/api/jobs", &job::nurse()).await.expect_problem(403, "forbidden"));
    for path in ["/api/api-keys", "/api/cache/status", "/api/session"] {
        drop(machine.get(path).await.expect_problem(403, "forbidden"));
    }
    let body = json!({ "name": "x", "scopes": ["jobs:read"] });
    drop(machine.post("/api/api-keys", &body).await.expect_problem(403, "forbidden"));

    let actor = format!("api_key:{}", made["id"].as_str().unwrap());
    assert_eq!(tenant.audit_trail("job_created").await[0].0, actor);
    eventually("the use is written down", Duration::from_secs(10), async || {
        let keys = owner.get("/api/api-keys").await.expect(200).json();
        let used = keys["data"].as_array().unwrap().iter().find(|key| key["id"] == made["id"]);
        used.unwrap()["last_used_at"].is_string().then_some(())
    })
    .await;
    assert!(!portal.log().contains(&text), "the log holds no key");
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_at_once_and_for_good() {
    let (_, tenant, portal, owner) = setup().await;
    let made = makes(&owner, &["jobs:read"]).await;
    let machine = caller(&portal, &made);
    let _ = machine.get("/api/jobs").await.expect(200);
    assert_eq!(revokes(&owner, &made).await.status, 204);
    let answer = machine.get("/api/jobs").await;
    drop(answer.expect_problem(401, "unauthenticated"));
    assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    assert_eq!(revokes(&owner, &made).await.status, 404);
    let listed = owner.get("/api/api-keys").await.expect(200).json();
    assert!(listed["data"][0]["revoked_at"].is_string());
    assert_eq!(tenant.audited("api_key_created").await, 1);
    assert_eq!(tenant.audited("api_key_revoked").await, 1);
}

#[tokio::test]
async fn the_power_of_a_key_is_its_creators_now() {
    let (_, tenant, portal, _) = setup().await;
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    let machine = caller(&portal, &makes(&admin, &["jobs:read", "jobs:write"]).await);
    let _ = machine.post("/api/jobs", &job::nurse()).await.expect(201);

    tenant.changes_role_behind_everybody(Role::Admin, Role::Viewer).await;
    eventually("the key may no more than a viewer", SOON, async || {
        (machine.post("/api/jobs", &job::nurse()).await.status == 403).then_some(())
    })
    .await;
    let _ = machine.get("/api/jobs").await.expect(200);
    tenant.removes_behind_everybody(Role::Admin).await;
    eventually("the key opens nothing", SOON, async || {
        (machine.get("/api/jobs").await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_suspended_organizations_keys_open_nothing() {
    let (_, tenant, portal, owner) = setup().await;
    let machine = caller(&portal, &makes(&owner, &["jobs:read"]).await);
    tenant.is_suspended().await;
    drop(machine.get("/api/jobs").await.expect_problem(403, "forbidden"));
}

#[tokio::test]
async fn what_is_no_key_is_refused_and_keys_of_others_are_not_to_be_seen() {
    let (world, _, portal, owner) = setup().await;
    let made = makes(&owner, &["jobs:read"]).await;
    let text = made["key"].as_str().unwrap();
    let altered = format!("{}{}", &text[..65], if text.ends_with('0') { '1' } else { '0' });
    for wrong in ["x", "epk_", &altered, &text[..65], &text.to_lowercase()] {
        let answer = portal.browser().with_key(wrong).get("/api/jobs").await;
        drop(answer.expect_problem(401, "unauthenticated"));
    }
    let other = world.tenant().await;
    let stranger = other.signs_in(&portal, Role::Owner).await;
    assert_eq!(stranger.get("/api/api-keys").await.expect(200).json()["data"], json!([]));
    assert_eq!(revokes(&stranger, &made).await.status, 404);
    let _ = caller(&portal, &made).get("/api/jobs").await.expect(200);
}

#[tokio::test]
async fn what_is_asked_for_is_checked() {
    let (_, _, portal, owner) = setup().await;
    let table = [
        (json!({ "scopes": ["jobs:read"] }), "#/name", "required"),
        (json!({ "name": "a" }), "#/scopes", "required"),
        (json!({ "name": "a", "scopes": [] }), "#/scopes", "too_short"),
        (json!({ "name": "a", "scopes": ["jobs:fly"] }), "#/scopes/0", "unknown_word"),
        (json!({ "name": "a", "scopes": ["api_keys:manage"] }), "#/scopes/0", "unknown_word"),
        (json!({ "name": "a", "scopes": ["jobs:read", "jobs:read"] }), "#/scopes/1", "repeated"),
        (json!({ "name": "a", "scopes": ["jobs:read"], "key": "x" }), "#/key", "read_only"),
        (
            json!({ "name": "a", "scopes": ["jobs:read"], "expires_at": "2020-01-01T00:00:00Z" }),
            "#/expires_at",
            "out_of_range",
        ),
        (
            json!({ "name": "a", "scopes": ["jobs:read"], "expires_at": "2999-01-01T00:00:00Z" }),
            "#/expires_at",
            "out_of_range",
        ),
    ];
    for (body, pointer, code) in table {
        let answer = owner.post("/api/api-keys", &body).await;
        let problem = answer.expect_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
        assert_eq!(problem["errors"][0]["code"], code, "{body}");
    }
    // Without the CSRF token a cookie makes no keys.
    let mut bare = portal.browser();
    for (name, value) in owner.cookies() {
        bare.set_cookie(name, value);
    }
    let body = json!({ "name": "a", "scopes": ["jobs:read"] });
    drop(bare.post("/api/api-keys", &body).await.expect_problem(403, "csrf_failed"));
}

#[tokio::test]
async fn there_are_only_so_many_keys_and_none_beyond_its_time() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let settings = [("PORTAL__AUTH__API_KEYS_PER_TENANT", "2")];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let ends = tenant.instant_in(Duration::from_secs(2));
    let body = json!({ "name": "short", "scopes": ["jobs:read"], "expires_at": ends });
    let short = owner.post("/api/api-keys", &body).await.expect(201).json();
    let machine = caller(&portal, &short);
    let _ = machine.get("/api/jobs").await.expect(200);
    let first = makes(&owner, &["jobs:read"]).await;
    let wanted = json!({ "name": "one too many", "scopes": ["jobs:read"] });
    eventually("the short-lived key has ended", Duration::from_secs(5), async || {
        (machine.get("/api/jobs").await.status == 401).then_some(())
    })
    .await;
    let _ = makes(&owner, &["jobs:read"]).await;
    drop(owner.post("/api/api-keys", &wanted).await.expect_problem(409, "conflict"));
    assert_eq!(revokes(&owner, &first).await.status, 204);
    let _ = owner.post("/api/api-keys", &wanted).await.expect(201);
}

#[tokio::test]
async fn an_application_gives_no_more_than_it_has() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    let portal = issuer.portal(&world.databases, Redis::Memory).await;
    let subject = tenant.subject(Role::Owner);
    let token = issuer.token("JWT", &subject, &tenant.org, "api_keys:manage jobs:read");
    let application = portal.browser().with_token(&token);
    let _ = makes(&application, &["jobs:read"]).await;
    let body = json!({ "name": "more", "scopes": ["jobs:write"] });
    let answer = application.post("/api/api-keys", &body).await;
    let problem = answer.expect_problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["code"], "not_yours");
}
