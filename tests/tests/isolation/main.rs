//! The wall between tenants and between roles: each route, called by everybody who must not.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

use std::collections::BTreeSet;

use portal_tests::client::{Answer, Browser};
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use reqwest::Method;
use serde_json::{Value, json};
use tenancy::Role;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Whoever comes.
    Public,
    /// Members with at least this role, in the order of power; the weakest that may.
    From(Role),
    /// Members of the platform's organization, and no tenant's.
    Operator,
}

/// One route, with what a good call to it looks like.
struct Route {
    method: Method,
    path: &'static str,
    who: Who,
    body: Value,
    success: u16,
}

fn route(method: Method, path: &'static str, who: Who, body: Value, success: u16) -> Route {
    Route { method, path, who, body, success }
}

/// Every route of the portal but those of the documentation page. One that is missing here fails
/// the walk.
fn routes() -> Vec<Route> {
    use Who::{From, Operator, Public};
    let (get, post) = (Method::GET, Method::POST);
    let none = Value::Null;
    let empty = json!({});
    let recruiter = From(Role::Recruiter);
    let anybody = From(Role::Viewer);
    let admin = From(Role::Admin);
    vec![
        route(get.clone(), "/live", Public, none.clone(), 200),
        route(get.clone(), "/ready", Public, none.clone(), 200),
        route(get.clone(), "/health", Public, none.clone(), 200),
        route(get.clone(), "/health/cache", Public, none.clone(), 200),
        route(get.clone(), "/metrics", Public, none.clone(), 200),
        route(get.clone(), "/api/openapi.json", Public, none.clone(), 200),
        route(get.clone(), "/auth/login", Public, none.clone(), 303),
        route(get.clone(), "/auth/callback", Public, none.clone(), 400),
        route(post.clone(), "/auth/logout", anybody, empty.clone(), 200),
        // The identity provider's own: they want its token, nobody's session.
        route(post.clone(), "/auth/backchannel-logout", Public, empty.clone(), 400),
        route(post.clone(), "/auth/events", Public, empty.clone(), 404),
        route(get.clone(), "/api/team", anybody, none.clone(), 200),
        route(get.clone(), "/api/team/invitations", admin, none.clone(), 200),
        route(post.clone(), "/api/team/invitations", admin, invitation("new"), 201),
        route(Method::DELETE, "/api/team/invitations/{id}", admin, none.clone(), 204),
        route(Method::PATCH, "/api/team/{user}/role", admin, json!({ "role": "viewer" }), 200),
        route(get.clone(), "/api/session", anybody, none.clone(), 200),
        route(get.clone(), "/api/sessions", anybody, none.clone(), 200),
        route(Method::DELETE, "/api/sessions/{handle}", anybody, none.clone(), 204),
        route(Method::DELETE, "/api/sessions", anybody, none.clone(), 204),
        route(get.clone(), "/api/cache/status", admin, none.clone(), 200),
        route(get.clone(), "/api/cache/keys", admin, none.clone(), 200),
        route(Method::DELETE, "/api/cache/invalidate", admin, json!({ "feature": "jobs" }), 200),
        route(post.clone(), "/api/cache/warm", admin, empty.clone(), 200),
        route(get.clone(), "/api/operator/tenants", Operator, none.clone(), 403),
        route(post.clone(), "/api/operator/tenants/{id}/suspend", Operator, empty.clone(), 403),
        route(post.clone(), "/api/operator/tenants/{id}/resume", Operator, empty.clone(), 403),
        route(post.clone(), "/api/operator/impersonation", Operator, empty.clone(), 403),
        route(Method::DELETE, "/api/operator/impersonation", Operator, none.clone(), 403),
        route(get.clone(), "/api/jobs", anybody, none.clone(), 200),
        route(post.clone(), "/api/jobs", recruiter, job::nurse(), 201),
        route(get.clone(), "/api/jobs/stats/overview", anybody, none.clone(), 200),
        route(get.clone(), "/api/jobs/facets", anybody, none.clone(), 200),
        route(get, "/api/jobs/{id}", anybody, none.clone(), 200),
        route(Method::PATCH, "/api/jobs/{id}", recruiter, json!({ "openings": 4 }), 200),
        route(Method::PUT, "/api/jobs/{id}", recruiter, json!({ "openings": 5 }), 200),
        route(post.clone(), "/api/jobs/{id}/pause", recruiter, empty.clone(), 200),
        route(post.clone(), "/api/jobs/{id}/publish", recruiter, empty.clone(), 200),
        route(post.clone(), "/api/jobs/{id}/toggle", recruiter, empty.clone(), 200),
        route(post.clone(), "/api/jobs/{id}/close", recruiter, json!({ "reason": "filled" }), 200),
        route(post.clone(), "/api/jobs/{id}/reopen", recruiter, empty.clone(), 200),
        route(post.clone(), "/api/jobs/{id}/archive", recruiter, empty.clone(), 200),
        route(post, "/api/jobs/{id}/duplicate", recruiter, empty, 201),
        route(Method::DELETE, "/api/jobs/{id}", From(Role::Admin), none.clone(), 204),
        // The last, since it removes the admin. (Anybody may leave, so they are not asked.)
        route(Method::DELETE, "/api/team/{user}", admin, none, 204),
    ]
}

async fn calls(browser: &Browser, route: &Route, id: &str) -> Answer {
    let path = route.path.replace("{id}", id).replace("{handle}", id).replace("{user}", id);
    let mut request = browser.request(route.method.clone(), &path);
    if !route.body.is_null() {
        request = request.json(&route.body);
    }
    if matches!(route.method, Method::PATCH | Method::PUT | Method::DELETE) {
        request = request.header("If-Match", "*");
    }
    browser.send(request).await
}

fn invitation(name: &str) -> Value {
    json!({ "email": format!("{name}@example.com"), "role": "viewer" })
}

/// What the route's path names: a job, a member or an invitation.
async fn target_for(route: &Route, tenant: &Tenant, owner: &Browser) -> String {
    if route.path.contains("{user}") {
        let is_removal = route.method == Method::DELETE;
        let role = if is_removal { Role::Admin } else { Role::Viewer };
        return tenant.user(role).await.to_string();
    }
    if route.path == "/api/team/invitations/{id}" {
        let invited = owner.post("/api/team/invitations", &invitation("another")).await;
        return invited.expect(201).json()["id"].as_str().unwrap().to_owned();
    }
    job_for(route, owner).await
}

/// A job in a state from which the route's action is allowed.
async fn job_for(route: &Route, owner: &Browser) -> String {
    if route.path.contains("{handle}") {
        let sessions = owner.get("/api/sessions").await.expect(200).json();
        return sessions["sessions"][0]["handle"].as_str().unwrap().to_owned();
    }
    let created = owner.post("/api/jobs", &job::nurse()).await.expect(201);
    let path = created.header("location");
    let steps: &[&str] = match route.path.rsplit('/').next().unwrap() {
        "pause" | "close" => &["publish"],
        "reopen" => &["publish", "close"],
        "archive" | "toggle" => &["publish", "pause"],
        _ if route.method == Method::DELETE => &[],
        "publish" => &[],
        _ => &["publish"],
    };
    for step in steps {
        let body = if *step == "close" { json!({ "reason": "other" }) } else { json!({}) };
        let _ = owner.post(&format!("{path}/{step}"), &body).await.expect(200);
    }
    created.json()["id"].as_str().unwrap().to_owned()
}

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
    let walked: BTreeSet<String> =
        routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let described_elsewhere = ["GET /api/openapi.json".to_owned()];
    let missing: Vec<&String> = documented.difference(&walked).collect();
    let unknown: Vec<&String> = walked
        .difference(&documented)
        .filter(|route| !described_elsewhere.contains(route))
        .collect();
    assert!(missing.is_empty(), "routes that nobody walks: {missing:?}");
    assert!(unknown.is_empty(), "routes that the document lacks: {unknown:?}");
}

#[tokio::test]
async fn each_route_serves_its_callers_and_nobody_else() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let mut owner = ours.signs_in(&portal, Role::Owner).await;
    let stranger = theirs.signs_in(&portal, Role::Owner).await;
    for route in routes() {
        let name = format!("{} {}", route.method, route.path);
        // A session of its own, where the route ends one.
        let _another = if route.path.contains("{handle}") {
            Some(ours.signs_in(&portal, Role::Owner).await)
        } else {
            None
        };
        let id = target_for(&route, &ours, &owner).await;
        let weakest = match route.who {
            Who::From(weakest) => Some(weakest),
            // The owner as well, who comes last: operators have a suite of their own.
            Who::Operator => Some(Role::Owner),
            Who::Public => None,
        };
        if let Some(weakest) = weakest {
            let answer = calls(&portal.browser(), &route, &id).await;
            assert_eq!(answer.status, 401, "nobody: {name}: {}", answer.text);
            let weaker = Role::ALL.into_iter().filter(|role| *role < weakest);
            for role in weaker {
                is_refused(&ours, &portal, role, &route, &id).await;
            }
        }
        if route.path.contains('{') && route.who != Who::Operator {
            let foreign = calls(&stranger, &route, &id).await;
            let absent = calls(&stranger, &route, &uuid::Uuid::now_v7().to_string()).await;
            assert_eq!(foreign.status, 404, "another tenant: {name}: {}", foreign.text);
            assert_eq!(comparable(&foreign), comparable(&absent), "{name}");
        }
        // The right caller last, which also proves that the refused calls changed nothing.
        let ends_the_session = route.path == "/auth/logout"
            || (route.method == Method::DELETE && route.path == "/api/sessions");
        // Of somebody else: it may end all of a person's.
        let caller = if ends_the_session {
            ours.signs_in(&portal, Role::Viewer).await
        } else {
            owner.clone()
        };
        let answer = calls(&caller, &route, &id).await;
        assert_eq!(answer.status.as_u16(), route.success, "owner: {name}: {}", answer.text);
        if ends_the_session {
            // It may have been the end of all of them.
            owner = ours.signs_in(&portal, Role::Owner).await;
        }
    }
}

/// A member who is too weak is told so, or, where they may not even know the job, that there is
/// none.
async fn is_refused(tenant: &Tenant, portal: &Portal, role: Role, route: &Route, id: &str) {
    let browser = tenant.signs_in(portal, role).await;
    let answer = calls(&browser, route, id).await;
    let is_hidden = role == Role::HiringManager && route.path.contains("{id}");
    let allowed: &[u16] = if is_hidden { &[403, 404] } else { &[403] };
    assert!(
        allowed.contains(&answer.status.as_u16()),
        "{role}: {} {}: {} {}",
        route.method,
        route.path,
        answer.status,
        answer.text
    );
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
