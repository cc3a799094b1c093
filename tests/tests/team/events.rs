//! `/auth/events`: what is changed at the identity provider holds here.

use portal_tests::console::{EVENTS_TOKEN, FOLLOWS};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::{Value, json};
use tenancy::Role;

use crate::support::{TOLD, team};

#[tokio::test]
async fn where_roles_are_ours_only_a_departure_counts() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let settings = [("AUTH0_EVENTS_TOKEN", EVENTS_TOKEN)];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let console = portal_tests::console::Console::of(tenant.provider()).await;
    console.tells(&portal, &tenant.org).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let viewer = tenant.signs_in(&portal, Role::Viewer).await;
    let subject = tenant.subject(Role::Viewer);
    console.assigns(&tenant.org, &subject, "owner").await;
    console.removes(&tenant.org, &tenant.subject(Role::Recruiter)).await;
    portal_tests::waiting::eventually("the departure is known", TOLD, async || {
        (team(&owner).await.len() == Role::ALL.len() - 1).then_some(())
    })
    .await;
    assert_eq!(viewer.get("/api/session").await.expect(200).json()["role"], "viewer");
}

fn event(kind: &str, org: &str, user: &str, id: &str, time: &str) -> Value {
    json!({
        "specversion": "1.0", "type": kind, "source": "urn:auth0:x", "id": id, "time": time,
        "a0tenant": "x", "a0stream": "est_1",
        "data": { "object": {
            "organization": { "id": org }, "user": { "user_id": user },
            "role": { "id": "rol_1", "name": "admin" },
        } },
    })
}

#[tokio::test]
async fn only_the_identity_provider_is_listened_to() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &FOLLOWS).await;
    let http = portal_tests::client::http();
    let url = format!("{}/auth/events", portal.base_url());
    let kind = "organization.member.role.assigned";
    let subject = tenant.subject(Role::Viewer);
    let good = event(kind, &tenant.org, &subject, "evt_1", "2026-11-22T10:00:00Z");
    let post = |bearer: Option<&str>, body: String| {
        let request = http.post(&url).header("Content-Type", "application/json").body(body);
        let request = match bearer {
            Some(bearer) => request.header("Authorization", bearer.to_owned()),
            None => request,
        };
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let right = format!("Bearer {EVENTS_TOKEN}");
    let wrong = format!("Bearer {EVENTS_TOKEN}x");
    let basic = format!("Basic {EVENTS_TOKEN}");
    for bearer in [None, Some(""), Some(&*wrong), Some(&*basic)] {
        assert_eq!(post(bearer, good.to_string()).await, 401, "{bearer:?}");
    }
    let right = Some(right.as_str());
    assert_eq!(post(right, good.to_string()).await, 204);
    assert_eq!(post(right, good.to_string()).await, 204, "a second delivery is no failure");
    assert_eq!(post(right, "{}".to_owned()).await, 400);
    assert_eq!(post(right, format!("\"{}\"", "x".repeat(65 * 1024))).await, 413);
    let unknown = event("user.created", "org_a", "auth0|x", "evt_2", "2026-11-22T10:00:00Z");
    assert_eq!(post(right, unknown.to_string()).await, 204);
    let foreign = event(kind, "org_nobody", "auth0|x", "evt_3", "2026-11-22T10:00:00Z");
    assert_eq!(post(right, foreign.to_string()).await, 204);

    let deaf = Portal::spawn(&world.databases, Redis::Memory).await;
    let url = format!("{}/auth/events", deaf.base_url());
    let answer = http.post(url).bearer_auth(EVENTS_TOKEN).body(good.to_string()).send().await;
    assert_eq!(answer.unwrap().status(), 404, "no token, no door");
}
