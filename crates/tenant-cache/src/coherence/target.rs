//! What an invalidation replaces.

use tenancy::{TenantScope, platform_generation_key};

/// A generation to replace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) key: String,
    /// Whether it goes by itself when nobody has needed it for long.
    pub(crate) expires: bool,
}

impl Target {
    /// The generation that everything of a tenant depends on.
    pub(crate) fn whole_tenant(scope: &TenantScope) -> Self {
        Self { key: scope.tenant_generation_key(), expires: false }
    }

    /// The generation that everything depends on.
    pub(crate) fn whole_platform() -> Self {
        Self { key: platform_generation_key().to_owned(), expires: false }
    }
}
