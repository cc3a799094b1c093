//! Signed tokens in compact form: what holds for each kind of them.
//!
//! The library checks the signature and nothing else; every header and every claim is checked by
//! us. Its own checks let pass what must not: an `iss` that is a list, an `iat` in the future, an
//! `exp` in a billion years, any `typ`, and headers that it does not understand although they say
//! that it must.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::keys::is_key_id;
use super::token_error::TokenError;

/// Longest token that is looked at, in bytes.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A token whose header is acceptable; nothing else of it is known.
pub(super) struct Unverified<'a> {
    token: &'a str,
    key_id: String,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    #[serde(default)]
    crit: Member,
    #[serde(default)]
    b64: Member,
    #[serde(default)]
    jku: Member,
    #[serde(default)]
    jwk: Member,
    #[serde(default)]
    x5u: Member,
    #[serde(default)]
    x5c: Member,
    #[serde(default)]
    enc: Member,
    #[serde(default)]
    zip: Member,
}

/// Whether a member is there, whatever it holds, `null` included.
#[derive(Default)]
enum Member {
    #[default]
    Absent,
    Present,
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self::Present)
    }
}

impl<'a> Unverified<'a> {
    /// Looks at the header of a token.
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(_), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Malformed)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
        if header.alg != "RS256" || signature.is_empty() {
            return Err(TokenError::Algorithm);
        }
        if let Some(name) = header.forbidden() {
            return Err(TokenError::Header(name));
        }
        let key_id = header.kid.filter(|id| is_key_id(id)).ok_or(TokenError::UnknownKey)?;
        let kind = header.typ.map(|typ| typ.to_ascii_lowercase());
        Ok(Self { token, key_id, kind })
    }

    /// The key that the token says it is signed with.
    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// What the token says it is, its `typ` in lower case; a media type is compared without case.
    pub(super) fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Checks the signature and reads the claims in the types of `C`; none of them is checked.
    pub(super) fn claims<C: DeserializeOwned>(&self, key: &DecodingKey) -> Result<C, TokenError> {
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        let decoded = jsonwebtoken::decode::<C>(self.token, key, &signature_only);
        decoded.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Signature,
            ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
            _ => TokenError::Claims(error),
        })
    }
}

impl Header {
    /// The first header that is there and must not be: each of them would change what the
    /// signature covers, or bring a key of the sender's choice.
    fn forbidden(&self) -> Option<&'static str> {
        [
            (&self.crit, "crit"),
            (&self.b64, "b64"),
            (&self.jku, "jku"),
            (&self.jwk, "jwk"),
            (&self.x5u, "x5u"),
            (&self.x5c, "x5c"),
            (&self.enc, "enc"),
            (&self.zip, "zip"),
        ]
        .into_iter()
        .find_map(|(member, name)| matches!(member, Member::Present).then_some(name))
    }
}
