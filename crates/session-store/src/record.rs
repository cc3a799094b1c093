//! What a session says.

use std::fmt;

use serde::{Deserialize, Serialize};
use tenancy::{OrgId, TenantId, UserId};
use time::OffsetDateTime;

use crate::sid::Sid;

/// Who is signed in, where, and until when. Made at sign-in; of these only the end of the access
/// token changes afterwards.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// What the session is known by in the ledger.
    pub sid: Sid,
    /// The person.
    pub user: UserId,
    /// The tenant they signed in to.
    pub tenant: TenantId,
    /// That tenant's organization at the identity provider.
    pub org: OrgId,
    /// The person as the identity provider names them (`sub`). Any text; never part of a key.
    pub subject: String,
    /// The identity provider's own session (`sid`), the hint that its logout asks for.
    pub idp_sid: Option<String>,
    /// The person's name.
    pub name: String,
    /// The person's e-mail address.
    pub email: String,
    /// What an unsafe request has to repeat in `X-CSRF-Token`.
    pub csrf_token: String,
    /// When the person signed in.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the session ends, however busy it is.
    #[serde(with = "time::serde::rfc3339")]
    pub absolute_expires_at: OffsetDateTime,
    /// When the access token that is kept for the session ends, where there is one.
    #[serde(with = "time::serde::rfc3339::option")]
    pub access_expires_at: Option<OffsetDateTime>,
}

/// Without the token, the identity provider's session and what identifies the person to others.
impl fmt::Debug for SessionRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionRecord")
            .field("user", &self.user)
            .field("tenant", &self.tenant)
            .field("org", &self.org)
            .field("created_at", &self.created_at)
            .field("absolute_expires_at", &self.absolute_expires_at)
            .finish_non_exhaustive()
    }
}

/// A sign-in that succeeded: what a session is made of.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewSession {
    /// The person.
    pub user: UserId,
    /// The tenant they sign in to.
    pub tenant: TenantId,
    /// That tenant's organization at the identity provider.
    pub org: OrgId,
    /// The person as the identity provider names them (`sub`).
    pub subject: String,
    /// The identity provider, as its tokens name it.
    pub issuer: String,
    /// The identity provider's own session (`sid`).
    pub idp_sid: Option<String>,
    /// The person's name.
    pub name: String,
    /// The person's e-mail address.
    pub email: String,
    /// What an unsafe request will have to repeat in `X-CSRF-Token`.
    pub csrf_token: String,
    /// The browser that it is for.
    pub device: Device,
    /// When the session ends, however busy it is.
    #[serde(with = "time::serde::rfc3339")]
    pub absolute_expires_at: OffsetDateTime,
    /// The identity provider's tokens, where they are kept.
    pub tokens: Option<Tokens>,
}

impl NewSession {
    /// The session that comes of it.
    #[cfg(test)]
    pub(crate) fn record(
        &self,
        sid: Sid,
        created_at: OffsetDateTime,
        access_expires_at: Option<OffsetDateTime>,
    ) -> SessionRecord {
        SessionRecord {
            sid,
            user: self.user,
            tenant: self.tenant,
            org: self.org.clone(),
            subject: self.subject.clone(),
            idp_sid: self.idp_sid.clone(),
            name: self.name.clone(),
            email: self.email.clone(),
            csrf_token: self.csrf_token.clone(),
            created_at,
            absolute_expires_at: self.absolute_expires_at,
            access_expires_at,
        }
    }
}

/// Without the tokens and what identifies the person to others.
impl fmt::Debug for NewSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NewSession")
            .field("user", &self.user)
            .field("tenant", &self.tenant)
            .field("org", &self.org)
            .finish_non_exhaustive()
    }
}

/// A browser, as a list of devices may show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its family, such as `Firefox on Linux`; empty where it is not known.
    pub agent: String,
    /// Its network, without what tells one household from the next; empty where it is not known.
    pub address: String,
}

/// What the identity provider gave for the person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Opens the API that was asked for, until it ends.
    pub access: String,
    /// Brings the next ones.
    pub refresh: String,
    /// When the access token ends.
    #[serde(with = "time::serde::rfc3339")]
    pub access_expires_at: OffsetDateTime,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("access_expires_at", &self.access_expires_at)
            .finish_non_exhaustive()
    }
}
