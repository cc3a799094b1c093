//! The discovery document: where the identity provider's endpoints are.

use serde::Deserialize;
use url::Url;

use super::error::OidcError;
use super::settings::OidcSettings;

pub(super) const MAX_BYTES: usize = 64 * 1024;

const DOCUMENT: &str = "discovery document";

/// What the portal needs of the discovery document.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) jwks_uri: Url,
    pub(super) end_session_endpoint: Option<Url>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    end_session_endpoint: Option<Url>,
}

/// Where the discovery document is.
pub(super) fn discovery_url(settings: &OidcSettings) -> Url {
    below_issuer(&settings.issuer, &[".well-known", "openid-configuration"])
}

/// An address below the issuer's own.
pub(in crate::auth) fn below_issuer(issuer: &Url, segments: &[&str]) -> Url {
    let mut url = issuer.clone();
    // An issuer is an http address (settings), so it has a path to extend.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

impl Metadata {
    /// Reads the document that was found at [`discovery_url`].
    pub(super) fn parse(bytes: &[u8], settings: &OidcSettings) -> Result<Self, OidcError> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| OidcError::unusable(DOCUMENT, error.to_string()))?;
        if document.issuer != settings.issuer.as_str() {
            return Err(OidcError::unusable(DOCUMENT, "it is another issuer's"));
        }
        let metadata = Self {
            authorization_endpoint: document.authorization_endpoint,
            token_endpoint: document.token_endpoint,
            jwks_uri: document.jwks_uri,
            end_session_endpoint: document.end_session_endpoint,
        };
        if metadata.endpoints().any(|endpoint| !is_as_safe(endpoint, &settings.issuer)) {
            return Err(OidcError::unusable(DOCUMENT, "an endpoint is less protected than it"));
        }
        Ok(metadata)
    }

    fn endpoints(&self) -> impl Iterator<Item = &Url> {
        [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri]
            .into_iter()
            .chain(&self.end_session_endpoint)
    }
}

/// The client secret and the keys must not travel in clear because a document says so.
fn is_as_safe(endpoint: &Url, issuer: &Url) -> bool {
    endpoint.scheme() == "https" || (endpoint.scheme() == "http" && issuer.scheme() == "http")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests_support::settings;
    use super::*;

    fn document() -> Value {
        json!({
            "issuer": "https://login.example/",
            "authorization_endpoint": "https://login.example/authorize",
            "token_endpoint": "https://login.example/oauth/token",
            "jwks_uri": "https://login.example/.well-known/jwks.json",
        })
    }

    fn parse(document: &Value) -> Result<Metadata, OidcError> {
        Metadata::parse(document.to_string().as_bytes(), &settings("https://login.example/"))
    }

    #[test]
    fn the_document_stands_below_the_issuer() {
        let url = |issuer| discovery_url(&settings(issuer)).to_string();
        let root = "https://login.example/.well-known/openid-configuration";
        assert_eq!(url("https://login.example"), root);
        assert_eq!(url("https://login.example/"), root);
        assert_eq!(
            url("https://login.example/realms/a"),
            "https://login.example/realms/a/.well-known/openid-configuration"
        );
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte() {
        assert!(parse(&document()).is_ok());
        for issuer in
            ["https://login.example", "https://LOGIN.example/", "https://evil.example/", ""]
        {
            let mut altered = document();
            altered["issuer"] = json!(issuer);
            assert!(parse(&altered).is_err(), "{issuer:?}");
        }
    }

    #[test]
    fn endpoints_in_clear_are_for_issuers_in_clear() {
        for endpoint in
            ["authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"]
        {
            for address in ["http://login.example/x", "file:///etc/passwd", "not an address"] {
                let mut altered = document();
                altered[endpoint] = json!(address);
                assert!(parse(&altered).is_err(), "{endpoint} {address}");
            }
        }
        let mut local = document();
        local["issuer"] = json!("http://localhost:4444/");
        local["token_endpoint"] = json!("http://localhost:4444/oauth/token");
        let settings = settings("http://localhost:4444/");
        assert!(Metadata::parse(local.to_string().as_bytes(), &settings).is_ok());
    }
}
