//! The token that calls are made with: fetched when it is needed, kept while it is good.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::oidc::http as provider_http;
use super::super::oidc::{FetchError, below_issuer};
use super::{ManagementClient, ManagementError};

const MAX_BYTES: usize = 64 * 1024;

/// A token is renewed so long before its end, or at half its life where that is later.
const MARGIN: Duration = Duration::from_secs(60);

/// Longest that a token is kept, whatever it says.
const LONGEST: Duration = Duration::from_hours(24);

/// The kept token. The lock is held by whoever fetches, so that one caller does for all.
#[derive(Default)]
pub(super) struct Tokens(Mutex<Option<Kept>>);

struct Kept {
    text: SecretString,
    renew_at: Instant,
}

#[derive(Serialize)]
struct Form<'a> {
    grant_type: &'static str,
    client_id: &'a str,
    client_secret: &'a str,
    audience: &'a str,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl ManagementClient {
    /// A token that should still be good.
    pub(super) async fn token(&self) -> Result<SecretString, ManagementError> {
        let mut kept = self.tokens.0.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.renew_at) {
            return Ok(kept.text.clone());
        }
        let fresh = self.fetch_token().await?;
        Ok(kept.insert(fresh).text.clone())
    }

    /// Forgets a token that was not taken, unless somebody has got another one since.
    pub(super) async fn forget_token(&self, refused: &SecretString) {
        let mut kept = self.tokens.0.lock().await;
        let is_same = |kept: &Kept| kept.text.expose_secret() == refused.expose_secret();
        if kept.as_ref().is_some_and(is_same) {
            *kept = None;
        }
    }

    async fn fetch_token(&self) -> Result<Kept, ManagementError> {
        let settings = &self.settings;
        // An audience is compared byte for byte: Auth0's ends with a slash.
        let audience = format!("{}/", below_issuer(&settings.issuer, &["api", "v2"]));
        let form = Form {
            grant_type: "client_credentials",
            client_id: &settings.client_id,
            client_secret: settings.client_secret.expose_secret(),
            audience: &audience,
        };
        let endpoint = below_issuer(&settings.issuer, &["oauth", "token"]);
        let request = self.http.post(endpoint).form(&form);
        let (status, body) = provider_http::send(request, MAX_BYTES).await?;
        if status == StatusCode::OK {
            let granted: Granted = serde_json::from_slice(&body)
                .map_err(|_| ManagementError::Unusable("the answer holds no token"))?;
            return Ok(Kept::new(granted));
        }
        let is_passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if !is_passing => Err(ManagementError::Refused {
                status: status.as_u16(),
                code: super::calls::plain(&refusal.error),
            }),
            _ => Err(FetchError::Status(status.as_u16()).into()),
        }
    }
}

impl Kept {
    fn new(granted: Granted) -> Self {
        let lifetime = Duration::from_secs(granted.expires_in).min(LONGEST);
        let kept_for = lifetime.saturating_sub(MARGIN).max(lifetime / 2);
        Self { text: granted.access_token.into(), renew_at: Instant::now() + kept_for }
    }
}
