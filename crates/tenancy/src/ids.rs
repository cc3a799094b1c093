//! Identifiers that cannot be mistaken for one another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Names the thing with this uuid; says nothing about whether it exists.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The uuid, as rows and events carry it.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

uuid_id! {
    /// A tenant (one employer): our own id, used in rows, events and associated data.
    /// It identifies; only a [`TenantScope`](crate::TenantScope) authorizes.
    TenantId
}
uuid_id! {
    /// A person, across all tenants they are a member of.
    UserId
}
uuid_id! {
    /// A job within a tenant.
    JobId
}
uuid_id! {
    /// An application for a job: one candidate, one job.
    ApplicationId
}
uuid_id! {
    /// An API key of a tenant. It names the key; the key itself is a secret that nobody keeps.
    ApiKeyId
}
uuid_id! {
    /// An endpoint of a tenant's webhooks.
    WebhookId
}
uuid_id! {
    /// A file of figures that somebody asked for.
    ExportId
}

/// Longest name of a client of the identity provider, in bytes.
const MAX_CLIENT_BYTES: usize = 128;

/// A machine, as the identity provider names it: 1 to 128 letters, digits and `-._~@|`.
///
/// The audit trail prints it, so its alphabet is closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientName(Box<str>);

/// The text is no name of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client's name is 1 to 128 letters, digits and -._~@|")]
pub struct InvalidClientName;

impl ClientName {
    /// The name as the identity provider writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientName {
    type Err = InvalidClientName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_well_formed = (1..=MAX_CLIENT_BYTES).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~@|".contains(&b));
        if is_well_formed { Ok(Self(text.into())) } else { Err(InvalidClientName) }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An Auth0 organization id: `org_` and 1 to 64 letters or digits.
///
/// Cache keys print it, so its alphabet is closed: nothing in it can end a key part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrgId(Box<str>);

/// The text is not an Auth0 organization id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an organization id is \"org_\" followed by 1 to 64 letters or digits")]
pub struct InvalidOrgId;

impl OrgId {
    /// The id as the identity provider writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrgId {
    type Err = InvalidOrgId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let suffix = text.strip_prefix("org_").ok_or(InvalidOrgId)?;
        let is_well_formed =
            (1..=64).contains(&suffix.len()) && suffix.bytes().all(|b| b.is_ascii_alphanumeric());
        if is_well_formed { Ok(Self(text.into())) } else { Err(InvalidOrgId) }
    }
}

impl TryFrom<String> for OrgId {
    type Error = InvalidOrgId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<OrgId> for String {
    fn from(org: OrgId) -> Self {
        org.0.into()
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_clients_have_a_closed_alphabet() {
        assert!("vH3~-.a@clients".parse::<ClientName>().is_ok());
        for refused in ["", "a b", "a'b", "a\nb", "ä", &"c".repeat(129)] {
            assert_eq!(refused.parse::<ClientName>(), Err(InvalidClientName), "{refused:?}");
        }
    }

    #[test]
    fn organization_ids_have_a_closed_alphabet() {
        assert!("org_9f2cA1".parse::<OrgId>().is_ok());
        for refused in ["", "org_", "org_a:b", "org_a}", "org_ä", "ORG_a", "org_a b", "9f2cA1"] {
            assert_eq!(refused.parse::<OrgId>(), Err(InvalidOrgId), "{refused:?}");
        }
        assert!(format!("org_{}", "a".repeat(64)).parse::<OrgId>().is_ok());
        assert!(format!("org_{}", "a".repeat(65)).parse::<OrgId>().is_err());
    }
}
