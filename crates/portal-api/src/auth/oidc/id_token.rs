//! The verification of id tokens.
//!
//! The library checks the signature; every claim is checked here. Its own checks let pass what
//! must not: an `iss` that is a list, an `iat` in the future, an `exp` in a billion years, any
//! `typ`, and headers that it does not understand although they say that it must.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use tenancy::OrgId;
use time::OffsetDateTime;

use super::keys::is_key_id;
use super::token_error::TokenError;

/// Longest token that is looked at, in bytes.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Longest subject, in bytes; the standard's own bound.
const MAX_SUBJECT_BYTES: usize = 255;

/// Longest lifetime of an id token that Auth0 can be set to.
const MAX_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// Names are kept up to this many characters.
const MAX_NAME_CHARS: usize = 200;

/// Longest e-mail address, in bytes; half of a longer one would be somebody else's.
const MAX_EMAIL_BYTES: usize = 320;

/// Longest `sid`, in bytes; a longer one is not kept.
const MAX_SID_BYTES: usize = 255;

/// What a token has to match to be accepted.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// The organization that was asked for, where one was.
    pub(super) organization: Option<&'a OrgId>,
    pub(super) now: OffsetDateTime,
    pub(super) skew: Duration,
}

/// Who signed in, as the identity provider vouches.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The person as the identity provider names them. Any text of up to 255 bytes.
    pub subject: String,
    /// The organization they signed in to.
    pub organization: Option<OrgId>,
    /// Their name; never longer than 200 characters.
    pub name: Option<String>,
    /// Their e-mail address; never longer than 320 bytes.
    pub email: Option<String>,
    /// Whether the identity provider says that nobody has shown the address to be theirs.
    pub is_email_unverified: bool,
    /// Names of roles in the organization; none where no claim of them is set up or came.
    pub roles: Option<Vec<String>>,
    /// The identity provider's own session.
    pub idp_sid: Option<String>,
    /// When the identity provider wants the session to end at the latest.
    pub session_expiry: Option<OffsetDateTime>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("organization", &self.organization)
            .field("session_expiry", &self.session_expiry)
            .finish_non_exhaustive()
    }
}

/// A token whose header is acceptable; nothing else of it is known.
pub(super) struct Unverified<'a> {
    token: &'a str,
    key_id: String,
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

/// The claims in the types of the standard: any other type, or a claim that is there twice, fails.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    sid: Option<String>,
    org_id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    session_expiry: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
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
        if header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(TokenError::Type);
        }
        let key_id = header.kid.filter(|id| is_key_id(id)).ok_or(TokenError::UnknownKey)?;
        Ok(Self { token, key_id })
    }

    /// The key that the token says it is signed with.
    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Checks the signature and every claim.
    pub(super) fn verify(
        &self,
        key: &DecodingKey,
        rules: &Rules<'_>,
    ) -> Result<Identity, TokenError> {
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(self.token, key, &signature_only)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Signature,
                ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
                _ => TokenError::Claims(error),
            })?
            .claims;
        check_parties(&claims, rules)?;
        check_times(&claims, rules)?;
        let nonce = claims.nonce.as_deref().unwrap_or_default();
        verify_slices_are_equal(nonce.as_bytes(), rules.nonce.as_bytes())
            .map_err(|_| TokenError::Nonce)?;
        let organization = organization(&claims, rules)?;
        Ok(claims.into_identity(organization))
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

impl Claims {
    fn into_identity(self, organization: Option<OrgId>) -> Identity {
        Identity {
            subject: self.sub,
            organization,
            name: self.name.and_then(|text| printable(&text)),
            email: self.email.filter(|email| email.len() <= MAX_EMAIL_BYTES),
            is_email_unverified: self.email_verified == Some(false),
            roles: None,
            idp_sid: self.sid.filter(|sid| (1..=MAX_SID_BYTES).contains(&sid.len())),
            session_expiry: self
                .session_expiry
                .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
        }
    }
}

impl Audience {
    fn contains(&self, client_id: &str) -> bool {
        match self {
            Self::One(audience) => audience == client_id,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == client_id),
        }
    }

    fn is_one(&self) -> bool {
        match self {
            Self::One(_) => true,
            Self::Several(audiences) => audiences.len() == 1,
        }
    }
}

/// Who made the token, for whom, about whom.
fn check_parties(claims: &Claims, rules: &Rules<'_>) -> Result<(), TokenError> {
    if claims.iss != rules.issuer {
        return Err(TokenError::Issuer);
    }
    if !claims.aud.contains(rules.client_id) {
        return Err(TokenError::Audience);
    }
    let is_ours = match &claims.azp {
        Some(party) => party == rules.client_id,
        None => claims.aud.is_one(),
    };
    if !is_ours {
        return Err(TokenError::AuthorizedParty);
    }
    let is_subject = (1..=MAX_SUBJECT_BYTES).contains(&claims.sub.len())
        && !claims.sub.chars().any(char::is_control);
    if is_subject { Ok(()) } else { Err(TokenError::Subject) }
}

/// Whether the token is in force. The sums saturate: claims may hold any number.
fn check_times(claims: &Claims, rules: &Rules<'_>) -> Result<(), TokenError> {
    let now = rules.now.unix_timestamp();
    let skew = seconds(rules.skew);
    if claims.exp <= now.saturating_sub(skew) {
        return Err(TokenError::Expired);
    }
    if claims.iat > now.saturating_add(skew) {
        return Err(TokenError::IssuedInFuture);
    }
    if claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(skew)) {
        return Err(TokenError::NotYetValid);
    }
    let lifetime = claims.exp.saturating_sub(claims.iat);
    if (1..=seconds(MAX_LIFETIME)).contains(&lifetime) { Ok(()) } else { Err(TokenError::Lifetime) }
}

/// The organization of the token: the one that was asked for, exactly, where one was. Only the id
/// counts; names can be given to another organization later.
fn organization(claims: &Claims, rules: &Rules<'_>) -> Result<Option<OrgId>, TokenError> {
    let given = match &claims.org_id {
        Some(text) => Some(text.parse::<OrgId>().map_err(|_| TokenError::Organization)?),
        None => None,
    };
    if rules.organization.is_some() && given.as_ref() != rules.organization {
        return Err(TokenError::Organization);
    }
    Ok(given)
}

/// A name that may be stored and shown: bounded, without control characters.
fn printable(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
