//! The routes: a secret is shown once, addresses are judged, changes are guarded.

use std::collections::HashSet;

use base64::Engine as _;
use portal_tests::receiver::{Manner, Receiver};
use reqwest::Method;
use serde_json::{Value, json};
use tenancy::Role;

use crate::support::{OPEN, SOON, Setup};

#[tokio::test]
async fn a_ping_arrives_signed_and_the_secret_is_shown_once() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::Answers(204)]).await;
    let hook = setup.hook_at(&receiver).await;
    assert!(hook.secret.starts_with("whsec_"));
    let id = setup.pings(&hook).await;
    let delivery = setup.delivery_once(&hook, &id, "delivered").await;
    let letters = receiver.gets(1, SOON).await;
    let message = &letters[0];
    assert!(message.is_signed_with(&hook.secret));
    assert!(!message.is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert_eq!(message.header("webhook-id"), delivery["webhook_id"]);
    assert_eq!(message.header("content-type"), "application/json");
    assert_eq!(message.json()["type"], "webhook.ping");
    assert_eq!(message.body, delivery["body"].as_str().unwrap().as_bytes());
    assert_eq!(delivery["log"][0]["status_code"], 204);

    for path in ["/api/webhooks", &hook.path] {
        let shown = setup.owner.get(path).await.expect(200).text;
        assert!(!shown.contains("whsec_"), "{shown}");
    }
    let log = setup.portal.log();
    assert!(!log.contains(&hook.secret), "the log holds no secret");
    assert!(!log.contains("t0p"), "nor an address, which may hold one");
    let trail = setup.tenant.audit_trail("webhook_created").await;
    assert_eq!(trail[0].1, format!("webhook:{}", hook.id));
    let stored: Vec<u8> = sqlx::query_scalar("SELECT secret FROM webhook_endpoints WHERE id = $1")
        .bind(hook.id.parse::<uuid::Uuid>().unwrap())
        .fetch_one(&mut setup.superuser().await)
        .await
        .unwrap();
    let encoded = hook.secret.strip_prefix("whsec_").unwrap();
    let plain = base64::prelude::BASE64_STANDARD.decode(encoded).unwrap();
    assert!(!stored.windows(plain.len()).any(|part| part == plain), "it is kept sealed");
}

#[tokio::test]
async fn a_replaced_secret_signs_beside_the_new_one_for_a_while() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::Answers(200)]).await;
    let hook = setup.hook_at(&receiver).await;
    let rotate = format!("{}/rotate-secret", hook.path);
    let rotated = setup.owner.post(&rotate, &json!({})).await.expect(200);
    assert_eq!(rotated.header("cache-control"), "no-store");
    let rotated = rotated.json();
    let newer = rotated["secret"].as_str().unwrap();
    assert_ne!(newer, hook.secret);
    assert!(rotated["old_secret_until"].is_string());
    let _ = setup.pings(&hook).await;
    let letters = receiver.gets(1, SOON).await;
    assert!(letters[0].is_signed_with(newer));
    assert!(letters[0].is_signed_with(&hook.secret), "the receiver may change over later");

    let over = "UPDATE webhook_endpoints SET old_secret_until = now() WHERE tenant_id = $1";
    let query = sqlx::query(over).bind(setup.tenant.id);
    query.execute(&mut setup.superuser().await).await.unwrap();
    let _ = setup.pings(&hook).await;
    let letters = receiver.gets(2, SOON).await;
    assert!(letters[1].is_signed_with(newer));
    assert!(!letters[1].is_signed_with(&hook.secret), "its time is over");
    assert_eq!(setup.tenant.audited("webhook_secret_rotated").await, 1);
}

#[tokio::test]
async fn addresses_that_lead_inside_are_refused_when_they_stand_there() {
    let setup = Setup::start().await;
    for url in [
        "http://127.0.0.1:9000/",
        "http://2130706433/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.1]/",
        "https://user:word@example.com/",
        "https://example.com:25/",
        "ftp://example.com/",
        "nowhere",
    ] {
        let answer = setup.owner.post("/api/webhooks", &json!({ "url": url })).await;
        let problem = answer.expect_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "#/url", "{url}");
    }
    let body = json!({ "url": "https://example.com/", "kinds": ["job.created", "job.lost"] });
    let answer = setup.owner.post("/api/webhooks", &body).await;
    let problem = answer.expect_problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "#/kinds/1");
}

#[tokio::test]
async fn changes_name_the_version_that_they_are_meant_for() {
    let setup = Setup::start().await;
    let hook = setup.makes("https://receiver.invalid/").await;
    let patch = json!({ "description": "Ours", "kinds": ["job.updated", "job.created"] });
    let etag = setup.owner.get(&hook.path).await.header("etag");
    let changed = setup.owner.patch(&hook.path, &etag, &patch).await.expect(200);
    assert_eq!(changed.json()["kinds"], json!(["job.created", "job.updated"]));
    assert_ne!(changed.header("etag"), etag);
    let stale = setup.owner.patch(&hook.path, &etag, &patch).await;
    drop(stale.expect_problem(412, "precondition_failed"));
    let without = setup.owner.request(Method::PATCH, &hook.path).json(&patch);
    drop(setup.owner.send(without).await.expect_problem(428, "precondition_required"));
    let inside = json!({ "url": "https://10.0.0.1/" });
    let refused = setup.owner.patch(&hook.path, &changed.header("etag"), &inside).await;
    drop(refused.expect_problem(422, "validation_failed"));
    assert_eq!(setup.sends(Method::DELETE, &hook.path, &Value::Null).await, 204);
    drop(setup.owner.get(&hook.path).await.expect_problem(404, "not_found"));
    assert_eq!(setup.tenant.audited("webhook_deleted").await, 1);
}

#[tokio::test]
async fn a_tenant_has_some_webhooks_and_no_more() {
    let setup = Setup::start().await;
    for _ in 0..20 {
        let _ = setup.makes("https://receiver.invalid/").await;
    }
    let body = json!({ "url": "https://receiver.invalid/" });
    let refused = setup.owner.post("/api/webhooks", &body).await;
    drop(refused.expect_problem(409, "conflict"));
    let recruiter = setup.tenant.signs_in(&setup.portal, Role::Recruiter).await;
    drop(recruiter.get("/api/webhooks").await.expect_problem(403, "forbidden"));
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_page_by_page() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::Answers(200)]).await;
    let hook = setup.hook_at(&receiver).await;
    let mut wanted = Vec::new();
    for _ in 0..5 {
        wanted.insert(0, setup.tells(&hook).await);
    }
    for id in &wanted {
        let _ = setup.delivery_once(&hook, id, "delivered").await;
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{}/deliveries?limit=2&status=delivered{cursor}", hook.path);
        let page = setup.owner.get(&path).await.expect(200).json();
        let ids = page["data"].as_array().unwrap().iter();
        found.extend(ids.map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["page"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, wanted);
    let unique: HashSet<&String> = found.iter().collect();
    assert_eq!(unique.len(), 5);
    // A cursor is good for its own list only.
    let other = format!("{}/deliveries?status=failed{cursor}", hook.path);
    drop(setup.owner.get(&other).await.expect_problem(400, "cursor_invalid"));
}
