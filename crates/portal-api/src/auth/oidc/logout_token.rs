//! The verification of logout tokens (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6).
//!
//! Signature and times are those of id tokens; what differs is that the token says so (`events`),
//! has no `nonce`, names a session or a person, and has an id that counts once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::keys::is_key_id;
use super::{OidcClient, OidcError};

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Longest subject and session, in bytes.
const MAX_TEXT_BYTES: usize = 255;

/// Longest id of a token, in bytes.
const MAX_ID_BYTES: usize = 256;

/// A logout token is sent when it is made; an older one is not believed, whatever its `exp` says.
const MAX_AGE: Duration = Duration::from_secs(3 * 60);

/// What makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Headers that would change what the signature covers, or bring a key of the sender's choice.
const FORBIDDEN_HEADERS: [&str; 8] = ["crit", "b64", "jku", "jwk", "x5u", "x5c", "enc", "zip"];

/// What a good logout token says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Logout {
    /// The id that counts once.
    pub(crate) id: String,
    /// The identity provider's session that has ended.
    pub(crate) idp_sid: Option<String>,
    /// The person; without a session, all of whose sessions have ended.
    pub(crate) subject: Option<String>,
}

/// The rule that a logout token breaks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogoutTokenError {
    #[error("longer than {MAX_TOKEN_BYTES} bytes, or not a signed token in compact form")]
    Malformed,
    #[error("the algorithm is not RS256")]
    Algorithm,
    #[error("the type is neither logout+jwt nor JWT")]
    Type,
    #[error("the header {0} is not allowed")]
    Header(&'static str),
    #[error("the key is not one of the issuer's")]
    UnknownKey,
    #[error("the signature is wrong")]
    Signature,
    #[error("the claims are malformed")]
    Claims(#[source] jsonwebtoken::errors::Error),
    #[error("the issuer is another one")]
    Issuer,
    #[error("the audience is another one")]
    Audience,
    #[error("expired, too old or issued in the future")]
    Times,
    #[error("the logout event is missing")]
    Events,
    #[error("a nonce makes it another kind of token")]
    Nonce,
    #[error("the id is missing or unusable")]
    Id,
    #[error("neither a session nor a person is named, or not usably")]
    Whom,
    /// Nobody can tell: the issuer's keys cannot be had.
    #[error("the issuer's keys cannot be had")]
    Keys(#[source] OidcError),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    iat: i64,
    exp: Option<i64>,
    nbf: Option<i64>,
    jti: Option<String>,
    sub: Option<String>,
    sid: Option<String>,
    events: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "is_there")]
    nonce: bool,
}

/// Whether a member is there, whatever it holds.
fn is_there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// What a logout token has to match.
pub(super) struct Rules<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) now: OffsetDateTime,
    pub(super) skew: Duration,
}

impl OidcClient {
    /// Checks a logout token; whether its id is new is the caller's to find out.
    pub(crate) async fn verify_logout(&self, token: &str) -> Result<Logout, LogoutTokenError> {
        let key_id = key_id(token)?;
        let key = self.key(&key_id).await.map_err(|error| match error {
            OidcError::Token(_) => LogoutTokenError::UnknownKey,
            other => LogoutTokenError::Keys(other),
        })?;
        let rules = Rules {
            issuer: self.issuer(),
            client_id: &self.settings.client_id,
            now: self.clock.now(),
            skew: self.settings.clock_skew,
        };
        verify(token, &key, &rules)
    }

    /// How long an id has to be remembered: as long as its token may come again.
    pub(crate) fn logout_token_lifetime(&self) -> Duration {
        MAX_AGE + 2 * self.settings.clock_skew
    }
}

/// The key that the token says it is signed with.
pub(super) fn key_id(token: &str) -> Result<String, LogoutTokenError> {
    let parts: Vec<&str> = token.split('.').collect();
    let &[header, _, signature] = parts.as_slice() else {
        return Err(LogoutTokenError::Malformed);
    };
    if token.len() > MAX_TOKEN_BYTES {
        return Err(LogoutTokenError::Malformed);
    }
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| LogoutTokenError::Malformed)?;
    let header: Map<String, Value> =
        serde_json::from_slice(&header).map_err(|_| LogoutTokenError::Malformed)?;
    let text = |name| header.get(name).and_then(Value::as_str);
    if text("alg") != Some("RS256") || signature.is_empty() {
        return Err(LogoutTokenError::Algorithm);
    }
    if let Some(name) = FORBIDDEN_HEADERS.into_iter().find(|name| header.contains_key(*name)) {
        return Err(LogoutTokenError::Header(name));
    }
    // Auth0 writes the one, the specification recommends the other.
    let is_type =
        |typ: &str| typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("logout+jwt");
    if !text("typ").is_some_and(is_type) {
        return Err(LogoutTokenError::Type);
    }
    let key_id = text("kid").filter(|id| is_key_id(id)).ok_or(LogoutTokenError::UnknownKey)?;
    Ok(key_id.to_owned())
}

/// Checks the signature and every claim.
pub(super) fn verify(
    token: &str,
    key: &DecodingKey,
    rules: &Rules<'_>,
) -> Result<Logout, LogoutTokenError> {
    let mut signature_only = Validation::new(Algorithm::RS256);
    signature_only.required_spec_claims.clear();
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(token, key, &signature_only)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => LogoutTokenError::Signature,
            ErrorKind::InvalidAlgorithm => LogoutTokenError::Algorithm,
            _ => LogoutTokenError::Claims(error),
        })?
        .claims;
    if claims.iss != rules.issuer {
        return Err(LogoutTokenError::Issuer);
    }
    let is_for_us = match &claims.aud {
        Audience::One(audience) => audience == rules.client_id,
        Audience::Several(all) => all.iter().any(|audience| audience == rules.client_id),
    };
    if !is_for_us {
        return Err(LogoutTokenError::Audience);
    }
    check_times(&claims, rules)?;
    let event = claims.events.as_ref().and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(LogoutTokenError::Events);
    }
    if claims.nonce {
        return Err(LogoutTokenError::Nonce);
    }
    let id = claims.jti.filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
    let id = id.ok_or(LogoutTokenError::Id)?;
    let is_usable = |text: &Option<String>| {
        text.as_ref().is_none_or(|text| {
            (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
        })
    };
    let is_named = claims.sid.is_some() || claims.sub.is_some();
    if !is_named || !is_usable(&claims.sid) || !is_usable(&claims.sub) {
        return Err(LogoutTokenError::Whom);
    }
    Ok(Logout { id, idp_sid: claims.sid, subject: claims.sub })
}

/// The sums saturate: claims may hold any number.
fn check_times(claims: &Claims, rules: &Rules<'_>) -> Result<(), LogoutTokenError> {
    let now = rules.now.unix_timestamp();
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let skew = seconds(rules.skew);
    let is_expired = claims.exp.is_some_and(|exp| exp <= now.saturating_sub(skew));
    let is_early = claims.iat > now.saturating_add(skew)
        || claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(skew));
    let oldest = now.saturating_sub(skew).saturating_sub(seconds(MAX_AGE));
    if is_expired || is_early || claims.iat < oldest {
        return Err(LogoutTokenError::Times);
    }
    Ok(())
}
