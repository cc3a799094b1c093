//! The wall between tenants and between roles: each route, called by everybody who may call it and
//! by everybody who must not.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails where it stands"
)]

mod callers;
mod table;

use std::collections::BTreeSet;

use portal_api::Access;
use portal_tests::client::Answer;
use portal_tests::issuer::Issuer;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::Value;
use tenancy::Role;

use crate::callers::Callers;
use crate::table::{Route, Thing, calls, names_to_walk, routes, thing_for};

/// Whoever walks all routes makes many keys.
const LIFTED: [(&str, &str); 5] = [
    ("PORTAL__EXPORTS__OPEN_PER_TENANT", "200"),
    ("PORTAL__EXPORTS__KEPT_PER_TENANT", "200"),
    ("PORTAL__AUTH__API_KEYS_PER_TENANT", "1000"),
    ("PORTAL__WEBHOOKS__PER_TENANT", "100"),
    // Whoever calls a route waits for the end of its answer.
    ("PORTAL__EVENTS__MAX_AGE_SECONDS", "1"),
];

#[tokio::test]
async fn every_route_is_in_the_table() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let document = portal.browser().get("/api/openapi.json").await.expect(200).json();
    let documented: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let walked: BTreeSet<String> = routes().iter().map(Route::name).collect();
    let routed: BTreeSet<String> = names_to_walk().into_iter().collect();
    let missing: Vec<&String> = routed.difference(&walked).collect();
    assert!(missing.is_empty(), "routes that nobody walks: {missing:?}");
    let described_elsewhere = ["GET /api/openapi.json".to_owned()];
    let unknown: Vec<&String> = walked
        .difference(&documented)
        .filter(|route| !described_elsewhere.contains(route))
        .collect();
    assert!(unknown.is_empty(), "routes that the document lacks: {unknown:?}");
}

#[tokio::test]
async fn each_route_serves_its_tenant_and_nobody_else() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &LIFTED).await;
    let mut owner = ours.signs_in(&portal, Role::Owner).await;
    let stranger = theirs.signs_in(&portal, Role::Owner).await;
    for route in routes() {
        let name = route.name();
        let id = thing_for(&route, &ours, &owner).await;
        if !matches!(route.access, Access::Public | Access::IdentityProvider | Access::SignedLink) {
            let answer = calls(&portal.browser(), &route, &id).await;
            assert_eq!(answer.status, 401, "nobody: {name}: {}", answer.text);
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"portal\"", "{name}");
        }
        if route.names_a_thing() {
            let foreign = calls(&stranger, &route, &id).await;
            let absent = calls(&stranger, &route, &uuid::Uuid::now_v7().to_string()).await;
            assert_eq!(foreign.status, 404, "another tenant: {name}: {}", foreign.text);
            assert_eq!(comparable(&foreign), comparable(&absent), "{name}");
        }
        // The right caller last, which also proves that the refused calls changed nothing.
        let answer = calls(&owner, &route, &id).await;
        assert_eq!(answer.status.as_u16(), route.success, "owner: {name}: {}", answer.text);
        if route.ends_sessions() {
            owner = ours.signs_in(&portal, Role::Owner).await;
        }
    }
}

#[tokio::test]
async fn each_route_serves_each_role_session_token_and_key_as_the_matrix_says() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let issuer = Issuer::start();
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &LIFTED).await;
    let tokens = issuer.portal_with(&world.databases, Redis::Memory, &LIFTED).await;
    let callers = Callers::of(&tenant, &portal, &tokens, &issuer).await;
    for route in routes() {
        if route.ends_sessions() {
            let another = world.tenant().await;
            Callers::of(&another, &portal, &tokens, &issuer).await.walk(&route).await;
        } else {
            callers.walk(&route).await;
        }
    }
}

#[tokio::test]
async fn a_tokens_and_a_keys_tenant_is_their_own() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let issuer = Issuer::start();
    let portal = issuer.portal_with(&world.databases, Redis::Memory, &LIFTED).await;
    let scopes = "jobs:read jobs:write jobs:archive jobs:delete api_keys:manage \
                  applications:read applications:write";
    let call = |org: &str, subject: &str| {
        portal.browser().with_token(&issuer.token("at+jwt", subject, org, scopes))
    };
    let owner = call(&ours.org, &ours.subject(Role::Owner));
    let member = call(&theirs.org, &theirs.subject(Role::Owner));
    let machine = portal.browser().with_token(&issuer.machine_token("JWT", &theirs.org, scopes));
    let of_tenants = |route: &Route| {
        matches!(route.thing, Thing::Job | Thing::ApiKey | Thing::Application | Thing::File)
    };
    for route in routes().into_iter().filter(of_tenants) {
        let id = thing_for(&route, &ours, &owner).await;
        let is_for_machines = matches!(
            route.access, Access::Needs(permission) if permission.is_for_machines()
        );
        for (caller, is_asked) in [(&member, true), (&machine, is_for_machines)] {
            if is_asked {
                let answer = calls(caller, &route, &id).await;
                assert_eq!(answer.status, 404, "{}: {}", route.name(), answer.text);
            }
        }
    }
    // A token for an organization that its holder is no member of opens nothing.
    let intruder = call(&ours.org, &theirs.subject(Role::Owner));
    drop(intruder.get("/api/jobs").await.expect_problem(401, "unauthenticated"));
}

/// What two answers may be compared by: everything but what names the request itself.
fn comparable(answer: &Answer) -> (u16, Value, BTreeSet<String>) {
    let mut body = answer.json();
    for field in ["request_id", "instance"] {
        body.as_object_mut().unwrap().remove(field);
    }
    let headers = answer.headers.keys().map(ToString::to_string).collect();
    (answer.status.as_u16(), body, headers)
}
