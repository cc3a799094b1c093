//! What a caller may do: the power of a role, cut down to what was asked for.

use crate::permission::{Grant, Permission};
use crate::role::Role;

/// A set of permissions: the scopes of a token or of an API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet(u32);

impl PermissionSet {
    /// No permission.
    pub const NONE: Self = Self(0);

    /// Every permission.
    pub fn all() -> Self {
        Permission::ALL.into_iter().collect()
    }

    /// What machines may have at all.
    pub fn for_machines() -> Self {
        Permission::ALL.into_iter().filter(|permission| permission.is_for_machines()).collect()
    }

    /// What a scope of this name opens; nothing where there is no such scope. Whoever may write
    /// jobs may edit them, and whoever may move applications may decide about them: keys and
    /// tokens know no halfway.
    pub fn of_scope(name: &str) -> Self {
        match Permission::find(name) {
            Some(Permission::JobsWrite) => {
                [Permission::JobsWrite, Permission::JobsEdit].into_iter().collect()
            }
            Some(Permission::ApplicationsWrite) => {
                [Permission::ApplicationsWrite, Permission::ApplicationsDecide]
                    .into_iter()
                    .collect()
            }
            Some(permission) => std::iter::once(permission).collect(),
            None => Self::NONE,
        }
    }

    /// What scopes of these names open together; names that are none of ours open nothing.
    pub fn of_scopes<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().fold(0, |bits, name| bits | Self::of_scope(name).0))
    }

    /// Whether `permission` is in it.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The permissions, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | bit(permission)))
    }
}

const fn bit(permission: Permission) -> u32 {
    // Fewer permissions than bits; the test below counts.
    1 << permission as u32
}

/// What a caller may do in their tenant.
///
/// It never exceeds the role of the person behind the call, where there is one, and never exceeds
/// the scopes of what the call came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    role: Option<Role>,
    scopes: PermissionSet,
}

impl Authority {
    /// All that the role gives: a signed-in person.
    pub fn of_role(role: Role) -> Self {
        Self { role: Some(role), scopes: PermissionSet::all() }
    }

    /// What the role gives and the scopes name: a token that a person has handed to an application.
    pub const fn of_person(role: Role, scopes: PermissionSet) -> Self {
        Self { role: Some(role), scopes }
    }

    /// The same for an API key, as far as machines may go; `role` is its creator's, as it is now.
    pub fn of_api_key(role: Role, scopes: PermissionSet) -> Self {
        Self { role: Some(role), scopes: scopes.and(PermissionSet::for_machines()) }
    }

    /// What the scopes name, as far as machines may go: nobody stands behind the call.
    pub fn of_machine(scopes: PermissionSet) -> Self {
        Self { role: None, scopes: scopes.and(PermissionSet::for_machines()) }
    }

    /// The role of the person behind the call, where there is one.
    pub const fn role(&self) -> Option<Role> {
        self.role
    }

    /// How far `permission` reaches.
    pub const fn grant(&self, permission: Permission) -> Grant {
        if !self.scopes.contains(permission) {
            return Grant::None;
        }
        match self.role {
            Some(role) => role.grant(permission),
            None => Grant::All,
        }
    }

    /// Whether it is the scopes, not the role, that leave `permission` out.
    pub const fn lacks_scope(&self, permission: Permission) -> bool {
        !self.scopes.contains(permission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_a_bit_and_a_name_of_its_own() {
        assert!(Permission::ALL.len() <= 32);
        for permission in Permission::ALL {
            assert_eq!(Permission::find(permission.as_str()), Some(permission));
            let alone: PermissionSet = std::iter::once(permission).collect();
            assert_eq!(alone.iter().collect::<Vec<_>>(), [permission]);
        }
        assert_eq!(PermissionSet::all().iter().collect::<Vec<_>>(), Permission::ALL);
    }

    #[test]
    fn power_is_the_roles_and_the_scopes() {
        let scopes = PermissionSet::of_scopes(["jobs:read", "jobs:write", "openid", "JOBS:DELETE"]);
        for role in Role::ALL {
            for permission in Permission::ALL {
                let grant = Authority::of_person(role, scopes).grant(permission);
                let is_named = scopes.contains(permission);
                let expected = if is_named { role.grant(permission) } else { Grant::None };
                assert_eq!(grant, expected, "{role} {}", permission.as_str());
                assert_eq!(Authority::of_role(role).grant(permission), role.grant(permission));
            }
        }
        assert_eq!(Authority::of_machine(scopes).grant(Permission::JobsEdit), Grant::All);
        assert_eq!(Authority::of_machine(scopes).grant(Permission::JobsDelete), Grant::None);
        let viewer = Authority::of_api_key(Role::Viewer, scopes);
        assert_eq!(viewer.grant(Permission::JobsRead), Grant::Published);
        assert_eq!(viewer.grant(Permission::JobsWrite), Grant::None);
    }

    #[test]
    fn machines_decide_nothing_about_people_and_access() {
        for authority in [
            Authority::of_machine(PermissionSet::all()),
            Authority::of_api_key(Role::Owner, PermissionSet::all()),
        ] {
            for permission in [
                Permission::SessionRead,
                Permission::SessionManage,
                Permission::TeamRead,
                Permission::TeamManage,
                Permission::ApiKeysManage,
                Permission::WebhooksManage,
                Permission::CacheRead,
                Permission::CacheWrite,
                Permission::JobsDelete,
                Permission::JobsArchive,
            ] {
                let grant = authority.grant(permission);
                assert_eq!(grant, Grant::None, "{}", permission.as_str());
            }
        }
    }
}
