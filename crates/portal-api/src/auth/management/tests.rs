//! The client against a Management API on this machine that misbehaves as told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tenancy::{ManualClock, OrgId, Role};
use time::OffsetDateTime;
use time::macros::datetime;

use super::{Invite, ManagementClient, ManagementError, ManagementSettings, Place};

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);
const ADA: &str = "auth0|ada";

/// What is answered, and what was asked.
#[derive(Default)]
struct Script {
    /// By method and path; the last one of a list is given for ever.
    answers: BTreeMap<String, VecDeque<(u16, Value)>>,
    /// Seconds from now that a 429 names.
    reset_in: Option<i64>,
    tokens: usize,
    token_seconds: u64,
    token_status: u16,
    calls: Vec<(String, Value)>,
}

type Shared = web::Data<Mutex<Script>>;

struct Api {
    script: Shared,
    client: ManagementClient,
    server: ServerHandle,
}

impl Drop for Api {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

impl Api {
    fn start() -> Self {
        let script = web::Data::new(Mutex::new(Script {
            token_seconds: 3_600,
            token_status: 200,
            ..Script::default()
        }));
        let data = script.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(data.clone()).default_service(web::to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let settings = ManagementSettings {
            issuer: format!("http://{}/", server.addrs()[0]).parse().unwrap(),
            client_id: "management".to_owned(),
            client_secret: "hunter2".into(),
            application: "portal".to_owned(),
            request_timeout: Duration::from_secs(2),
        };
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let client = ManagementClient::new(settings, Arc::new(ManualClock::at(NOW))).unwrap();
        Self { script, client, server: handle }
    }

    fn answers(&self, call: &str, answers: &[(u16, Value)]) {
        let answers = answers.iter().cloned().collect();
        self.script.lock().unwrap().answers.insert(call.to_owned(), answers);
    }

    fn calls(&self) -> Vec<String> {
        self.script.lock().unwrap().calls.iter().map(|(call, _)| call.clone()).collect()
    }

    fn body_of(&self, call: &str) -> Value {
        let script = self.script.lock().unwrap();
        script.calls.iter().find(|(name, _)| name == call).unwrap().1.clone()
    }
}

async fn answer(request: HttpRequest, body: web::Bytes, script: Shared) -> HttpResponse {
    let mut script = script.lock().unwrap();
    if request.path() == "/oauth/token" {
        let form = String::from_utf8_lossy(&body).into_owned();
        let is_right = form.contains("client_secret=hunter2") && form.contains("%2Fapi%2Fv2%2F");
        assert!(is_right, "{form}");
        script.tokens += 1;
        let token = format!("token-{}", script.tokens);
        let status = script.token_status;
        let answer = if status == 200 {
            json!({ "access_token": token, "expires_in": script.token_seconds })
        } else {
            json!({ "error": "access_denied" })
        };
        return HttpResponse::build(status.try_into().unwrap()).json(answer);
    }
    let call = format!("{} {}", request.method(), request.path());
    let body = serde_json::from_slice(&body).unwrap_or_default();
    script.calls.push((call.clone(), body));
    let (status, body) = match script.answers.get_mut(&call) {
        None => (404, json!({ "errorCode": "not_found" })),
        Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
        Some(answers) => answers.front().cloned().unwrap(),
    };
    let mut response = HttpResponse::build(status.try_into().unwrap());
    if let (429, Some(seconds)) = (status, script.reset_in) {
        let at = NOW.unix_timestamp() + seconds;
        response.insert_header(("x-ratelimit-reset", at.to_string()));
    }
    if status == 204 { response.finish() } else { response.json(body) }
}

fn org() -> OrgId {
    "org_a".parse().unwrap()
}

const EFFECTIVE: &str = "GET /api/v2/organizations/org%5Fa/members/auth0%7Cada/effective%2Droles";
const ROLES: &str = "GET /api/v2/organizations/org%5Fa/members/auth0%7Cada/roles";
const ORGANIZATION: &str = "GET /api/v2/organizations/org%5Fa";
const OF_ADA: &str = "GET /api/v2/users/auth0%7Cada/organizations";

fn role(name: &str) -> Value {
    json!({ "id": format!("rol_{name}"), "name": name, "description": "" })
}

#[actix_web::test]
async fn a_place_is_the_strongest_role_that_we_know() {
    let api = Api::start();
    let roles = json!({ "roles": [role("viewer"), role("Billing"), role("admin")] });
    api.answers(EFFECTIVE, &[(200, roles)]);
    assert_eq!(api.client.find_place(&org(), ADA).await.unwrap(), Place::Member(Role::Admin));
    api.answers(EFFECTIVE, &[(200, json!({ "roles": [role("Billing")] }))]);
    assert_eq!(api.client.find_place(&org(), ADA).await.unwrap(), Place::Member(Role::Viewer));
    assert_eq!(api.script.lock().unwrap().tokens, 1, "the token is kept");

    // No effective roles there: the direct ones count.
    let api = Api::start();
    api.answers(ROLES, &[(200, json!([role("owner")]))]);
    assert_eq!(api.client.find_place(&org(), ADA).await.unwrap(), Place::Member(Role::Owner));
}

#[actix_web::test]
async fn an_empty_list_may_be_a_strangers() {
    let api = Api::start();
    api.answers(EFFECTIVE, &[(200, json!({ "roles": [] }))]);
    api.answers(OF_ADA, &[(200, json!([{ "id": "org_b" }, { "id": "org_a" }]))]);
    assert_eq!(api.client.find_place(&org(), ADA).await.unwrap(), Place::Member(Role::Viewer));
    api.answers(ORGANIZATION, &[(200, json!({ "id": "org_a", "name": "a" }))]);
    api.answers(OF_ADA, &[(200, json!([{ "id": "org_b" }]))]);
    assert_eq!(api.client.find_place(&org(), ADA).await.unwrap(), Place::Stranger);
    api.answers(OF_ADA, &[(404, json!({}))]);
    assert_eq!(api.client.find_place(&org(), ADA).await.unwrap(), Place::Stranger);
    api.answers(OF_ADA, &[(500, json!({}))]);
    let unknown = api.client.find_place(&org(), ADA).await;
    assert!(matches!(unknown, Err(ManagementError::Unavailable(_))), "not a stranger");
}

#[actix_web::test]
async fn an_address_where_nothing_is_found_makes_nobody_a_stranger() {
    let api = Api::start();
    for path in [EFFECTIVE, ROLES, OF_ADA, ORGANIZATION] {
        api.answers(path, &[(404, json!({}))]);
    }
    let unknown = api.client.find_place(&org(), ADA).await;
    assert!(matches!(unknown, Err(ManagementError::Unusable(_))), "{unknown:?}");
}

#[actix_web::test]
async fn a_role_is_given_before_the_others_are_taken() {
    let api = Api::start();
    let path = ROLES.trim_start_matches("GET ");
    api.answers(ROLES, &[(200, json!([role("admin"), role("Billing")]))]);
    api.answers("GET /api/v2/roles", &[(200, json!([role("super viewer"), role("viewer")]))]);
    api.answers(&format!("POST {path}"), &[(204, json!({}))]);
    api.answers(&format!("DELETE {path}"), &[(204, json!({}))]);
    api.answers(EFFECTIVE, &[(200, json!({ "roles": [role("viewer")] }))]);
    let place = api.client.put_role(&org(), ADA, Role::Viewer).await.unwrap();
    assert_eq!(place, Place::Member(Role::Viewer));
    let calls = api.calls();
    let position = |call: &str| calls.iter().position(|made| made.starts_with(call)).unwrap();
    assert!(position("POST") < position("DELETE"), "{calls:?}");
    assert_eq!(api.body_of(&format!("POST {path}")), json!({ "roles": ["rol_viewer"] }));
    assert_eq!(api.body_of(&format!("DELETE {path}")), json!({ "roles": ["rol_admin"] }));
}

#[actix_web::test]
async fn a_token_that_is_not_taken_is_renewed_once() {
    let api = Api::start();
    let roles = json!({ "roles": [role("viewer")] });
    api.answers(EFFECTIVE, &[(401, json!({})), (200, roles)]);
    assert!(api.client.find_place(&org(), ADA).await.is_ok());
    assert_eq!(api.script.lock().unwrap().tokens, 2);
    api.answers(EFFECTIVE, &[(401, json!({}))]);
    let refused = api.client.find_place(&org(), ADA).await.unwrap_err();
    assert!(matches!(refused, ManagementError::Refused { status: 401, .. }));

    let api = Api::start();
    api.script.lock().unwrap().token_status = 403;
    let refused = api.client.find_place(&org(), ADA).await.unwrap_err();
    assert!(refused.to_string().ends_with("403: access_denied"), "{refused}");
    assert!(!format!("{refused:?} {:?}", api.client).contains("hunter2"));
}

#[actix_web::test]
async fn a_limit_is_waited_for_where_it_is_near_and_told_where_it_is_not() {
    let api = Api::start();
    api.script.lock().unwrap().reset_in = Some(1);
    let roles = json!({ "roles": [role("viewer")] });
    api.answers(EFFECTIVE, &[(429, json!({})), (200, roles)]);
    assert!(api.client.find_place(&org(), ADA).await.is_ok());

    api.script.lock().unwrap().reset_in = Some(30);
    api.answers(EFFECTIVE, &[(429, json!({}))]);
    let limited = api.client.find_place(&org(), ADA).await.unwrap_err();
    let after = Duration::from_secs(30);
    assert!(matches!(limited, ManagementError::RateLimited { after: told } if told == after));
    let before = api.calls().len();
    assert!(api.client.remove_member(&org(), ADA).await.is_err());
    assert_eq!(api.calls().len(), before, "nobody asks while the gate is shut");
}

#[actix_web::test]
async fn answers_are_bounded() {
    let api = Api::start();
    let huge = "x".repeat(1024 * 1024 + 1);
    api.answers(EFFECTIVE, &[(200, json!({ "roles": [role(&huge)] }))]);
    let refused = api.client.find_place(&org(), ADA).await.unwrap_err();
    assert!(matches!(refused, ManagementError::Unavailable(_)), "{refused}");
    api.answers(EFFECTIVE, &[(200, json!([]))]);
    let refused = api.client.find_place(&org(), ADA).await.unwrap_err();
    assert!(matches!(refused, ManagementError::Unusable(_)), "{refused}");
}

#[actix_web::test]
async fn an_invitation_is_known_by_the_ticket_of_its_link() {
    let api = Api::start();
    let path = "POST /api/v2/organizations/org%5Fa/invitations";
    let answer = |url: &str| {
        json!({
            "id": "uinv_1", "ticket_id": "t-2", "invitation_url": url,
            "expires_at": "2026-11-27T12:00:00.000Z", "invitee": {},
        })
    };
    let invite = Invite {
        org: &org(),
        email: "ada@example.com",
        inviter: "Ben",
        role: None,
        lifetime_seconds: 60,
        sends_mail: true,
    };
    api.answers(
        path,
        &[(201, answer("https://x.example/login?invitation=t-1&organization=org_a"))],
    );
    let invited = api.client.invite(&invite).await.unwrap().unwrap();
    let ticket = secrecy::ExposeSecret::expose_secret(&invited.ticket);
    assert_eq!((invited.id.as_str(), ticket), ("uinv_1", "t-1"));
    assert!(!format!("{invited:?}").contains("t-1"));
    let body = api.body_of(path);
    assert_eq!((&body["client_id"], &body["ttl_sec"]), (&json!("portal"), &json!(60)));
    assert!(body.get("roles").is_none(), "roles are ours alone");
    let mut without = answer("https://x.example/");
    without["ticket_id"] = Value::Null;
    api.answers(path, &[(201, without)]);
    assert!(matches!(api.client.invite(&invite).await, Err(ManagementError::Unusable(_))));
}
