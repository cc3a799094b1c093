//! The organization data that a person's sessions in one organization share.

use serde::{Deserialize, Serialize};
use tenancy::{OrgId, Role, UserId};

/// The state of a tenant, as far as access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    /// Its members may work.
    Active,
    /// Nobody may.
    Suspended,
}

/// What a member's requests need to know of their organization and of their place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationData {
    /// The member's role.
    pub role: Role,
    /// The version of that role, which grows with each change.
    pub role_version: i32,
    /// The company's name.
    pub tenant_name: String,
    /// The company's name in addresses.
    pub tenant_slug: String,
    /// Whether the company's members may work.
    pub tenant_status: TenantStatus,
    /// The company's time zone, an IANA name.
    pub time_zone: String,
    /// The company's language, a BCP 47 tag.
    pub locale: String,
    /// The company's currency, an ISO 4217 code.
    pub currency: String,
}

/// `session:{user}:{organization}`, without literal braces. Both parts have alphabets that hold no
/// separator, and the identity provider's `sub` is in neither.
pub(crate) fn redis_key(user: UserId, org: &OrgId) -> String {
    format!("session:{}:{org}", user.as_uuid())
}
