//! The client against a provider on this machine that misbehaves as told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tenancy::{ManualClock, OrgId};
use time::OffsetDateTime;
use time::macros::datetime;

use super::tests_support::{KEY, OTHER_KEY, settings};
use super::{
    AuthorizationRequest, CodeExchange, FetchError, Identity, OidcClient, OidcError, TokenError,
};

const NOW: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

/// What the provider says, and what it was asked.
#[derive(Default)]
struct Script {
    issuer: String,
    published: Vec<Value>,
    /// The key id that tokens are signed under; by `KEY` for `k1`, by `OTHER_KEY` else.
    signs_with: String,
    token_status: u16,
    token_body: Option<String>,
    token_delay: Duration,
    is_away: bool,
    requests: BTreeMap<String, usize>,
    form: BTreeMap<String, String>,
}

type Shared = web::Data<Mutex<Script>>;

struct Provider {
    script: Shared,
    client: OidcClient,
    server: ServerHandle,
}

impl Provider {
    fn start() -> Self {
        let script = web::Data::new(Mutex::new(Script {
            published: vec![KEY.published("k1")],
            signs_with: "k1".to_owned(),
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
        let issuer = format!("http://{}/", server.addrs()[0]);
        script.lock().unwrap().issuer.clone_from(&issuer);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let base_url = "http://localhost:8080".parse().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let client = OidcClient::new(settings(&issuer), &base_url, clock).unwrap();
        Self { script, client, server: handle }
    }

    fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    fn requests(&self, path: &str) -> usize {
        self.script.lock().unwrap().requests.get(path).copied().unwrap_or(0)
    }

    async fn exchange(&self) -> Result<Identity, OidcError> {
        let organization: OrgId = "org_9f2cA1".parse().unwrap();
        self.client
            .exchange_code(&CodeExchange {
                code: "the-code",
                code_verifier: "the-verifier",
                nonce: "the-nonce",
                organization: Some(&organization),
            })
            .await
            .map(|(identity, _)| identity)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn answer(request: HttpRequest, body: web::Bytes, script: Shared) -> HttpResponse {
    let delay = script.lock().unwrap().token_delay;
    let is_token = request.path() == "/oauth/token";
    if is_token {
        tokio::time::sleep(delay).await;
    }
    let mut script = script.lock().unwrap();
    *script.requests.entry(request.path().to_owned()).or_default() += 1;
    if script.is_away {
        return HttpResponse::BadGateway().finish();
    }
    let at = |path: &str| format!("{}{path}", script.issuer);
    match request.path() {
        "/.well-known/openid-configuration" => HttpResponse::Ok().json(json!({
            "issuer": script.issuer,
            "authorization_endpoint": at("authorize?tenant=a"),
            "token_endpoint": at("oauth/token"),
            "jwks_uri": at("keys"),
            "end_session_endpoint": at("bye"),
        })),
        "/keys" => HttpResponse::Ok().json(json!({ "keys": script.published })),
        "/oauth/token" => {
            let text = std::str::from_utf8(&body).unwrap();
            script.form = web::Query::<BTreeMap<_, _>>::from_query(text).unwrap().into_inner();
            let status = script.token_status.try_into().unwrap();
            let body = script.token_body.clone().unwrap_or_else(|| tokens(&script));
            HttpResponse::build(status).insert_header(("location", "/elsewhere")).body(body)
        }
        _ => HttpResponse::NotFound().finish(),
    }
}

fn tokens(script: &Script) -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": script.signs_with});
    let now = NOW.unix_timestamp();
    let claims = json!({
        "iss": script.issuer, "aud": "portal", "sub": "auth0|ada", "iat": now, "exp": now + 60,
        "nonce": "the-nonce", "org_id": "org_9f2cA1",
    });
    let key = if script.signs_with == "k1" { &KEY } else { &OTHER_KEY };
    let token = key.sign(&header.to_string(), &claims.to_string());
    json!({"access_token": "opaque", "token_type": "Bearer", "id_token": token}).to_string()
}

#[actix_web::test]
async fn a_code_becomes_an_identity() {
    let provider = Provider::start();
    let identity = provider.exchange().await.unwrap();
    assert_eq!(identity.subject, "auth0|ada");
    let form = provider.script.lock().unwrap().form.clone();
    let expected = [
        ("client_id", "portal"),
        ("client_secret", "hunter2"),
        ("code", "the-code"),
        ("code_verifier", "the-verifier"),
        ("grant_type", "authorization_code"),
        ("redirect_uri", "http://localhost:8080/auth/callback"),
    ];
    let given: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(given, expected);
    provider.exchange().await.unwrap();
    assert_eq!(provider.requests("/.well-known/openid-configuration"), 1);
    assert_eq!(provider.requests("/keys"), 1);
}

#[actix_web::test]
async fn the_authorization_address_carries_what_it_must_and_nothing_is_unescaped() {
    let provider = Provider::start();
    let organization: OrgId = "org_9f2cA1".parse().unwrap();
    let request = AuthorizationRequest {
        state: "s&scope=admin",
        nonce: "n",
        code_challenge: "c",
        organization: Some(&organization),
        login_hint: Some("ada+x@example.com"),
        ..AuthorizationRequest::default()
    };
    let url = provider.client.authorization_url(&request).await.unwrap();
    let pairs: Vec<_> = url.query_pairs().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    assert_eq!(
        pairs,
        [
            ("tenant", "a"),
            ("response_type", "code"),
            ("client_id", "portal"),
            ("redirect_uri", "http://localhost:8080/auth/callback"),
            ("scope", "openid profile email offline_access"),
            ("state", "s&scope=admin"),
            ("nonce", "n"),
            ("code_challenge", "c"),
            ("code_challenge_method", "S256"),
            ("audience", "https://api.example"),
            ("organization", "org_9f2cA1"),
            ("login_hint", "ada+x@example.com"),
        ]
    );
}

#[actix_web::test]
async fn a_rotated_key_is_found_at_once_and_a_made_up_one_costs_one_request() {
    let provider = Provider::start();
    provider.exchange().await.unwrap();
    provider.set(|script| {
        script.published.push(OTHER_KEY.published("k2"));
        script.signs_with = "k2".to_owned();
    });
    provider.exchange().await.unwrap();
    assert_eq!(provider.requests("/keys"), 2);

    provider.set(|script| script.signs_with = "k3".to_owned());
    for _ in 0..3 {
        let refused = provider.exchange().await;
        assert!(matches!(refused, Err(OidcError::Token(TokenError::UnknownKey))), "{refused:?}");
    }
    assert_eq!(provider.requests("/keys"), 2, "the one attempt of these 30 seconds is used up");
    provider.set(|script| script.signs_with = "k1".to_owned());
    provider.exchange().await.unwrap();
}

#[actix_web::test]
async fn a_flood_of_made_up_keys_costs_one_request_and_good_tokens_go_on() {
    let provider = Provider::start();
    let client = &provider.client;
    let issuer = client.issuer().to_owned();
    let token = |key_id: &str| {
        let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": key_id});
        let now = NOW.unix_timestamp();
        let claims = json!({
            "iss": issuer, "aud": "https://api.example", "sub": "auth0|ada", "iat": now,
            "exp": now + 60, "client_id": "app", "jti": "1", "org_id": "org_9f2cA1",
        });
        KEY.sign(&header.to_string(), &claims.to_string())
    };
    let good = token("k1");
    client.verify_access_token(&good).await.unwrap().unwrap();
    let flood = (0..200).map(|number| {
        let made_up = token(&format!("made-up-{number}"));
        async move {
            let refused = client.verify_access_token(&made_up).await;
            assert!(
                matches!(refused, Err(OidcError::Token(TokenError::UnknownKey))),
                "{refused:?}"
            );
        }
    });
    let unharmed = async {
        for _ in 0..200 {
            client.verify_access_token(&good).await.unwrap().unwrap();
        }
    };
    futures_util::join!(futures_util::future::join_all(flood), unharmed);
    assert_eq!(provider.requests("/keys"), 2, "the first one, and one for all that is made up");
}

#[actix_web::test]
async fn a_provider_that_is_away_is_no_refusal() {
    let provider = Provider::start();
    provider.set(|script| script.is_away = true);
    let away = provider.exchange().await;
    assert!(matches!(away, Err(OidcError::Unavailable(FetchError::Status(502)))), "{away:?}");
    let at_once = provider.exchange().await;
    assert!(matches!(at_once, Err(OidcError::Unavailable(FetchError::JustFailed))), "{at_once:?}");
    assert_eq!(provider.requests("/.well-known/openid-configuration"), 1);
}

#[actix_web::test]
async fn answers_are_bounded_and_redirects_not_followed() {
    let provider = Provider::start();
    let table = [
        (200, "x".repeat(64 * 1024 + 1), "Unavailable"),
        (200, "{}".to_owned(), "Unusable"),
        (200, "<html>".to_owned(), "Unusable"),
        (307, String::new(), "Unavailable"),
        (500, String::new(), "Unavailable"),
        (400, r#"{"error":"invalid_grant"}"#.to_owned(), "CodeRefused"),
        (401, r#"{"error":"invalid_client"}"#.to_owned(), "ClientRefused"),
    ];
    for (status, body, kind) in table {
        provider.set(|script| {
            script.token_status = status;
            script.token_body = Some(body.clone());
        });
        let error = provider.exchange().await.unwrap_err();
        let debug = format!("{error:?}");
        assert!(debug.starts_with(kind), "{status}: {debug}");
        assert!(!debug.contains("hunter2") && !debug.contains("the-code"), "{debug}");
    }
    assert_eq!(provider.requests("/elsewhere"), 0);
    assert_eq!(provider.requests("/oauth/token"), 7, "a code is never sent twice");
}

#[actix_web::test]
async fn a_provider_that_does_not_answer_is_given_up() {
    let provider = Provider::start();
    provider.exchange().await.unwrap();
    provider.set(|script| script.token_delay = Duration::from_secs(60));
    let late = provider.exchange().await;
    assert!(matches!(late, Err(OidcError::Unavailable(FetchError::Transport(_)))), "{late:?}");
}

#[actix_web::test]
async fn signing_out_waits_for_nobody() {
    let provider = Provider::start();
    let issuer = provider.client.issuer().to_owned();
    let query = "client_id=portal&post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A8080";
    let before = provider.client.logout_url(None);
    assert_eq!(before.as_str(), format!("{issuer}oidc/logout?{query}"));
    assert_eq!(provider.requests("/.well-known/openid-configuration"), 0);
    provider.exchange().await.unwrap();
    let after = provider.client.logout_url(Some("idp 1"));
    assert_eq!(after.as_str(), format!("{issuer}bye?{query}&logout_hint=idp+1"));
}
