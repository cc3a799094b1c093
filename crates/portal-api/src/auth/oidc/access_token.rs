//! The verification of access tokens, in both forms that the identity provider makes them in: its
//! own (`typ: JWT`) and that of RFC 9068 (`typ: at+jwt`).

use std::time::Duration;

use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use tenancy::{ClientName, OrgId, PermissionSet};
use time::OffsetDateTime;

use super::claims::{Audience, Times, check_subject};
use super::jws::Unverified;
use super::token_error::TokenError;

/// The `gty` of a client that has asked in its own name.
const CLIENT_CREDENTIALS: &str = "client-credentials";

/// What the identity provider adds to a client's name to make a subject of it.
const CLIENT_SUBJECT: &str = "@clients";

/// What a token has to match to be accepted.
#[derive(Clone, Copy)]
pub(super) struct AccessRules<'a> {
    pub(super) issuer: &'a str,
    /// The API that tokens must be for: the portal's.
    pub(super) audience: &'a str,
    pub(super) longest: Duration,
    pub(super) now: OffsetDateTime,
    pub(super) skew: Duration,
}

/// What a token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccessToken {
    pub(crate) holder: Holder,
    /// The organization that it was given for.
    pub(crate) organization: OrgId,
    /// The most that it is good for.
    pub(crate) permissions: PermissionSet,
    pub(crate) expires_at: OffsetDateTime,
}

/// Who acts with a token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// An application, for the person whom the identity provider calls this.
    Person(String),
    /// A client, for itself.
    Machine(ClientName),
}

/// Without the person.
impl std::fmt::Debug for Holder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(_) => formatter.write_str("Person(..)"),
            Self::Machine(client) => formatter.debug_tuple("Machine").field(client).finish(),
        }
    }
}

/// The claims in the types of the standards: any other type, or a claim that is there twice, fails.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    jti: Option<String>,
    azp: Option<String>,
    client_id: Option<String>,
    gty: Option<String>,
    org_id: Option<String>,
    scope: Option<String>,
    permissions: Option<Vec<String>>,
}

/// Checks the type, the signature and every claim.
pub(super) fn verify(
    token: &Unverified<'_>,
    key: &DecodingKey,
    rules: &AccessRules<'_>,
) -> Result<AccessToken, TokenError> {
    let is_of_rfc_9068 = match token.kind() {
        Some("at+jwt") => true,
        Some("jwt") => false,
        _ => return Err(TokenError::Type),
    };
    let claims: Claims = token.claims(key)?;
    if claims.iss != rules.issuer {
        return Err(TokenError::Issuer);
    }
    if !claims.aud.contains(rules.audience) {
        return Err(TokenError::Audience);
    }
    let times = Times { issued_at: claims.iat, not_before: claims.nbf, expires_at: claims.exp };
    times.check(rules.now, rules.skew, rules.longest)?;
    check_subject(&claims.sub)?;
    if is_of_rfc_9068 && (claims.client_id.is_none() || claims.jti.is_none()) {
        return Err(TokenError::AuthorizedParty);
    }
    let organization = claims.org_id.as_deref().unwrap_or_default();
    let holder = claims.holder()?;
    Ok(AccessToken {
        organization: organization.parse().map_err(|_| TokenError::Organization)?,
        permissions: claims.permissions(&holder),
        holder,
        expires_at: OffsetDateTime::from_unix_timestamp(claims.exp)
            .map_err(|_| TokenError::Lifetime)?,
    })
}

impl Claims {
    /// Who acts. A client's own token names the client as its subject; where the token says how it
    /// was got, both have to agree.
    fn holder(&self) -> Result<Holder, TokenError> {
        let client = match (self.azp.as_deref(), self.client_id.as_deref()) {
            (Some(party), Some(client)) if party != client => {
                return Err(TokenError::AuthorizedParty);
            }
            (party, client) => party.or(client),
        };
        let is_machine = client.is_some_and(|client| is_subject_of(&self.sub, client));
        let says_machine = self.gty.as_deref().map(|gty| gty == CLIENT_CREDENTIALS);
        match (client, is_machine) {
            (Some(client), true) if says_machine != Some(false) => {
                client.parse().map(Holder::Machine).map_err(|_| TokenError::AuthorizedParty)
            }
            // A subject that looks like a client's is nobody's where no such client is named.
            (_, false) if says_machine != Some(true) && !self.sub.ends_with(CLIENT_SUBJECT) => {
                Ok(Holder::Person(self.sub.clone()))
            }
            _ => Err(TokenError::AuthorizedParty),
        }
    }

    /// What the token is good for: the scopes that were asked for and given. The permissions of
    /// its holder, where the identity provider adds them, bound the scopes. They stand for them
    /// only where a machine asked for none of ours: a person has agreed to what an application asked
    /// for, and to no more.
    fn permissions(&self, holder: &Holder) -> PermissionSet {
        let scopes = self.scope.as_deref().unwrap_or_default().split(' ');
        let scopes = PermissionSet::of_scopes(scopes);
        match &self.permissions {
            Some(held) => {
                let held = PermissionSet::of_scopes(held.iter().map(String::as_str));
                let is_granted = matches!(holder, Holder::Machine(_));
                if is_granted && scopes == PermissionSet::NONE { held } else { scopes.and(held) }
            }
            None => scopes,
        }
    }
}

/// Whether `subject` is how the identity provider, or a plainer one, calls `client` itself.
fn is_subject_of(subject: &str, client: &str) -> bool {
    subject == client || subject.strip_suffix(CLIENT_SUBJECT) == Some(client)
}
