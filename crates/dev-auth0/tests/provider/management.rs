//! The Management API, and the events that tell of changes made with it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{ADA, ALDER, Answer, BEN, BIRCH, Provider, ROLES, read};
use crate::webhook::Webhook;

/// Calls with a token of the application's own.
struct Management<'a> {
    provider: &'a Provider,
    token: String,
}

impl<'a> Management<'a> {
    async fn of(provider: &'a Provider) -> Self {
        let answer = token(provider, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        Self { provider, token }
    }

    async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        let url = format!("{}/api/v2/{path}", self.provider.base);
        let request = self.provider.http().request(method.parse().unwrap(), url);
        let request = request.bearer_auth(&self.token);
        read(if body.is_null() { request } else { request.json(&body) }).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    async fn role(&self, name: &str) -> Value {
        let roles = self.get(&format!("roles?name_filter={name}")).await;
        roles[0]["id"].clone()
    }
}

async fn token(provider: &Provider, changes: &[(&str, &str)]) -> Answer {
    let audience = format!("{}api/v2/", provider.issuer);
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", "portal-dev"),
        ("client_secret", "portal-dev-secret"),
        ("audience", audience.as_str()),
    ];
    form.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    form.extend(changes);
    provider.post_form("/oauth/token", &form).await
}

#[tokio::test]
async fn the_application_gets_tokens_in_its_own_name() {
    let provider = Provider::start().await;
    let answer = token(&provider, &[("scope", "read:roles")]).await.json();
    let audience = format!("{}api/v2/", provider.issuer);
    let claims = provider.verify(answer["access_token"].as_str().unwrap(), &audience).await;
    let claims = claims.unwrap();
    assert_eq!(
        (&claims["sub"], &claims["scope"]),
        (&json!("portal-dev@clients"), &json!("read:roles"))
    );
    assert_eq!(claims["gty"], "client-credentials");
    assert!(answer.get("refresh_token").is_none());

    let weak = Management {
        provider: &provider,
        token: answer["access_token"].as_str().unwrap().to_owned(),
    };
    let refused = weak.call("GET", &format!("organizations/{ALDER}/members"), Value::Null).await;
    assert_eq!((refused.status, &refused.json()["errorCode"]), (403, &json!("insufficient_scope")));
    let stranger = Management { provider: &provider, token: "x".to_owned() };
    assert_eq!(stranger.call("GET", "roles", Value::Null).await.status, 401);
    let of_ada = provider.tokens(ADA, ALDER).await["access_token"].as_str().unwrap().to_owned();
    let person = Management { provider: &provider, token: of_ada };
    assert_eq!(person.call("GET", "roles", Value::Null).await.status, 401, "another audience");

    for (changes, status) in [
        (("client_secret", "wrong"), 401),
        (("scope", "read:everything"), 403),
        (("audience", "no-address"), 403),
    ] {
        assert_eq!(token(&provider, &[changes]).await.status, status, "{changes:?}");
    }
    let machine = [("audience", "https://api.example"), ("organization", ALDER)];
    assert_eq!(token(&provider, &machine).await.status, 200);
    assert_eq!(token(&provider, &[("organization", ALDER)]).await.status, 400);
}

#[tokio::test]
async fn roles_of_members_are_given_and_taken() {
    let provider = Provider::start().await;
    let management = Management::of(&provider).await;
    let hook = Webhook::start(vec![200]).await;
    let stream = json!({ "url": hook.url, "token": "the-bearer", "organization": ALDER });
    assert_eq!(provider.put("/dev/event-streams/one", &stream).await.status, 204);

    let path = format!("organizations/{ALDER}/members/{}/roles", ADA.replace('|', "%7C"));
    let admin = management.role("admin").await;
    let both = json!({ "roles": [admin, management.role("recruiter").await] });
    assert_eq!(management.call("POST", &path, both).await.status, 204);
    let names = |roles: &Value| -> Vec<String> {
        roles.as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&management.get(&path).await), ["recruiter", "admin"]);
    let effective = path.replace("/roles", "/effective-roles");
    assert_eq!(names(&management.get(&effective).await["roles"]), ["recruiter", "admin"]);
    let tokens = provider.tokens(ADA, ALDER).await;
    let claims = provider.verify(tokens["id_token"].as_str().unwrap(), "portal-dev").await.unwrap();
    assert_eq!(claims[ROLES], json!(["recruiter", "admin"]));
    assert_eq!(management.call("DELETE", &path, json!({ "roles": [admin] })).await.status, 204);
    assert_eq!(names(&management.get(&path).await), ["recruiter"]);

    // Of the two roles one was new, so there are two events.
    let events = hook.receives(2).await;
    for (event, kind) in
        events.iter().zip(["organization.member.role.assigned", "organization.member.role.deleted"])
    {
        assert_eq!(event.bearer, "Bearer the-bearer");
        let body = &event.body;
        assert_eq!((&body["type"], &body["specversion"]), (&json!(kind), &json!("1.0")));
        assert!(body["id"].as_str().unwrap().starts_with("evt_"));
        let object = &body["data"]["object"];
        assert_eq!(object["organization"]["id"], ALDER);
        assert_eq!(object["user"]["user_id"], ADA);
        assert_eq!((&object["role"]["id"], &object["role"]["name"]), (&admin, &json!("admin")));
    }
    for (path, body, status) in [
        (path.replace(ALDER, "org_unknown"), json!({ "roles": [admin] }), 404),
        (path.replace("ada", "nobody"), json!({ "roles": [admin] }), 404),
        (path.clone(), json!({ "roles": ["rol_unknown"] }), 404),
        (path.clone(), json!({ "roles": [] }), 400),
    ] {
        assert_eq!(management.call("POST", &path, body).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn members_join_and_leave() {
    let provider = Provider::start().await;
    let management = Management::of(&provider).await;
    let members = format!("organizations/{BIRCH}/members");
    let ada = json!({ "members": [ADA] });
    assert_eq!(management.call("POST", &members, ada.clone()).await.status, 204);
    let listed = management.get(&format!("{members}?page=0&per_page=1&include_totals=true")).await;
    assert_eq!((&listed["total"], &listed["members"][0]["user_id"]), (&json!(2), &json!(ADA)));
    let of_ada = format!("users/{}/organizations", ADA.replace('|', "%7C"));
    assert_eq!(management.get(&of_ada).await.as_array().unwrap().len(), 2);
    assert_eq!(management.call("DELETE", &members, ada).await.status, 204);
    let roles = format!("{members}/{ADA}/roles");
    assert_eq!(management.call("GET", &roles, Value::Null).await.status, 404);
    let page = provider.authorize(&[("organization", BIRCH)]).await;
    let refused = provider.choose(&page, ADA, BIRCH).await;
    assert_eq!(refused.returned("error").as_deref(), Some("access_denied"));
    assert_eq!(management.get(&format!("organizations/{BIRCH}")).await["name"], "birch");
}

#[tokio::test]
async fn an_invitation_has_a_link_and_gives_roles() {
    let provider = Provider::start().await;
    let management = Management::of(&provider).await;
    let path = format!("organizations/{BIRCH}/invitations");
    let wanted = json!({
        "inviter": { "name": "Ben" }, "invitee": { "email": "ada@example.test" },
        "client_id": "portal-dev", "roles": [management.role("admin").await], "ttl_sec": 60,
        "send_invitation_email": false,
    });
    let first = management.call("POST", &path, wanted.clone()).await;
    assert_eq!(first.status, 201, "{first:?}");
    let second = management.call("POST", &path, wanted).await.json();
    let link = url::Url::parse(first.json()["invitation_url"].as_str().unwrap()).unwrap();
    assert_eq!(link.path(), "/auth/login");
    let query: Vec<(String, String)> = link.query_pairs().into_owned().collect();
    assert_eq!(query[1], ("organization".to_owned(), BIRCH.to_owned()));
    assert_eq!(query[2].0, "organization_name");
    assert_eq!(management.get(&path).await.as_array().unwrap().len(), 2);
    let of_second = format!("{path}/{}", second["id"].as_str().unwrap());
    assert_eq!(management.call("DELETE", &of_second, Value::Null).await.status, 204);
    assert_eq!(management.call("DELETE", &of_second, Value::Null).await.status, 404);

    let asked = [("organization", BIRCH), ("invitation", query[0].1.as_str())];
    let page = provider.authorize(&asked).await;
    let code = provider.choose(&page, ADA, BIRCH).await.code();
    let tokens = provider.exchange(&code, &[]).await.json();
    let claims = provider.verify(tokens["id_token"].as_str().unwrap(), "portal-dev").await.unwrap();
    assert_eq!((&claims["org_id"], &claims[ROLES]), (&json!(BIRCH), &json!(["admin"])));
    assert!(management.get(&path).await.as_array().unwrap().is_empty());
}

#[tokio::test]
async fn deliveries_are_repeated_doubled_and_reordered() {
    let provider = Provider::start().await;
    let management = Management::of(&provider).await;
    let members = format!("organizations/{BIRCH}/members");
    let stream = |hook: &Webhook, switch: &str| {
        let mut stream = json!({ "url": hook.url, "token": "t", "organization": BIRCH });
        stream[switch] = json!(true);
        stream
    };
    // A failure is tried again after a second, a refusal is not.
    let (failing, refusing) =
        (Webhook::start(vec![503, 200]).await, Webhook::start(vec![400]).await);
    let (doubling, mixing) = (Webhook::start(vec![200]).await, Webhook::start(vec![200]).await);
    for (name, hook, switch) in [
        ("failing", &failing, "duplicate"),
        ("refusing", &refusing, "reorder"),
        ("doubling", &doubling, "duplicate"),
        ("mixing", &mixing, "reorder"),
    ] {
        let mut stream = stream(hook, switch);
        if name == "failing" || name == "refusing" {
            stream[switch] = json!(false);
        }
        let path = format!("/dev/event-streams/{name}");
        assert_eq!(provider.put(&path, &stream).await.status, 204);
    }
    let started = Instant::now();
    for method in ["POST", "DELETE"] {
        let answer = management.call(method, &members, json!({ "members": [ADA] })).await;
        assert_eq!(answer.status, 204);
    }
    let doubled = doubling.receives(4).await;
    let ids: std::collections::BTreeSet<_> =
        doubled.iter().map(|e| e.body["id"].to_string()).collect();
    assert_eq!(ids.len(), 2);
    let mixed = mixing.receives(2).await;
    assert_eq!(mixed[0].body["type"], "organization.member.deleted", "it overtook the other");
    assert!(mixed[0].body["time"].as_str() > mixed[1].body["time"].as_str());
    failing.receives(3).await;
    assert!(started.elapsed() >= Duration::from_secs(1), "a pause before the second attempt");
    let refused = provider.get("/dev/event-streams/refusing").await.json();
    assert_eq!((&refused["attempts"], &refused["given_up"]), (&json!(2), &json!(2)));

    let made_up = json!({
        "url": doubling.url, "token": "t", "type": "organization.member.role.deleted",
        "organization": BIRCH, "user": BEN, "role": "viewer", "id": "evt_x",
        "time": "2026-01-02T03:04:05Z",
    });
    let sent = provider.post("/dev/events", &made_up).await.json();
    assert_eq!((&sent["status"], &sent["event"]["id"]), (&json!(200), &json!("evt_x")));
    assert_eq!(sent["event"]["time"], "2026-01-02T03:04:05Z");
}

#[tokio::test]
async fn limits_are_told_as_auth0_tells_them() {
    let provider = Provider::start().await;
    let management = Management::of(&provider).await;
    let faults = json!({
        "subject": BIRCH, "once": true, "management_status": 429, "rate_limit_reset_seconds": 30,
    });
    assert_eq!(provider.put("/dev/faults", &faults).await.status, 204);
    let path = format!("organizations/{BIRCH}/members");
    let limited = management.call("GET", &path, Value::Null).await;
    assert_eq!((limited.status, &limited.json()["errorCode"]), (429, &json!("too_many_requests")));
    assert_eq!(limited.headers["x-ratelimit-remaining"], "0");
    let reset: i64 = limited.headers["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
    assert!(reset > 1_700_000_000);
    assert!(!limited.headers.contains_key("retry-after"));
    assert_eq!(management.call("GET", &path, Value::Null).await.status, 200, "it was once");

    let lost = json!({ "subject": ADA, "once": true, "management_reply_lost": true });
    assert_eq!(provider.put("/dev/faults", &lost).await.status, 204);
    let roles = format!("organizations/{ALDER}/members/{ADA}/roles");
    let admin = json!({ "roles": [management.role("admin").await] });
    assert_eq!(management.call("POST", &roles, admin).await.status, 503);
    assert_eq!(management.get(&roles).await.as_array().unwrap().len(), 2, "but it was done");
}
