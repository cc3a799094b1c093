//! Every route of the portal, with what a good call to it looks like.

use std::time::Duration;

use portal_api::{Access, ROUTES};
use portal_tests::client::{Answer, Browser};
use portal_tests::tenant::Tenant;
use portal_tests::waiting::eventually;
use portal_tests::{applicant, job};
use reqwest::Method;
use serde_json::{Value, json};
use tenancy::Role;
use uuid::Uuid;

const APPLY: &str = "/public/boards/{slug}/jobs/{job_slug}/apply";
const VIEW: &str = "/public/boards/{slug}/jobs/{job_slug}/view";
const FILE: &str = "/api/applications/{id}/files/{file}";

/// Pages for people and redirects: they are the same for everybody.
const PAGES: [&str; 3] = ["/", "/api/docs", "/api/docs/{file:.*}"];

/// An address that no name server knows.
const NOWHERE: &str = "https://receiver.invalid/hook";

/// One route, with what a good call to it looks like.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// Who may call it, as the portal's own table says.
    pub(crate) access: Access,
    /// What it is about.
    pub(crate) thing: Thing,
    pub(crate) body: Value,
    pub(crate) success: u16,
}

/// What a route is about, and with it what its path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    /// Nothing in particular.
    Nothing,
    /// The session itself: tokens and keys have none.
    Session,
    /// A job.
    Job,
    /// One of the caller's own sessions, by its handle.
    Device,
    /// An application for a job.
    Application,
    /// A file that came with an application.
    File,
    /// The public page of a job.
    PublicJob,
    /// An API key.
    ApiKey,
    /// A webhook.
    Webhook,
    /// One of its deliveries.
    WebhookDelivery,
    /// A member.
    Member,
    /// An invitation.
    Invitation,
    /// One of the caller's own notifications, by its number.
    Notification,
    /// A file of figures that was asked for.
    Export,
}

impl Route {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether its path names something that may be somebody else's.
    pub(crate) fn names_a_thing(&self) -> bool {
        self.path.contains('{') && !matches!(self.access, Access::Operator | Access::Public)
    }

    /// Whether it is about sessions, which tokens and keys have none of.
    pub(crate) fn is_of_sessions(&self) -> bool {
        matches!(self.thing, Thing::Session | Thing::Device)
    }

    /// Whether it removes somebody, whom others are still to meet.
    pub(crate) fn removes_people(&self) -> bool {
        self.thing == Thing::Member && self.method == Method::DELETE
    }

    /// Whether it asks the identity provider for something, which the issuer of tests has not.
    pub(crate) fn needs_provider(&self) -> bool {
        self.path.starts_with("/api/invitations") && self.method != Method::GET
    }

    /// Whether whoever calls it may be signed out afterwards.
    pub(crate) fn ends_sessions(&self) -> bool {
        self.is_of_sessions() && self.method != Method::GET
    }
}

/// The routes. One that is missing here fails the walk.
#[expect(clippy::too_many_lines, reason = "a table: one line a route")]
pub(crate) fn routes() -> Vec<Route> {
    use Thing::{
        ApiKey, Application, Device, Export, Invitation, Job, Member, Nothing, Notification,
        Session, Webhook, WebhookDelivery,
    };
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let (patch, put) = (Method::PATCH, Method::PUT);
    let invitation = json!({ "email": "somebody@example.com", "role": "viewer" });
    let none = Value::Null;
    let applicant = json!({ "name": "Ada Example", "email": "ada@applicants.example" });
    let empty = json!({});
    let key = json!({ "name": "Careers page", "scopes": ["jobs:read"] });
    vec![
        route(&get, "/live", Nothing, &none, 200),
        route(&get, "/ready", Nothing, &none, 200),
        route(&get, "/health", Nothing, &none, 200),
        route(&get, "/health/cache", Nothing, &none, 200),
        route(&get, "/metrics", Nothing, &none, 200),
        route(&get, "/api/openapi.json", Nothing, &none, 200),
        route(&get, "/auth/login", Nothing, &none, 303),
        route(&get, "/auth/callback", Nothing, &none, 400),
        route(&post, "/auth/logout", Session, &empty, 200),
        // The identity provider's own: they want its token, nobody's session.
        route(&post, "/auth/backchannel-logout", Nothing, &empty, 400),
        route(&post, "/auth/events", Nothing, &empty, 404),
        // Whoever has the link of a mail; these have none.
        route(&get, "/public/mail/unsubscribe", Nothing, &none, 404),
        route(&post, "/public/mail/unsubscribe", Nothing, &none, 404),
        route(&get, "/api/team", Nothing, &none, 200),
        route(&get, "/api/invitations", Nothing, &none, 200),
        route(&post, "/api/invitations", Nothing, &invitation, 201),
        route(&delete, "/api/invitations/{id}", Invitation, &none, 204),
        route(&patch, "/api/team/{user}/role", Member, &json!({ "role": "viewer" }), 200),
        route(&get, "/api/session", Session, &none, 200),
        route(&get, "/api/sessions", Session, &none, 200),
        route(&delete, "/api/sessions/{handle}", Device, &none, 204),
        route(&delete, "/api/sessions", Session, &none, 204),
        route(&get, "/api/events/stream", Session, &none, 200),
        route(&get, "/api/api-keys", Nothing, &none, 200),
        route(&post, "/api/api-keys", Nothing, &key, 201),
        route(&delete, "/api/api-keys/{id}", ApiKey, &none, 204),
        route(&get, "/api/webhooks", Nothing, &none, 200),
        route(&post, "/api/webhooks", Nothing, &json!({ "url": NOWHERE }), 201),
        route(&get, "/api/webhooks/{id}", Webhook, &none, 200),
        route(&patch, "/api/webhooks/{id}", Webhook, &json!({ "description": "Ours" }), 200),
        route(&post, "/api/webhooks/{id}/rotate-secret", Webhook, &empty, 200),
        route(&post, "/api/webhooks/{id}/ping", Webhook, &empty, 202),
        route(&get, "/api/webhooks/{id}/deliveries", Webhook, &none, 200),
        route(&get, "/api/webhooks/{id}/deliveries/{delivery}", WebhookDelivery, &none, 200),
        route(
            &post,
            "/api/webhooks/{id}/deliveries/{delivery}/redeliver",
            WebhookDelivery,
            &empty,
            202,
        ),
        route(&delete, "/api/webhooks/{id}", Webhook, &none, 204),
        route(&get, "/api/notifications/list", Nothing, &none, 200),
        route(&get, "/api/notifications/unread-count", Nothing, &none, 200),
        route(&get, "/api/notifications/preferences", Nothing, &none, 200),
        route(&put, "/api/notifications/preferences", Nothing, &empty, 200),
        route(&put, "/api/notifications/seen-up-to", Nothing, &json!({ "seq": 0 }), 200),
        route(&put, "/api/notifications/read-up-to", Nothing, &json!({ "seq": 0 }), 200),
        route(&put, "/api/notifications/mark-all-read", Nothing, &empty, 200),
        route(&put, "/api/notifications/{seq}/read", Notification, &empty, 200),
        route(&post, "/api/notifications/{seq}/archive", Notification, &empty, 200),
        route(&get, "/api/cache/status", Nothing, &none, 200),
        route(&get, "/api/cache/keys", Nothing, &none, 200),
        route(&delete, "/api/cache/invalidate", Nothing, &json!({ "feature": "jobs" }), 200),
        route(&post, "/api/cache/warm", Nothing, &empty, 200),
        // Nobody's here: operators have a suite of their own.
        route(&get, "/api/platform/tenants", Nothing, &none, 403),
        route(&post, "/api/platform/tenants/{id}/suspend", Nothing, &empty, 403),
        route(&post, "/api/platform/tenants/{id}/resume", Nothing, &empty, 403),
        route(&post, "/api/platform/tenants/{id}/impersonate", Nothing, &empty, 403),
        route(&delete, "/api/platform/impersonation", Nothing, &none, 403),
        route(&post, APPLY, Thing::PublicJob, &applicant, 202),
        route(&post, VIEW, Thing::PublicJob, &none, 204),
        route(&get, "/api/applications", Nothing, &none, 200),
        route(&get, "/api/jobs/{id}/applications", Job, &none, 200),
        route(&get, "/api/applications/{id}", Application, &none, 200),
        route(&get, FILE, Thing::File, &none, 200),
        route(
            &post,
            "/api/applications/{id}/move",
            Application,
            &json!({ "stage": "screen" }),
            200,
        ),
        route(&post, "/api/applications/{id}/reject", Application, &empty, 200),
        route(&post, "/api/applications/{id}/unreject", Application, &empty, 200),
        route(&post, "/api/applications/{id}/hire", Application, &empty, 200),
        route(&post, "/api/applications/{id}/withdraw", Application, &empty, 200),
        route(&get, "/api/analytics/overview", Nothing, &none, 200),
        route(&get, "/api/analytics/timeseries", Nothing, &none, 200),
        route(&get, "/api/analytics/funnel", Nothing, &none, 200),
        route(&get, "/api/analytics/breakdown", Nothing, &none, 200),
        route(&get, "/api/analytics/sources", Nothing, &none, 200),
        route(&get, "/api/analytics/time-in-stage", Nothing, &none, 200),
        route(&get, "/api/analytics/time-to-hire", Nothing, &none, 200),
        route(&get, "/api/analytics/export.csv", Nothing, &none, 200),
        route(&get, "/api/analytics/drift", Nothing, &none, 200),
        route(&get, "/api/analytics/exports", Nothing, &none, 200),
        route(&post, "/api/analytics/exports", Nothing, &empty, 202),
        route(&get, "/api/analytics/exports/{id}", Export, &none, 200),
        // Nobody makes it here: exports have a suite of their own.
        route(&get, "/api/analytics/exports/{id}/file", Export, &none, 409),
        route(&delete, "/api/analytics/exports/{id}", Export, &none, 204),
        route(&get, "/api/jobs", Nothing, &none, 200),
        route(&post, "/api/jobs", Nothing, &job::nurse(), 201),
        route(&get, "/api/jobs/stats/overview", Nothing, &none, 200),
        route(&get, "/api/jobs/facets", Nothing, &none, 200),
        route(&get, "/api/jobs/{id}", Job, &none, 200),
        route(&Method::PATCH, "/api/jobs/{id}", Job, &json!({ "openings": 4 }), 200),
        route(&Method::PUT, "/api/jobs/{id}", Job, &json!({ "openings": 5 }), 200),
        route(&post, "/api/jobs/{id}/pause", Job, &empty, 200),
        route(&post, "/api/jobs/{id}/publish", Job, &empty, 200),
        route(&post, "/api/jobs/{id}/toggle", Job, &empty, 200),
        route(&post, "/api/jobs/{id}/close", Job, &json!({ "reason": "filled" }), 200),
        route(&post, "/api/jobs/{id}/reopen", Job, &empty, 200),
        route(&post, "/api/jobs/{id}/archive", Job, &empty, 200),
        route(&post, "/api/jobs/{id}/duplicate", Job, &empty, 201),
        route(&delete, "/api/jobs/{id}", Job, &none, 204),
        // The last, since it removes the admin. (Anybody may leave, so they are not asked.)
        route(&delete, "/api/team/{user}", Member, &none, 204),
    ]
}

/// The names of the routes that have to be walked.
pub(crate) fn names_to_walk() -> Vec<String> {
    let routes = ROUTES.iter().filter(|route| !PAGES.contains(&route.path));
    routes.map(|route| format!("{} {}", route.method, route.path)).collect()
}

fn route(method: &Method, path: &'static str, thing: Thing, body: &Value, success: u16) -> Route {
    let known = ROUTES.iter().find(|known| known.method == method.as_str() && known.path == path);
    let access = known.unwrap_or_else(|| panic!("{method} {path} is no route")).access;
    Route { method: method.clone(), path, access, thing, body: body.clone(), success }
}

/// Calls a route about the thing with this id.
pub(crate) async fn calls(caller: &Browser, route: &Route, id: &str) -> Answer {
    // Some are named by what they belong to and by themselves.
    let (id, second) = id.split_once('~').unwrap_or((id, id));
    let path = route.path.replace("{slug}", id);
    let path = ["{delivery}", "{file}", "{job_slug}"]
        .iter()
        .fold(path, |path, name| path.replace(name, second));
    let names = ["{id}", "{handle}", "{user}", "{seq}"];
    let path = names.iter().fold(path, |path, name| path.replace(name, id));
    let mut request = caller.request(route.method.clone(), &path);
    let mut body = route.body.clone();
    if body.get("role").is_some() && body.get("email").is_some() {
        // Nobody is invited twice.
        body["email"] = json!(somebody());
    }
    if !body.is_null() {
        request = request.json(&body);
    }
    if matches!(route.method, Method::PATCH | Method::PUT | Method::DELETE) {
        request = request.header("If-Match", "*");
    }
    caller.send(request).await
}

/// Makes what the route is about, in a state in which its action is allowed; answers its id.
pub(crate) async fn thing_for(route: &Route, tenant: &Tenant, owner: &Browser) -> String {
    match route.thing {
        Thing::Member => {
            let role = if route.removes_people() { Role::Admin } else { Role::Viewer };
            tenant.user(role).await.to_string()
        }
        Thing::Invitation => {
            let body = json!({ "email": somebody(), "role": "viewer" });
            let invited = owner.post("/api/invitations", &body).await.expect(201);
            invited.json()["id"].as_str().unwrap().to_owned()
        }
        Thing::Nothing | Thing::Session => Uuid::now_v7().to_string(),
        Thing::Device => {
            let sessions = owner.get("/api/sessions").await.expect(200).json();
            sessions["sessions"][0]["handle"].as_str().unwrap().to_owned()
        }
        Thing::Notification => {
            tenant.tells_everybody().await;
            let heard = eventually("it is told", Duration::from_secs(20), async || {
                let list = owner.get("/api/notifications/list?unread=true").await.expect(200);
                list.json()["data"][0]["seq"].as_i64()
            });
            heard.await.to_string()
        }
        Thing::Job => job_for(route, owner).await,
        Thing::PublicJob => public_job(tenant, owner).await,
        Thing::Application => application_for(route, tenant, owner).await.0,
        Thing::File => {
            let (application, file) = application_for(route, tenant, owner).await;
            format!("{application}~{file}")
        }
        Thing::Webhook => webhook_for(route, owner).await,
        Thing::WebhookDelivery => {
            let id = webhook_for(route, owner).await;
            let path = format!("/api/webhooks/{id}/ping");
            let queued = owner.post(&path, &json!({})).await.expect(202).json();
            format!("{id}~{}", queued["id"].as_str().unwrap())
        }
        Thing::Export => export_for(owner).await,
        Thing::ApiKey => {
            let body = json!({ "name": "Walked", "scopes": ["jobs:read"] });
            let made = owner.post("/api/api-keys", &body).await.expect(201).json();
            made["id"].as_str().unwrap().to_owned()
        }
    }
}

/// One that is there already, unless it is to go: a tenant may have some only.
async fn webhook_for(route: &Route, owner: &Browser) -> String {
    let listed = owner.get("/api/webhooks").await.expect(200).json();
    let first = listed["data"][0]["id"].as_str().map(str::to_owned);
    match first {
        Some(id) if route.method != Method::DELETE => id,
        _ => {
            let made = owner.post("/api/webhooks", &json!({ "url": NOWHERE })).await;
            made.expect(201).json()["id"].as_str().unwrap().to_owned()
        }
    }
}

/// One that is there already, if there is one: a tenant may have some only.
async fn export_for(owner: &Browser) -> String {
    let listed = owner.get("/api/analytics/exports").await.expect(200).json();
    if let Some(id) = listed["data"][0]["id"].as_str() {
        return id.to_owned();
    }
    let asked = owner.post("/api/analytics/exports", &json!({})).await.expect(202);
    asked.json()["id"].as_str().unwrap().to_owned()
}

/// A published job, as the public names it.
async fn public_job(tenant: &Tenant, owner: &Browser) -> String {
    let created = owner.post("/api/jobs", &job::nurse()).await.expect(201);
    let publish = format!("{}/publish", created.header("location"));
    let _ = owner.post(&publish, &json!({})).await.expect(200);
    format!("{}~{}", tenant.slug, created.json()["slug"].as_str().unwrap())
}

/// An application in a state in which the route's action is allowed, and the file that came along.
async fn application_for(route: &Route, tenant: &Tenant, owner: &Browser) -> (String, String) {
    let job = public_job(tenant, owner).await;
    let (board, slug) = job.split_once('~').unwrap();
    let _ = applicant::applies(owner, board, slug, &somebody()).await;
    let newest = owner.get("/api/applications?limit=1").await.expect(200).json();
    let id = newest["data"][0]["id"].as_str().unwrap().to_owned();
    if route.path.ends_with("/unreject") {
        let _ = owner.post(&format!("/api/applications/{id}/reject"), &json!({})).await.expect(200);
    }
    let whole = owner.get(&format!("/api/applications/{id}")).await.expect(200).json();
    (id, whole["attachments"][0]["id"].as_str().unwrap().to_owned())
}

fn somebody() -> String {
    format!("{}@example.com", Uuid::now_v7().simple())
}

async fn job_for(route: &Route, owner: &Browser) -> String {
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
