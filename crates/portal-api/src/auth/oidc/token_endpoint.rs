//! The exchange of an authorization code or a refresh token (`client_secret_post`).

use std::time::Duration;

use reqwest::{Client, StatusCode};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use session_store::Tokens;
use time::OffsetDateTime;
use url::Url;

use super::error::{FetchError, OidcError};
use super::http;
use super::settings::OidcSettings;

const MAX_BYTES: usize = 64 * 1024;

/// Longest tokens that are kept, in bytes.
const MAX_KEPT_BYTES: usize = 32 * 1024;

/// How long an access token lasts whose answer does not say so; the standard leaves it open.
const USUAL_LIFETIME: Duration = Duration::from_mins(5);

/// Longest time for which an access token is believed to be good: the most that Auth0 gives.
const LONGEST_LIFETIME: Duration = Duration::from_hours(24 * 30);

/// Longest `error` code that is logged.
const MAX_ERROR_CHARS: usize = 64;

/// What proves that the code is ours.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) code: &'a str,
    pub(super) code_verifier: &'a str,
    pub(super) redirect_uri: &'a str,
}

#[derive(Serialize)]
struct Form<'a> {
    grant_type: &'static str,
    client_id: &'a str,
    client_secret: &'a str,
    code: &'a str,
    code_verifier: &'a str,
    redirect_uri: &'a str,
}

#[derive(Serialize)]
struct RefreshForm<'a> {
    grant_type: &'static str,
    client_id: &'a str,
    client_secret: &'a str,
    refresh_token: &'a str,
}

/// What the endpoint answers with, as far as it is of use.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) id_token: Option<String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

impl Answer {
    /// The tokens to keep; none where there is nothing to refresh, or nothing to refresh it with.
    /// A provider that does not rotate refresh tokens sends none: the old one stays good.
    pub(super) fn tokens(
        &mut self,
        old_refresh: Option<&str>,
        asked_at: OffsetDateTime,
    ) -> Option<Tokens> {
        let refresh = self.refresh_token.take().or_else(|| old_refresh.map(str::to_owned))?;
        let access = self.access_token.take()?;
        // What was rotated must not be thrown away because nobody says how long it lasts.
        let lifetime = self.expires_in.map_or(USUAL_LIFETIME, Duration::from_secs);
        let lifetime = lifetime.min(LONGEST_LIFETIME);
        let is_storable = !access.is_empty() && access.len() + refresh.len() <= MAX_KEPT_BYTES;
        is_storable.then(|| Tokens { access, refresh, access_expires_at: asked_at + lifetime })
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Exchanges a code.
pub(super) async fn exchange(
    client: &Client,
    endpoint: &Url,
    settings: &OidcSettings,
    request: Request<'_>,
) -> Result<Answer, OidcError> {
    let form = Form {
        grant_type: "authorization_code",
        client_id: &settings.client_id,
        client_secret: settings.client_secret.expose_secret(),
        code: request.code,
        code_verifier: request.code_verifier,
        redirect_uri: request.redirect_uri,
    };
    // Never sent twice: a code that was used twice ends the session that the first use began.
    let request = client.post(endpoint.clone()).form(&form);
    let (status, body) = http::send(request, MAX_BYTES).await?;
    read(status, &body)
}

/// Exchanges a refresh token. It may be spent where no answer comes.
pub(super) async fn refresh(
    client: &Client,
    endpoint: &Url,
    settings: &OidcSettings,
    refresh_token: &str,
    timeout: Duration,
) -> Result<Answer, OidcError> {
    let form = RefreshForm {
        grant_type: "refresh_token",
        client_id: &settings.client_id,
        client_secret: settings.client_secret.expose_secret(),
        refresh_token,
    };
    let request = client.post(endpoint.clone()).timeout(timeout).form(&form);
    let (status, body) = http::send(request, MAX_BYTES).await?;
    read(status, &body)
}

fn read(status: StatusCode, body: &[u8]) -> Result<Answer, OidcError> {
    if status == StatusCode::OK {
        return serde_json::from_slice(body)
            .map_err(|_| OidcError::unusable("token answer", "it is not what the standard says"));
    }
    Err(refusal(status, body))
}

/// Why there are no tokens. Statuses differ between providers, the `error` code does not.
fn refusal(status: StatusCode, body: &[u8]) -> OidcError {
    let is_passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if refusal.error == "invalid_grant" && !is_passing => OidcError::CodeRefused,
        Ok(refusal) if status.is_client_error() && !is_passing => {
            let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
            let error = refusal.error.chars().filter(is_plain).take(MAX_ERROR_CHARS).collect();
            OidcError::ClientRefused { error }
        }
        _ => FetchError::Status(status.as_u16()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_their_code() {
        let of = |status: u16, body: &str| {
            refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes())
        };
        let invalid_grant = r#"{"error":"invalid_grant","error_description":"x"}"#;
        assert!(matches!(of(400, invalid_grant), OidcError::CodeRefused));
        assert!(matches!(of(403, invalid_grant), OidcError::CodeRefused));
        let client = of(401, r#"{"error":"invalid_client\n{evil}"}"#);
        assert_eq!(
            client.to_string(),
            "the identity provider refused the token request: invalid_clientevil"
        );
        for (status, body) in [
            (429, r#"{"error":"too_many_requests"}"#),
            (500, r#"{"error":"server_error"}"#),
            (500, invalid_grant),
            (429, invalid_grant),
            (502, "<html>"),
            (302, ""),
            (400, "not json"),
        ] {
            assert!(matches!(of(status, body), OidcError::Unavailable(_)), "{status}");
        }
    }
}
