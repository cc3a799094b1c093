//! The exchange of an authorization code (`client_secret_post`).

use reqwest::{Client, StatusCode};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::{FetchError, OidcError};
use super::http;
use super::settings::OidcSettings;

const MAX_BYTES: usize = 64 * 1024;

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

/// Of the tokens in the answer only the id token is of use; the others are not kept.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Exchanges a code; answers the id token as it came.
pub(super) async fn exchange(
    client: &Client,
    endpoint: &Url,
    settings: &OidcSettings,
    request: Request<'_>,
) -> Result<String, OidcError> {
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
    if status == StatusCode::OK {
        let tokens: Tokens = serde_json::from_slice(&body)
            .map_err(|_| OidcError::unusable("token answer", "it holds no id token"))?;
        return Ok(tokens.id_token);
    }
    Err(refusal(status, &body))
}

/// Why there are no tokens. Statuses differ between providers, the `error` code does not.
fn refusal(status: StatusCode, body: &[u8]) -> OidcError {
    let is_passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if refusal.error == "invalid_grant" => OidcError::CodeRefused,
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
            (502, "<html>"),
            (302, ""),
            (400, "not json"),
        ] {
            assert!(matches!(of(status, body), OidcError::Unavailable(_)), "{status}");
        }
    }
}
