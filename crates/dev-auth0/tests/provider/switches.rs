//! Faults, keys and counters.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{ADA, ALDER, BEN, Provider, ROLES};

async fn set(provider: &Provider, faults: Value) {
    let answer = provider.put("/dev/faults", &faults).await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

/// The claims, whoever signed them.
fn claims_of(tokens: &Value) -> Value {
    let token = tokens["id_token"].as_str().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn claims_are_wrong_on_request_and_for_one_subject_only() {
    let provider = Provider::start().await;
    let right = claims_of(&provider.tokens(ADA, ALDER).await);
    for (fault, claim, wrong) in [
        ("wrong_nonce", "nonce", json!("another-nonce")),
        ("drop_nonce", "nonce", Value::Null),
        ("wrong_audience", "aud", json!("another-application")),
        ("wrong_issuer", "iss", json!("https://another-issuer.example/")),
        ("wrong_org", "org_id", json!("org_0000000000000000")),
        ("drop_org_id", "org_id", Value::Null),
        ("drop_sid", "sid", Value::Null),
        ("drop_roles", ROLES, Value::Null),
    ] {
        set(&provider, json!({ "subject": ADA, fault: true })).await;
        let claims = claims_of(&provider.tokens(ADA, ALDER).await);
        assert_eq!(claims[claim], wrong, "{fault}");
        let others = claims_of(&provider.tokens(BEN, ALDER).await);
        if claim != "sid" && claim != ROLES {
            assert_eq!(others[claim], right[claim], "{fault} is not Ben's");
        }
    }
    set(&provider, json!({ "subject": ADA, "wrong_org": "org_Named" })).await;
    assert_eq!(claims_of(&provider.tokens(ADA, ALDER).await)["org_id"], "org_Named");
    assert_eq!(provider.get("/dev/faults").await.json()["faults"].as_array().unwrap().len(), 1);

    assert_eq!(provider.delete(&format!("/dev/faults?subject={ADA}")).await.status, 204);
    assert_eq!(claims_of(&provider.tokens(ADA, ALDER).await)["org_id"], ALDER);
}

#[tokio::test]
async fn signatures_and_times_are_wrong_once() {
    let provider = Provider::start().await;
    for fault in
        ["alg_none", "unsigned", "hs256", "bad_signature", "unknown_kid", "expired_id_token"]
    {
        set(&provider, json!({ "subject": ADA, "once": true, fault: true })).await;
        let tokens = provider.tokens(ADA, ALDER).await;
        let token = tokens["id_token"].as_str().unwrap();
        assert!(provider.verify(token, "portal-dev").await.is_none(), "{fault}");
        let tokens = provider.tokens(ADA, ALDER).await;
        let token = tokens["id_token"].as_str().unwrap();
        assert!(provider.verify(token, "portal-dev").await.is_some(), "{fault} is over");
    }
    set(&provider, json!({ "subject": ADA, "once": true, "issued_in_future": true })).await;
    let claims = claims_of(&provider.tokens(ADA, ALDER).await);
    let right = claims_of(&provider.tokens(ADA, ALDER).await);
    assert!(claims["iat"].as_i64().unwrap() > right["iat"].as_i64().unwrap() + 3_000);
}

#[tokio::test]
async fn an_outage_of_the_token_endpoint_spends_nothing() {
    let provider = Provider::start().await;
    let code = provider.code(ADA, ALDER, &[]).await;
    for status in [500, 429] {
        set(&provider, json!({ "subject": ADA, "once": true, "token_status": status })).await;
        assert_eq!(provider.exchange(&code, &[]).await.status, status);
    }
    let tokens = provider.exchange(&code, &[]).await.json();

    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    set(&provider, json!({ "subject": ADA, "once": true, "token_reply_lost": true })).await;
    assert_eq!(provider.refresh(refresh_token).await.status, 503);
    assert_eq!(provider.refresh(refresh_token).await.status, 403, "the lost reply spent it");
}

#[tokio::test]
async fn answers_can_be_late_short_lived_or_without_an_id_token() {
    let provider = Provider::start().await;
    let faults = json!({
        "subject": ADA, "token_delay_ms": 300, "access_token_seconds": 5, "drop_id_token": true,
    });
    set(&provider, faults).await;
    let code = provider.code(ADA, ALDER, &[]).await;
    let started = Instant::now();
    let tokens = provider.exchange(&code, &[]).await.json();
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(tokens["expires_in"], 5);
    assert!(tokens.get("id_token").is_none());
}

#[tokio::test]
async fn the_callback_can_be_told_an_error_or_a_wrong_state() {
    let provider = Provider::start().await;
    set(&provider, json!({ "subject": ADA, "once": true, "wrong_state": true })).await;
    let page = provider.authorize(&[]).await;
    let answer = provider.choose(&page, ADA, ALDER).await;
    assert_eq!(answer.returned("state").as_deref(), Some("another-state"));
    set(&provider, json!({ "subject": ADA, "authorize_error": "temporarily_unavailable" })).await;
    let answer = provider.authorize(&[]).await;
    assert_eq!(answer.returned("error").as_deref(), Some("temporarily_unavailable"));
}

#[tokio::test]
async fn other_endpoints_fail_for_everybody() {
    let provider = Provider::start().await;
    let tokens = provider.tokens(ADA, ALDER).await;
    let faults = json!({ "jwks_status": 503, "discovery_status": 500, "userinfo_status": 429 });
    set(&provider, faults).await;
    assert_eq!(provider.get("/.well-known/jwks.json").await.status, 503);
    assert_eq!(provider.get("/.well-known/openid-configuration").await.status, 500);
    let access_token = tokens["access_token"].as_str().unwrap();
    assert_eq!(provider.get_with_bearer("/userinfo", access_token).await.status, 429);
    assert_eq!(provider.delete("/dev/faults").await.status, 204);
    assert_eq!(provider.get("/.well-known/jwks.json").await.status, 200);
}

#[tokio::test]
async fn faults_that_do_not_exist_are_refused() {
    let provider = Provider::start().await;
    for faults in [
        json!({ "no_such_fault": true }),
        json!({ "token_status": 200 }),
        json!({ "subject": ADA, "jwks_status": 500 }),
        json!({ "token_delay_ms": -1 }),
        json!("wrong_nonce"),
    ] {
        let answer = provider.put("/dev/faults", &faults).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_request")));
    }
}

#[tokio::test]
async fn a_rotated_key_was_announced_and_an_unannounced_one_was_not() {
    let provider = Provider::start().await;
    let kids = async || {
        let keys = provider.get("/.well-known/jwks.json").await.json();
        let keys = keys["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = kids().await;
    let old = provider.tokens(ADA, ALDER).await;
    let rotated = provider.post("/dev/rotate-key", &json!({})).await.json();
    assert_eq!(rotated["kid"], before[1], "the next key is the current one now");
    let old_token = old["id_token"].as_str().unwrap();
    assert!(provider.verify(old_token, "portal-dev").await.is_some(), "still published");

    let wanted = json!({ "unannounced": true, "revoke_previous": true });
    let known = kids().await;
    let rotated = provider.post("/dev/rotate-key", &wanted).await.json();
    assert!(!known.iter().any(|kid| rotated["kid"] == *kid));
    assert!(provider.verify(old_token, "portal-dev").await.is_none(), "revoked");
    let new = provider.tokens(ADA, ALDER).await;
    assert!(provider.verify(new["id_token"].as_str().unwrap(), "portal-dev").await.is_some());
}

#[tokio::test]
async fn requests_are_counted_in_all_and_by_subject() {
    let provider = Provider::start().await;
    let tokens = provider.tokens(ADA, ALDER).await;
    provider.tokens(BEN, ALDER).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    provider.refresh(refresh_token).await;
    provider.refresh(refresh_token).await;
    provider.get("/.well-known/jwks.json").await;
    let all = provider.get("/dev/requests").await.json();
    assert_eq!((&all["jwks"], &all["choose"]), (&json!(1), &json!(2)));
    let token = json!({
        "authorization_code": 2, "refresh_token": 1, "client_credentials": 0, "refused": 1,
    });
    assert_eq!(all["token"], token);
    let own = provider.get(&format!("/dev/requests?subject={ADA}")).await.json();
    let token = json!({
        "authorization_code": 1, "refresh_token": 1, "client_credentials": 0, "refused": 1,
    });
    assert_eq!(own["token"], token);
}

#[tokio::test]
async fn a_portal_registers_its_callback_when_it_knows_its_port() {
    let provider = Provider::start().await;
    let callback = "http://127.0.0.1:50123/auth/callback";
    assert_eq!(provider.authorize(&[("redirect_uri", callback)]).await.status, 403);
    let body = json!({ "callback": callback });
    assert_eq!(provider.post("/dev/callbacks", &body).await.status, 204);
    assert_eq!(provider.authorize(&[("redirect_uri", callback)]).await.status, 200);
    let path = "/v2/logout?returnTo=http%3A%2F%2F127.0.0.1%3A50123%2F";
    assert_eq!(provider.get(path).await.status, 302);
}

#[tokio::test]
async fn people_are_checked_before_they_are_let_in() {
    let provider = Provider::start().await;
    let person = |subject: &str, email: &str, org: &str| {
        json!({
            "subject": subject, "name": "Dan", "email": email,
            "memberships": [{ "org": org, "role": "viewer" }],
        })
    };
    for refused in [
        person("", "dan@example.test", ALDER),
        person("auth0|dan", "dan", ALDER),
        person("auth0|dan", "dan@example.test", "org_Unknown"),
        person("auth0|dan", "dan@example.test", "alder"),
        json!({ "subject": "auth0|dan" }),
    ] {
        assert_eq!(provider.post("/dev/people", &refused).await.status, 400, "{refused}");
    }
    let taken = json!({ "id": "org_New", "name": "alder", "display_name": "Another" });
    assert_eq!(provider.post("/dev/organizations", &taken).await.status, 400);
}
