//! The authorization code flow, and every way in which it is refused.

use serde_json::{Value, json};

use crate::support::{ADA, ALDER, API, BEN, BIRCH, CALLBACK, Provider, ROLES, read};

#[tokio::test]
async fn a_person_signs_in_with_a_code_and_a_proof_key() {
    let provider = Provider::start().await;
    let page = provider.authorize(&[]).await;
    assert_eq!(page.status, 200);
    let chosen = provider.choose(&page, BEN, BIRCH).await;
    assert_eq!(chosen.status, 302);
    assert!(chosen.location.as_ref().unwrap().as_str().starts_with(CALLBACK));
    assert_eq!(chosen.returned("state").as_deref(), Some("the state"));

    let tokens = provider.exchange(&chosen.code(), &[]).await.json();
    assert_eq!(tokens["token_type"], "Bearer");
    let id = provider.verify(tokens["id_token"].as_str().unwrap(), "portal-dev").await.unwrap();
    assert_eq!(id["iss"], provider.issuer);
    assert_eq!(id["aud"], "portal-dev");
    assert_eq!(id["sub"], BEN);
    assert_eq!(id["nonce"], "the-nonce");
    assert_eq!((&id["name"], &id["email"]), (&json!("Ben"), &json!("ben@example.test")));
    assert_eq!((&id["org_id"], &id[ROLES]), (&json!(BIRCH), &json!(["viewer"])));
    assert_eq!(id["org_name"], Value::Null);
    assert_eq!(id["exp"].as_i64().unwrap() - id["iat"].as_i64().unwrap(), 36_000);

    let access = provider.verify(tokens["access_token"].as_str().unwrap(), API).await.unwrap();
    assert_eq!(access["aud"], json!([API, format!("{}userinfo", provider.issuer)]));
    assert_eq!(access["scope"], "openid profile email offline_access");
    assert_eq!((&access["org_id"], &access["azp"]), (&json!(BIRCH), &json!("portal-dev")));

    let person =
        provider.get_with_bearer("/userinfo", tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(person.json()["email"], "ben@example.test");
    assert_eq!(provider.get_with_bearer("/userinfo", "nonsense").await.status, 401);
    let id_token = tokens["id_token"].as_str().unwrap();
    assert_eq!(provider.get_with_bearer("/userinfo", id_token).await.status, 401);
}

#[tokio::test]
async fn discovery_names_endpoints_under_an_issuer_with_a_slash() {
    let provider = Provider::start().await;
    let found = provider.get("/.well-known/openid-configuration").await.json();
    let issuer = found["issuer"].as_str().unwrap();
    assert!(issuer.ends_with('/') && issuer == provider.issuer);
    for (name, path) in [
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "oauth/token"),
        ("jwks_uri", ".well-known/jwks.json"),
        ("end_session_endpoint", "oidc/logout"),
    ] {
        assert_eq!(found[name], format!("{issuer}{path}"));
    }
    let keys = provider.get("/.well-known/jwks.json").await.json();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "the current and the next one");
    assert!(keys.iter().all(|key| key["alg"] == "RS256" && key["use"] == "sig"));
    assert_ne!(keys[0]["kid"], keys[1]["kid"]);
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_registered() {
    let provider = Provider::start().await;
    for changes in [
        [("redirect_uri", "http://localhost:8080/auth/callback/")],
        [("redirect_uri", "http://localhost:8080/auth/callback?a=b")],
        [("redirect_uri", "https://evil.example/auth/callback")],
        [("redirect_uri", "")],
        [("client_id", "another")],
        [("client_id", "")],
    ] {
        let answer = provider.authorize(&changes).await;
        assert!([400, 403].contains(&answer.status), "{changes:?}");
        assert!(answer.location.is_none(), "{changes:?}");
    }
    let twice = provider.authorize_url(&[]) + "&state=again";
    assert_eq!(read(provider.http().get(twice)).await.status, 400);
}

#[tokio::test]
async fn a_wrong_request_is_refused_on_the_callback() {
    let provider = Provider::start().await;
    let unknown = "org_Unknown000000000";
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("request", "eyJ", "request_not_supported"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "too-short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "none", "login_required"),
        ("organization", unknown, "invalid_request"),
        ("organization", "alder", "invalid_request"),
        ("invitation", "unknown-ticket", "invalid_request"),
        ("audience", "no uri", "access_denied"),
        ("max_age", "soon", "invalid_request"),
    ] {
        let answer = provider.authorize(&[(name, value)]).await;
        assert_eq!(answer.status, 302, "{name}={value}");
        assert_eq!(answer.returned("error").as_deref(), Some(error), "{name}={value}");
        assert_eq!(answer.returned("state").as_deref(), Some("the state"));
    }
}

#[tokio::test]
async fn a_code_works_once_for_the_one_who_asked() {
    let provider = Provider::start().await;
    for (changes, status, error) in [
        (("code_verifier", "another-verifier-that-is-long-enough-012345"), 403, "invalid_grant"),
        (("redirect_uri", "http://localhost:8080/"), 403, "invalid_grant"),
        (("code", "unknown"), 403, "invalid_grant"),
        (("client_secret", "wrong-secret"), 401, "access_denied"),
        (("client_secret", ""), 401, "access_denied"),
        (("client_id", "another"), 401, "access_denied"),
        (("code_verifier", ""), 400, "invalid_request"),
        (("grant_type", "password"), 400, "unsupported_grant_type"),
    ] {
        let code = provider.code(ADA, ALDER, &[]).await;
        let answer = provider.exchange(&code, &[changes]).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)));
    }

    let code = provider.code(ADA, ALDER, &[]).await;
    let tokens = provider.exchange(&code, &[]).await.json();
    let again = provider.exchange(&code, &[]).await;
    assert_eq!((again.status, again.json()["error"].as_str()), (403, Some("invalid_grant")));
    let refreshed = provider.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.status, 403, "what the code gave is revoked with it");
}

#[tokio::test]
async fn the_client_authenticates_by_header_or_body_and_not_by_both() {
    let provider = Provider::start().await;
    let url = format!("{}/oauth/token", provider.base);
    let post = |code: &str| {
        provider.http().post(&url).form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", "a-verifier-that-is-long-enough-for-the-rules-0123"),
        ])
    };
    let code = provider.code(ADA, ALDER, &[]).await;
    let wrong = read(post(&code).basic_auth("portal-dev", Some("wrong"))).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.headers.contains_key("www-authenticate"));
    let right = read(post(&code).basic_auth("portal-dev", Some("portal-dev-secret"))).await;
    assert_eq!(right.status, 200, "{right:?}");
    assert_eq!(right.headers["cache-control"], "no-store");

    let code = provider.code(ADA, ALDER, &[]).await;
    let body = json!({
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
        "code_verifier": "a-verifier-that-is-long-enough-for-the-rules-0123",
        "client_id": "portal-dev", "client_secret": "portal-dev-secret",
    });
    assert_eq!(provider.post("/oauth/token", &body).await.status, 200, "JSON, as at Auth0");
}

#[tokio::test]
async fn scopes_decide_what_is_told() {
    let provider = Provider::start().await;
    let code = provider.code(ADA, ALDER, &[("scope", "openid"), ("audience", "")]).await;
    let tokens = provider.exchange(&code, &[]).await.json();
    let id = provider.verify(tokens["id_token"].as_str().unwrap(), "portal-dev").await.unwrap();
    assert!(id.get("name").is_none() && id.get("email").is_none());
    assert!(tokens.get("refresh_token").is_none());
    let opaque = tokens["access_token"].as_str().unwrap();
    assert!(!opaque.contains('.'), "without an API the access token is opaque");
    assert_eq!(provider.get_with_bearer("/userinfo", opaque).await.json()["sub"], ADA);

    let code = provider.code(ADA, ALDER, &[("scope", "jobs:read")]).await;
    assert!(provider.exchange(&code, &[]).await.json().get("id_token").is_none());
}

#[tokio::test]
async fn an_audience_is_one_of_the_registered_apis() {
    let provider = Provider::start_with(&["--audience", API]).await;
    assert_eq!(provider.authorize(&[]).await.status, 200);
    let refused = provider.authorize(&[("audience", "https://another.example/api")]).await;
    assert_eq!(refused.returned("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn bodies_are_bounded() {
    let provider = Provider::start().await;
    let huge = "a".repeat(100_000);
    assert_eq!(provider.post_form("/oauth/token", &[("code", &huge)]).await.status, 413);
    assert_eq!(provider.post_form("/authorize/choose", &[("subject", &huge)]).await.status, 413);
    let person = json!({ "subject": huge });
    assert_eq!(provider.post("/dev/people", &person).await.status, 400);
}
