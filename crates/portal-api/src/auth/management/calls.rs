//! One call: its address, its token, its bounds, and what a refusal means.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::super::oidc::http as provider_http;
use super::super::oidc::{FetchError, below_issuer};
use super::{ManagementClient, ManagementError};

const MAX_BYTES: usize = 1024 * 1024;

/// A caller waits for the end of a limit itself where it is as near as this.
const WORTH_WAITING: Duration = Duration::from_millis(1_500);

/// The longest that a limit is believed to last.
const LONGEST_LIMIT: Duration = Duration::from_secs(60);

/// Longest word of a refusal that is logged.
const MAX_CODE_CHARS: usize = 64;

/// The header that says when calls are taken again, in seconds since 1970.
const RESET: &str = "x-ratelimit-reset";

/// Shut while the Management API takes no calls.
#[derive(Default)]
pub(super) struct Gate(Mutex<Option<Instant>>);

impl Gate {
    fn check(&self) -> Result<(), ManagementError> {
        let shut_until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let after = shut_until.map(|until| until.saturating_duration_since(Instant::now()));
        match after.filter(|after| !after.is_zero()) {
            Some(after) => Err(ManagementError::RateLimited { after }),
            None => Ok(()),
        }
    }

    fn shut(&self, after: Duration) {
        let until = Instant::now() + after;
        let mut shut_until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *shut_until = Some(shut_until.map_or(until, |other| other.max(until)));
    }
}

/// A call below `/api/v2/`.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<Value>,
}

impl<'a> Call<'a> {
    /// A read.
    pub(super) fn get(path: &'a [&'a str]) -> Self {
        Self { method: Method::GET, path, query: &[], body: None }
    }

    /// A change.
    pub(super) fn change(method: Method, path: &'a [&'a str], body: Option<Value>) -> Self {
        Self { method, path, query: &[], body }
    }

    /// The same with a query.
    pub(super) fn with_query(self, query: &'a [(&'a str, &'a str)]) -> Self {
        Self { query, ..self }
    }
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "errorCode", default)]
    code: String,
}

enum Answer {
    Done(Vec<u8>),
    Missing,
    Unauthorized,
    Limited(Duration),
}

impl ManagementClient {
    /// What a read finds; `None` where there is no such thing.
    pub(super) async fn find<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
    ) -> Result<Option<T>, ManagementError> {
        let Some(body) = self.send(call).await? else { return Ok(None) };
        serde_json::from_slice(&body)
            .map(Some)
            .map_err(|_| ManagementError::Unusable("it is not of the documented form"))
    }

    /// Makes a call; `None` where what it names does not exist.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Option<Vec<u8>>, ManagementError> {
        let mut has_waited = false;
        let mut has_renewed = false;
        loop {
            self.gate.check()?;
            let token = self.token().await?;
            match self.try_once(call, &token).await? {
                Answer::Done(body) => return Ok(Some(body)),
                Answer::Missing => return Ok(None),
                // The token may have been revoked, or the keys behind it.
                Answer::Unauthorized if !has_renewed => {
                    has_renewed = true;
                    self.forget_token(&token).await;
                }
                Answer::Unauthorized => {
                    let code = "invalid_token".to_owned();
                    return Err(ManagementError::Refused { status: 401, code });
                }
                Answer::Limited(after) if after <= WORTH_WAITING && !has_waited => {
                    has_waited = true;
                    tokio::time::sleep(after).await;
                }
                Answer::Limited(after) => {
                    self.gate.shut(after);
                    return Err(ManagementError::RateLimited { after });
                }
            }
        }
    }

    async fn try_once(
        &self,
        call: &Call<'_>,
        token: &SecretString,
    ) -> Result<Answer, ManagementError> {
        let mut request = self
            .http
            .request(call.method.clone(), self.address(call))
            .bearer_auth(token.expose_secret());
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let (status, headers, body) = provider_http::send_whole(request, MAX_BYTES).await?;
        match status {
            status if status.is_success() => Ok(Answer::Done(body)),
            StatusCode::NOT_FOUND => Ok(Answer::Missing),
            StatusCode::UNAUTHORIZED => Ok(Answer::Unauthorized),
            StatusCode::TOO_MANY_REQUESTS => Ok(Answer::Limited(self.limit(&headers))),
            status if status.is_client_error() => {
                let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
                let code = plain(&refusal.code);
                Err(ManagementError::Refused { status: status.as_u16(), code })
            }
            status => Err(FetchError::Status(status.as_u16()).into()),
        }
    }

    fn address(&self, call: &Call<'_>) -> Url {
        let mut url = below_issuer(&self.settings.issuer, &["api", "v2"]);
        // A subject may hold anything, so each part is encoded as a whole.
        let parts = call.path.iter().map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC));
        let path = parts.fold(url.path().to_owned(), |path, part| format!("{path}/{part}"));
        url.set_path(&path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        url
    }

    /// How long a limit lasts; a second where the answer does not say.
    fn limit(&self, headers: &HeaderMap) -> Duration {
        let reset = headers.get(RESET).and_then(|value| value.to_str().ok());
        let reset = reset.and_then(|text| text.parse::<i64>().ok());
        let seconds = reset.map_or(1, |at| at.saturating_sub(self.clock.now().unix_timestamp()));
        let seconds = u64::try_from(seconds).unwrap_or_default().max(1);
        Duration::from_secs(seconds).min(LONGEST_LIMIT)
    }
}

/// A word of the identity provider's as the log may hold it.
pub(super) fn plain(text: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    text.chars().filter(is_plain).take(MAX_CODE_CHARS).collect()
}
