//! The end of sessions: asked for by the application, by the browser, or over the back channel.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{ADA, ALDER, Provider};

async fn signed_in(provider: &Provider) -> Value {
    let page = provider.authorize(&[]).await;
    let code = provider.choose(&page, ADA, ALDER).await.code();
    provider.exchange(&code, &[]).await.json()
}

async fn sid_of(provider: &Provider, tokens: &Value) -> String {
    let token = tokens["id_token"].as_str().unwrap();
    let claims = provider.verify(token, "portal-dev").await.unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

async fn is_signed_in(provider: &Provider) -> bool {
    provider.authorize(&[("prompt", "none")]).await.returned("code").is_some()
}

#[tokio::test]
async fn a_logout_hint_ends_the_session_and_returns() {
    let provider = Provider::start().await;
    let tokens = signed_in(&provider).await;
    let sid = sid_of(&provider, &tokens).await;
    assert!(is_signed_in(&provider).await);
    let path = format!(
        "/oidc/logout?client_id=portal-dev&logout_hint={sid}&state=s%20t\
         &post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A8080%2F"
    );
    let answer = provider.get_as_browser(&path).await;
    assert_eq!(answer.location.unwrap().as_str(), "http://localhost:8080/?state=s+t");
    assert!(!is_signed_in(&provider).await);
    let refreshed = provider.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.status, 200, "refresh tokens outlive the session, as at Auth0");
}

#[tokio::test]
async fn an_id_token_is_a_hint_as_well() {
    let provider = Provider::start().await;
    let tokens = signed_in(&provider).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let forged =
        provider.get_as_browser("/oidc/logout?id_token_hint=eyJhbGciOiJub25lIn0.e30.").await;
    assert_eq!(forged.status, 400);
    assert!(is_signed_in(&provider).await);
    let answer = provider.get_as_browser(&format!("/oidc/logout?id_token_hint={hint}")).await;
    assert_eq!(answer.status, 200);
    assert!(!is_signed_in(&provider).await);
}

#[tokio::test]
async fn without_the_right_hint_the_person_is_asked() {
    let provider = Provider::start().await;
    signed_in(&provider).await;
    for path in ["/oidc/logout?client_id=portal-dev", "/oidc/logout?logout_hint=another"] {
        let question = provider.get_as_browser(path).await;
        assert!(question.status == 200 && question.body.contains("Sign out?"));
        assert!(is_signed_in(&provider).await);
    }
}

#[tokio::test]
async fn a_sign_out_returns_to_registered_addresses_only() {
    let provider = Provider::start().await;
    signed_in(&provider).await;
    for path in [
        "/oidc/logout?post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F",
        "/oidc/logout?client_id=another",
        "/v2/logout?client_id=portal-dev&returnTo=https%3A%2F%2Fevil.example",
        "/v2/logout?client_id=another",
    ] {
        let answer = provider.get_as_browser(path).await;
        assert_eq!((answer.status, answer.location), (400, None), "{path}");
    }
    assert!(is_signed_in(&provider).await);
    let path = "/v2/logout?client_id=portal-dev&returnTo=http%3A%2F%2Flocalhost%3A8080";
    let answer = provider.get_as_browser(path).await;
    assert_eq!(answer.status, 302);
    assert!(!is_signed_in(&provider).await);
}

#[tokio::test]
async fn a_logout_token_is_posted_to_the_application() {
    let provider = Provider::start().await;
    let tokens = signed_in(&provider).await;
    let sid = sid_of(&provider, &tokens).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/auth/backchannel-logout", listener.local_addr().unwrap());

    let application = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).contains("logout_token=") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
        }
        let reply = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        stream.write_all(reply).await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let body = json!({ "sid": sid, "url": url });
    let (answer, request) =
        tokio::join!(provider.post("/dev/backchannel-logout", &body), application);
    assert!(request.starts_with("POST /auth/backchannel-logout "));
    assert!(request.to_lowercase().contains("content-type: application/x-www-form-urlencoded"));
    let answer = answer.json();
    assert_eq!(answer["status"], 204);

    let token = answer["logout_token"].as_str().unwrap();
    let claims = provider.verify(token, "portal-dev").await.unwrap();
    assert_eq!((&claims["sub"], &claims["sid"]), (&json!(ADA), &json!(sid)));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
    let event = "http://schemas.openid.net/event/backchannel-logout";
    assert_eq!(claims["events"][event], json!({}));
    assert!(claims["jti"].is_string() && claims.get("nonce").is_none());
}

#[tokio::test]
async fn wrong_logout_tokens_are_made_to_order() {
    let provider = Provider::start().await;
    let mint = async |extra: Value| {
        let mut body = json!({ "sub": ADA });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        provider.post("/dev/backchannel-logout", &body).await
    };
    for fault in ["wrong_audience", "wrong_issuer", "expired", "alg_none", "bad_signature", "hs256"]
    {
        let token = mint(json!({ "fault": fault })).await.json();
        let token = token["logout_token"].as_str().unwrap();
        assert!(provider.verify(token, "portal-dev").await.is_none(), "{fault}");
    }
    let token = mint(json!({ "fault": "with_nonce", "typ": "logout+jwt", "jti": "again" })).await;
    let token = token.json()["logout_token"].as_str().unwrap().to_owned();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("logout+jwt"));
    let claims = provider.verify(&token, "portal-dev").await.unwrap();
    assert_eq!((&claims["jti"], &claims["nonce"]), (&json!("again"), &json!("nonce")));
    assert_eq!(provider.post("/dev/backchannel-logout", &json!({})).await.status, 400);
    assert_eq!(mint(json!({ "url": "file:///etc/passwd" })).await.status, 400);
    let nobody = mint(json!({ "url": "http://127.0.0.1:1/" })).await.json();
    assert!(nobody["status"].is_null() && nobody["error"].is_string());
}
