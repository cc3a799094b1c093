//! The portal as an OpenID Connect client: authorization code with PKCE, towards one issuer.
//!
//! Nothing is asked of the issuer at start: the portal starts while it is away, and a sign-in then
//! gets 503. What it publishes is kept and outlives an outage of a day.

mod access_token;
#[cfg(test)]
mod access_token_tests;
mod claims;
#[cfg(test)]
mod client_tests;
mod error;
pub(super) mod http;
mod id_token;
#[cfg(test)]
mod id_token_tests;
mod jws;
mod kept;
mod keys;
mod logout_token;
#[cfg(test)]
mod logout_token_tests;
mod metadata;
mod roles_claim;
mod settings;
#[cfg(test)]
pub(super) mod tests_support;
mod token_endpoint;
mod token_error;
mod unknown_keys;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use reqwest::Client;
use session_store::Tokens;
use tenancy::{Clock, OrgId};
use url::Url;

pub use error::{FetchError, OidcError};
pub use id_token::Identity;
pub(crate) use logout_token::{Logout, LogoutTokenError};
pub(super) use metadata::below_issuer;
pub use settings::OidcSettings;
pub use token_error::TokenError;

use access_token::AccessRules;
pub(crate) use access_token::{AccessToken, Holder};
use id_token::Rules;
use jws::Unverified;
use kept::{Kept, Refetched};
use keys::KeySet;
use metadata::Metadata;
use unknown_keys::UnknownKeys;

/// Endpoints hardly ever move.
const METADATA_FRESH: Duration = Duration::from_hours(1);

/// The upper bound for how long a key that the issuer has revoked is still accepted while the
/// issuer can be reached.
const KEYS_FRESH: Duration = Duration::from_mins(10);

/// How long an outage of the issuer may last before what it published is no longer trusted.
const USABLE: Duration = Duration::from_hours(24);

/// What is asked of the identity provider: who it is.
const SCOPE: &str = "openid profile email";

/// The same, with tokens that can be refreshed: through them the portal learns that the identity
/// provider takes its word back.
const SCOPE_WITH_REFRESH: &str = "openid profile email offline_access";

/// The client of one issuer. Shared by all workers of the process.
pub struct OidcClient {
    settings: OidcSettings,
    /// The public origin of the portal, without a trailing slash.
    origin: String,
    clock: Arc<dyn Clock>,
    http: Client,
    metadata: Kept<Metadata>,
    keys: Kept<KeySet>,
    unknown_keys: UnknownKeys,
}

/// What an authorization request carries.
#[derive(Clone, Copy, Default)]
pub(crate) struct AuthorizationRequest<'a> {
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) code_challenge: &'a str,
    pub(crate) organization: Option<&'a OrgId>,
    pub(crate) invitation: Option<&'a str>,
    pub(crate) login_hint: Option<&'a str>,
    pub(crate) screen_hint: Option<&'a str>,
    pub(crate) connection: Option<&'a str>,
}

/// What an authorization code must come with to be exchanged.
#[derive(Clone, Copy)]
pub(crate) struct CodeExchange<'a> {
    pub(crate) code: &'a str,
    pub(crate) code_verifier: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) organization: Option<&'a OrgId>,
}

impl OidcClient {
    /// A client for the portal at `base_url`. Does no I/O.
    pub fn new(
        settings: OidcSettings,
        base_url: &Url,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OidcError> {
        Ok(Self {
            http: http::client(&settings)?,
            origin: base_url.origin().ascii_serialization(),
            metadata: Kept::new(METADATA_FRESH, USABLE),
            keys: Kept::new(KEYS_FRESH, USABLE),
            unknown_keys: UnknownKeys::default(),
            settings,
            clock,
        })
    }

    /// The issuer, as tokens name it.
    pub fn issuer(&self) -> &str {
        self.settings.issuer.as_str()
    }

    /// Where the browser goes to sign in.
    pub(crate) async fn authorization_url(
        &self,
        request: &AuthorizationRequest<'_>,
    ) -> Result<Url, OidcError> {
        let mut url = self.metadata().await?.authorization_endpoint.clone();
        let optional = [
            ("audience", self.settings.audience.as_deref()),
            ("organization", request.organization.map(OrgId::as_str)),
            ("invitation", request.invitation),
            ("login_hint", request.login_hint),
            ("screen_hint", request.screen_hint),
            ("connection", request.connection),
        ];
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("scope", if self.keeps_tokens() { SCOPE_WITH_REFRESH } else { SCOPE })
            .append_pair("state", request.state)
            .append_pair("nonce", request.nonce)
            .append_pair("code_challenge", request.code_challenge)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Ok(url)
    }

    /// Exchanges an authorization code for the identity that it stands for, and the tokens to keep
    /// for it.
    pub(crate) async fn exchange_code(
        &self,
        exchange: &CodeExchange<'_>,
    ) -> Result<(Identity, Option<Tokens>), OidcError> {
        let metadata = self.metadata().await?;
        let request = token_endpoint::Request {
            code: exchange.code,
            code_verifier: exchange.code_verifier,
            redirect_uri: &self.redirect_uri(),
        };
        let asked_at = self.clock.now();
        let mut answer =
            token_endpoint::exchange(&self.http, &metadata.token_endpoint, &self.settings, request)
                .await?;
        let token = answer
            .id_token
            .take()
            .ok_or_else(|| OidcError::unusable("token answer", "it holds no id token"))?;
        let identity = self.verify(&token, exchange.nonce, exchange.organization).await?;
        let tokens = self.keeps_tokens().then(|| answer.tokens(None, asked_at)).flatten();
        Ok((identity, tokens))
    }

    /// Exchanges a refresh token for new tokens; [`OidcError::CodeRefused`] where the identity
    /// provider takes it no more. It may be spent where no answer comes within `timeout`.
    pub(crate) async fn refresh(
        &self,
        refresh_token: &str,
        timeout: Duration,
    ) -> Result<Tokens, OidcError> {
        let endpoint = self.metadata().await?.token_endpoint.clone();
        let asked_at = self.clock.now();
        let mut answer =
            token_endpoint::refresh(&self.http, &endpoint, &self.settings, refresh_token, timeout)
                .await?;
        answer
            .tokens(Some(refresh_token), asked_at)
            .ok_or_else(|| OidcError::unusable("token answer", "it holds no access token"))
    }

    /// Whether tokens are asked for and kept.
    fn keeps_tokens(&self) -> bool {
        self.settings.refresh_tokens && self.settings.audience.is_some()
    }

    /// Where the browser goes to end the identity provider's own session as well. Made of what is
    /// known already: signing out must not wait for anybody.
    pub(crate) fn logout_url(&self, idp_sid: Option<&str>) -> Url {
        let mut url = self
            .metadata
            .peek()
            .and_then(|metadata| metadata.end_session_endpoint.clone())
            .unwrap_or_else(|| below_issuer(&self.settings.issuer, &["oidc", "logout"]));
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("post_logout_redirect_uri", &self.origin)
            .extend_pairs(idp_sid.map(|sid| ("logout_hint", sid)));
        url
    }

    async fn verify(
        &self,
        token: &str,
        nonce: &str,
        organization: Option<&OrgId>,
    ) -> Result<Identity, OidcError> {
        let unverified = Unverified::parse(token)?;
        let key = self.key(unverified.key_id()).await?;
        let rules = Rules {
            issuer: self.issuer(),
            client_id: &self.settings.client_id,
            nonce,
            organization,
            now: self.clock.now(),
            skew: self.settings.clock_skew,
        };
        let mut identity = id_token::verify(&unverified, &key, &rules)?;
        identity.roles =
            self.settings.roles_claim.as_deref().and_then(|claim| roles_claim::read(token, claim));
        Ok(identity)
    }

    /// What an access token for the portal's API proves; `None` where the portal has no API that
    /// tokens could be for.
    pub(crate) async fn verify_access_token(
        &self,
        token: &str,
    ) -> Result<Option<AccessToken>, OidcError> {
        let Some(audience) = self.settings.audience.as_deref() else { return Ok(None) };
        let unverified = Unverified::parse(token)?;
        let key = self.key(unverified.key_id()).await?;
        let rules = AccessRules {
            issuer: self.issuer(),
            audience,
            longest: self.settings.access_token_longest,
            now: self.clock.now(),
            skew: self.settings.clock_skew,
        };
        Ok(Some(access_token::verify(&unverified, &key, &rules)?))
    }

    /// The key with this id; an unknown id may be a new key, so the set is fetched once more,
    /// rarely: whoever makes up ids must not make us ask for each of them. Known keys never wait.
    async fn key(&self, key_id: &str) -> Result<DecodingKey, OidcError> {
        let load = async || self.fetch_keys().await;
        let known = self.keys.get(load).await?;
        if let Some(key) = known.find(key_id) {
            return Ok(key.clone());
        }
        if self.unknown_keys.contains(key_id) {
            return Err(TokenError::UnknownKey.into());
        }
        match self.keys.refetch(load).await? {
            Refetched::Now(keys) => keys.find(key_id).cloned().ok_or_else(|| {
                // Only what the issuer was asked about is known to be unknown.
                self.unknown_keys.remember(key_id);
                TokenError::UnknownKey.into()
            }),
            Refetched::TooSoon(keys) => keys
                .and_then(|keys| keys.find(key_id).cloned())
                .ok_or_else(|| TokenError::UnknownKey.into()),
        }
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, OidcError> {
        self.metadata
            .get(async || {
                let url = metadata::discovery_url(&self.settings);
                let bytes = http::get(&self.http, &url, metadata::MAX_BYTES).await?;
                Metadata::parse(&bytes, &self.settings)
            })
            .await
    }

    async fn fetch_keys(&self) -> Result<KeySet, OidcError> {
        let url = self.metadata().await?.jwks_uri.clone();
        KeySet::parse(&http::get(&self.http, &url, keys::MAX_BYTES).await?)
    }

    fn redirect_uri(&self) -> String {
        format!("{}/auth/callback", self.origin)
    }
}

impl fmt::Debug for OidcClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OidcClient").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}
