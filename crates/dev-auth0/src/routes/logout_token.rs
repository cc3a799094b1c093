//! Back-channel logout on request: signs a logout token and posts it, as Auth0 does at the end of
//! a session, or one that the application has to refuse.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::directory::check_text;
use crate::error::OAuthError;
use crate::provider::Provider;
use crate::tokens::{self, LogoutClaims, Signature, TokenError};

/// How long Auth0 waits.
const TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_MAX: usize = 16 * 1024;

/// The body of `POST /dev/backchannel-logout`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogoutRequest {
    /// The session that ended.
    sid: Option<String>,
    /// The person all of whose sessions ended; with a `sid` that is known here it follows from it.
    sub: Option<String>,
    /// Where to post it; without it the token is only returned.
    url: Option<Url>,
    /// A token is recognised by it when it comes again.
    jti: Option<String>,
    /// `JWT` as Auth0 writes it, or `logout+jwt` as the specification recommends.
    typ: Option<String>,
    /// What is wrong with the token.
    fault: Option<LogoutFault>,
}

/// The ways in which a logout token can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LogoutFault {
    WithNonce,
    NoEvents,
    NoJti,
    NoSubject,
    WrongAudience,
    WrongIssuer,
    Expired,
    AlgNone,
    Hs256,
    BadSignature,
    UnknownKid,
}

/// `POST /dev/backchannel-logout`
pub(super) async fn backchannel_logout(
    wanted: web::Json<LogoutRequest>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    provider.counters().backchannel_logout += 1;
    let wanted = wanted.into_inner();
    check(&wanted)?;
    let token = mint(&provider, &wanted).map_err(|error| OAuthError::internal(&error))?;
    let Some(url) = wanted.url else {
        return Ok(HttpResponse::Ok().json(json!({ "logout_token": token })));
    };
    let answer = post(&provider, url, &token).await;
    let (status, body, error) = match answer {
        Ok((status, body)) => (Some(status), Some(body), None),
        Err(error) => (None, None, Some(crate::error::chain(&error).to_string())),
    };
    Ok(HttpResponse::Ok().json(json!({
        "logout_token": token, "status": status, "body": body, "error": error,
    })))
}

fn check(wanted: &LogoutRequest) -> Result<(), OAuthError> {
    if wanted.sid.is_none() && wanted.sub.is_none() {
        return Err(OAuthError::invalid_request("sid or sub is needed"));
    }
    let texts = [&wanted.sid, &wanted.sub, &wanted.jti, &wanted.typ];
    for text in texts.into_iter().flatten() {
        check_text("a text", text)
            .map_err(|error| OAuthError::invalid_request(error.to_string()))?;
    }
    let url = wanted.url.as_ref();
    if url.is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
        return Err(OAuthError::invalid_request("url must be an http(s) address"));
    }
    Ok(())
}

fn mint(provider: &Provider, wanted: &LogoutRequest) -> Result<String, TokenError> {
    let known = wanted
        .sid
        .as_deref()
        .and_then(|sid| provider.ledger().find_session_by_sid(sid, provider.now()));
    let subject = wanted.sub.clone().or_else(|| known.map(|(_, session)| session.subject));
    let mut claims = tokens::logout_claims(
        provider,
        LogoutClaims { subject, sid: wanted.sid.clone(), jti: wanted.jti.clone() },
    );
    let mut signature = Signature::Rs256;
    if let Some(fault) = wanted.fault {
        signature = spoil(&mut claims, fault);
    }
    tokens::sign(provider, wanted.typ.as_deref().unwrap_or("JWT"), &claims, signature)
}

fn spoil(claims: &mut Map<String, Value>, fault: LogoutFault) -> Signature {
    match fault {
        LogoutFault::WithNonce => drop(claims.insert("nonce".into(), json!("nonce"))),
        LogoutFault::NoEvents => drop(claims.remove("events")),
        LogoutFault::NoJti => drop(claims.remove("jti")),
        LogoutFault::NoSubject => {
            claims.remove("sub");
            claims.remove("sid");
        }
        LogoutFault::WrongAudience => drop(claims.insert("aud".into(), json!("another"))),
        LogoutFault::WrongIssuer => {
            claims.insert("iss".into(), json!("https://another-issuer.example/"));
        }
        LogoutFault::Expired => {
            for name in ["iat", "exp"] {
                let time = claims.get(name).and_then(Value::as_i64).unwrap_or_default();
                claims.insert(name.into(), json!(time - 3_600));
            }
        }
        LogoutFault::AlgNone => return Signature::None,
        LogoutFault::Hs256 => return Signature::Hs256,
        LogoutFault::BadSignature => return Signature::Broken,
        LogoutFault::UnknownKid => return Signature::UnknownKey,
    }
    Signature::Rs256
}

async fn post(provider: &Provider, url: Url, token: &str) -> Result<(u16, String), reqwest::Error> {
    let mut response =
        provider.http.post(url).timeout(TIMEOUT).form(&[("logout_token", token)]).send().await?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while body.len() < ANSWER_MAX {
        let Some(chunk) = response.chunk().await? else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(ANSWER_MAX);
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
