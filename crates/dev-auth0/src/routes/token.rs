//! Tokens for a code or for a refresh token, and the end of a refresh token.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::authorization_request::Scope;
use crate::client_credentials;
use crate::counters::TokenCall;
use crate::error::OAuthError;
use crate::faults::{Faults, Place};
use crate::ledger::Redeemed;
use crate::parameters::Parameters;
use crate::pkce::is_same_secret;
use crate::provider::{Provider, delay};
use crate::tokens::{self, TokenError};

/// `POST /oauth/token`
pub(super) async fn token(
    request: HttpRequest,
    body: web::Bytes,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let mut subject = None;
    let answer = exchange(&request, &body, &provider, &mut subject).await;
    let call = match &answer {
        Ok((call, _)) => *call,
        Err(_) => TokenCall::Refused,
    };
    provider.counters().count_token(call, subject.as_deref());
    answer.map(|(_, tokens)| {
        HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::PRAGMA, "no-cache"))
            .json(tokens)
    })
}

/// `POST /oauth/revoke`: an unknown token is no error (RFC 7009).
pub(super) async fn revoke(
    request: HttpRequest,
    body: web::Bytes,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    provider.counters().revoke += 1;
    let parameters = read_body(&request, &body)?;
    authenticate(&request, &parameters, &provider)?;
    let token = required(&parameters, "token")?;
    provider.ledger().refresh_tokens.revoke(token, provider.now());
    Ok(HttpResponse::Ok().finish())
}

enum Grant<'a> {
    Code { code: &'a str, redirect_uri: &'a str, verifier: &'a str },
    Refresh { token: &'a str, scope: Option<Scope> },
}

impl<'a> Grant<'a> {
    fn parse(parameters: &'a Parameters) -> Result<Self, OAuthError> {
        match required(parameters, "grant_type")? {
            "authorization_code" => Ok(Self::Code {
                code: required(parameters, "code")?,
                redirect_uri: required(parameters, "redirect_uri")?,
                verifier: required(parameters, "code_verifier")?,
            }),
            "refresh_token" => Ok(Self::Refresh {
                token: required(parameters, "refresh_token")?,
                scope: parameters.get("scope").map(Scope::parse),
            }),
            _ => Err(OAuthError {
                status: StatusCode::BAD_REQUEST,
                error: "unsupported_grant_type",
                description:
                    "grant_type is authorization_code, refresh_token or client_credentials".into(),
            }),
        }
    }

    fn call(&self) -> TokenCall {
        match self {
            Self::Code { .. } => TokenCall::AuthorizationCode,
            Self::Refresh { .. } => TokenCall::RefreshToken,
        }
    }

    fn subject(&self, provider: &Provider) -> Option<String> {
        let now = provider.now();
        match self {
            Self::Code { code, .. } => provider.ledger().subject_of_code(code, now),
            Self::Refresh { token, .. } => provider.ledger().refresh_tokens.subject_of(token, now),
        }
    }

    fn redeem(&self, provider: &Provider) -> Result<Redeemed, OAuthError> {
        let now = provider.now();
        match self {
            Self::Code { code, redirect_uri, verifier } => provider
                .ledger()
                .redeem_code(code, redirect_uri, verifier, now)
                .map_err(|refused| OAuthError::invalid_grant(refused.to_string())),
            Self::Refresh { token, scope } => {
                let (mut authorization, successor) = provider
                    .ledger()
                    .refresh_tokens
                    .rotate(token, now)
                    .map_err(|refused| OAuthError::invalid_grant(refused.to_string()))?;
                // Fewer scopes may be asked for; a list with more of them changes nothing.
                if let Some(scope) = scope.clone().filter(|s| authorization.scope.contains(s)) {
                    authorization.scope = scope;
                }
                Ok(Redeemed { authorization, nonce: None, refresh_token: Some(successor) })
            }
        }
    }
}

/// Carries a request out. The subject is told as soon as it is known, for the counters.
async fn exchange(
    request: &HttpRequest,
    body: &[u8],
    provider: &Provider,
    subject: &mut Option<String>,
) -> Result<(TokenCall, Map<String, Value>), OAuthError> {
    let parameters = read_body(request, body)?;
    authenticate(request, &parameters, provider)?;
    if parameters.get("grant_type") == Some("client_credentials") {
        let tokens = client_credentials::grant(provider, &parameters).await?;
        return Ok((TokenCall::ClientCredentials, tokens));
    }
    let grant = Grant::parse(&parameters)?;
    *subject = grant.subject(provider);
    let faults = provider.take_faults(Place::Token, subject.as_deref());
    delay(faults.token_delay_ms).await;
    if let Some(status) = faults.token_status {
        return Err(OAuthError::outage(status));
    }
    let redeemed = grant.redeem(provider)?;
    let tokens = mint(provider, &redeemed, &faults).map_err(|error| match error {
        TokenError::Gone(_) => OAuthError::invalid_grant(error.to_string()),
        TokenError::Sign(_) | TokenError::Encode(_) => OAuthError::internal(&error),
    })?;
    if faults.token_reply_lost {
        return Err(OAuthError::outage(StatusCode::SERVICE_UNAVAILABLE.as_u16()));
    }
    Ok((grant.call(), tokens))
}

fn mint(
    provider: &Provider,
    redeemed: &Redeemed,
    faults: &Faults,
) -> Result<Map<String, Value>, TokenError> {
    let Redeemed { authorization, nonce, refresh_token } = redeemed;
    let lifetime = faults
        .access_token_seconds
        .map_or_else(|| tokens::seconds(provider.settings.access_token_lifetime), i64::from);
    let access_token = tokens::mint_access_token(provider, authorization, lifetime)?;
    let mut answer = Map::new();
    answer.insert("access_token".into(), json!(access_token));
    answer.insert("token_type".into(), json!("Bearer"));
    answer.insert("expires_in".into(), json!(lifetime));
    answer.insert("scope".into(), json!(authorization.scope.to_string()));
    if let Some(refresh_token) = refresh_token {
        answer.insert("refresh_token".into(), json!(refresh_token));
    }
    if authorization.scope.has("openid") && !faults.drop_id_token {
        let id_token = tokens::mint_id_token(provider, authorization, nonce.as_deref(), faults)?;
        answer.insert("id_token".into(), json!(id_token));
    }
    Ok(answer)
}

/// Form or JSON, as Auth0 takes both.
fn read_body(request: &HttpRequest, body: &[u8]) -> Result<Parameters, OAuthError> {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim();
    let parameters = match content_type {
        "application/x-www-form-urlencoded" => Parameters::from_form(body),
        "application/json" => Parameters::from_json(body),
        _ => {
            return Err(OAuthError {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                error: "invalid_request",
                description: "the body must be a form".into(),
            });
        }
    };
    parameters.map_err(|error| OAuthError::invalid_request(error.to_string()))
}

/// `client_secret_post` or `client_secret_basic`, not both.
fn authenticate(
    request: &HttpRequest,
    parameters: &Parameters,
    provider: &Provider,
) -> Result<(), OAuthError> {
    let basic = match request.headers().get(header::AUTHORIZATION) {
        Some(value) => {
            let text = value.to_str().unwrap_or_default();
            Some(read_basic(text).ok_or_else(OAuthError::unauthorized_client)?)
        }
        None => None,
    };
    let posted = parameters.get("client_secret");
    let (id, secret) = match (&basic, posted) {
        (Some(_), Some(_)) => {
            return Err(OAuthError::invalid_request("the client authenticates twice"));
        }
        (Some((id, secret)), None) => (id.as_str(), secret.as_str()),
        (None, posted) => {
            (parameters.get("client_id").unwrap_or_default(), posted.unwrap_or_default())
        }
    };
    let settings = &provider.settings;
    let is_client =
        id == settings.client_id && parameters.get("client_id").is_none_or(|posted| posted == id);
    if is_same_secret(secret, settings.client_secret.expose()) && is_client {
        Ok(())
    } else {
        Err(OAuthError::unauthorized_client())
    }
}

/// Id and secret of a Basic header; both are form-encoded inside it (RFC 6749, 2.3.1).
fn read_basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}

fn required<'a>(parameters: &'a Parameters, name: &str) -> Result<&'a str, OAuthError> {
    parameters
        .get(name)
        .ok_or_else(|| OAuthError::invalid_request(format!("Missing required parameter: {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded() {
        let header = format!("Basic {}", STANDARD.encode("portal-dev:a%2Bb%20c=&d"));
        let (id, secret) = read_basic(&header).unwrap();
        assert_eq!((id.as_str(), secret.as_str()), ("portal-dev", "a+b c=&d"));
        assert!(read_basic("Bearer abc").is_none());
        assert!(read_basic("Basic ???").is_none());
    }
}
