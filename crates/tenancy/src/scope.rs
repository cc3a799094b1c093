//! The proof that a request may act inside one tenant.

use crate::ids::{OrgId, TenantId};
use crate::key::{Feature, KeyBuilder};

/// What was verified before a scope was made; recorded with it for spans and audit rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A live session of a member of the tenant.
    Session,
    /// A bearer token whose `org_id` maps to the tenant.
    BearerToken,
    /// An API key of the tenant.
    ApiKey,
    /// A public board's slug; gives access to what is published only.
    BoardSlug,
    /// Work that the system does on its own account; the text says which.
    SystemTask(&'static str),
}

/// Authorizes access to one tenant's data.
///
/// There is no public constructor from a bare id, no `Default` and no `Deserialize`: a scope can
/// be asked for, passed on and cloned, but not invented. [`TenantScope::from_verified`] is on the
/// workspace's list of disallowed methods, and the architecture test counts where it is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope {
    tenant: TenantId,
    org: OrgId,
    evidence: Evidence,
}

impl TenantScope {
    /// Makes a scope from what `evidence` has just verified. Call it nowhere else.
    pub fn from_verified(tenant: TenantId, org: OrgId, evidence: Evidence) -> Self {
        Self { tenant, org, evidence }
    }

    /// Our id of the tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The tenant's Auth0 organization.
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// What the scope rests on.
    pub fn evidence(&self) -> Evidence {
        self.evidence
    }

    /// Starts a cache key of this tenant in `feature`.
    pub fn key(&self, feature: Feature, operation: &'static str) -> KeyBuilder {
        KeyBuilder::new(&self.org, feature, operation)
    }
}
