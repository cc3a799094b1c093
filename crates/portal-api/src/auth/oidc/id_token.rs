//! The verification of id tokens: every claim is checked here.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use tenancy::OrgId;
use time::OffsetDateTime;

use super::claims::{Audience, Times, check_subject};
use super::jws::Unverified;
use super::token_error::TokenError;

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

/// Checks the type, the signature and every claim.
pub(super) fn verify(
    token: &Unverified<'_>,
    key: &DecodingKey,
    rules: &Rules<'_>,
) -> Result<Identity, TokenError> {
    if token.kind().is_some_and(|kind| kind != "jwt") {
        return Err(TokenError::Type);
    }
    let claims: Claims = token.claims(key)?;
    check_parties(&claims, rules)?;
    let times = Times { issued_at: claims.iat, not_before: claims.nbf, expires_at: claims.exp };
    times.check(rules.now, rules.skew, MAX_LIFETIME)?;
    let nonce = claims.nonce.as_deref().unwrap_or_default();
    verify_slices_are_equal(nonce.as_bytes(), rules.nonce.as_bytes())
        .map_err(|_| TokenError::Nonce)?;
    let organization = organization(&claims, rules)?;
    Ok(claims.into_identity(organization))
}

impl Claims {
    fn into_identity(self, organization: Option<OrgId>) -> Identity {
        Identity {
            subject: self.sub,
            organization,
            name: self.name.and_then(|text| printable(&text)),
            email: self.email.filter(|email| email.len() <= MAX_EMAIL_BYTES),
            is_email_unverified: self.email_verified != Some(true),
            roles: None,
            idp_sid: self.sid.filter(|sid| (1..=MAX_SID_BYTES).contains(&sid.len())),
            session_expiry: self
                .session_expiry
                .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
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
    check_subject(&claims.sub)
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
