//! What has to be known of the identity provider beforehand.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

/// How the portal reaches its identity provider, and what it demands of it.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// The issuer. Its text is compared byte for byte with the discovery document and with the
    /// `iss` of tokens; an issuer without a path ends in `/`, as Auth0's do.
    pub issuer: Url,
    /// The portal's client id; the audience of its id tokens.
    pub client_id: String,
    /// The portal's client secret, sent to the token endpoint only.
    pub client_secret: SecretString,
    /// The API that access tokens are asked for and accepted for, where there is one.
    pub audience: Option<String>,
    /// Whether sign-ins ask for a refresh token as well, where there is such an API.
    pub refresh_tokens: bool,
    /// The claim that carries roles. Where it is set the identity provider decides what people are;
    /// without it the portal's own rows do, and no claim is looked at.
    pub roles_claim: Option<String>,
    /// Longest lifetime of an access token; those that live longer are refused.
    pub access_token_longest: Duration,
    /// How long one request to the identity provider may take, its body included.
    pub request_timeout: Duration,
    /// How far the identity provider's clock may be from ours.
    pub clock_skew: Duration,
}
