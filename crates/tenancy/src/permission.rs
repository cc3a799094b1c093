//! What may be done, and the one table that says which role may do it.

use crate::role::Role;

/// Something that a caller asks to do. Handlers name one in their signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Read one's own session.
    SessionRead,
    /// List, search and read jobs, their facets and figures.
    JobsRead,
    /// Create and duplicate jobs; publish, pause, close, reopen and toggle them.
    JobsWrite,
    /// Edit the text and fields of a job.
    JobsEdit,
    /// Move a job to the archive.
    JobsArchive,
    /// Delete a draft for good.
    JobsDelete,
    /// List and read applications, with the people and files in them.
    ApplicationsRead,
    /// Move applications through the open stages of a pipeline.
    ApplicationsWrite,
    /// Decide about applications: reject and take back, hire, withdraw.
    ApplicationsDecide,
    /// Look into the cache of one's own tenant.
    CacheRead,
    /// Invalidate the cache of one's own tenant.
    CacheWrite,
    /// End one's own sessions, on this device and on others.
    SessionManage,
    /// See who belongs to the tenant, and as what.
    TeamRead,
    /// Invite and remove members and change their roles, up to one's own.
    TeamManage,
    /// List, make and revoke API keys of the tenant.
    ApiKeysManage,
    /// Read and put away one's own notifications, and say what one wants to hear of.
    NotificationsManage,
    /// Say where the tenant's own systems are told of events, and see what came of it.
    WebhooksManage,
    /// See figures about jobs and applications; nobody's name is among them.
    AnalyticsRead,
    /// Take figures out as a file, and see whether they are sound.
    AnalyticsExport,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 19] = [
        Self::SessionRead,
        Self::JobsRead,
        Self::JobsWrite,
        Self::JobsEdit,
        Self::JobsArchive,
        Self::JobsDelete,
        Self::ApplicationsRead,
        Self::ApplicationsWrite,
        Self::ApplicationsDecide,
        Self::CacheRead,
        Self::CacheWrite,
        Self::SessionManage,
        Self::TeamRead,
        Self::TeamManage,
        Self::ApiKeysManage,
        Self::NotificationsManage,
        Self::WebhooksManage,
        Self::AnalyticsRead,
        Self::AnalyticsExport,
    ];

    /// The stable name, as API-key scopes and error details write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionRead => "session:read",
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::JobsEdit => "jobs:edit",
            Self::JobsArchive => "jobs:archive",
            Self::JobsDelete => "jobs:delete",
            Self::ApplicationsRead => "applications:read",
            Self::ApplicationsWrite => "applications:write",
            Self::ApplicationsDecide => "applications:decide",
            Self::CacheRead => "cache:read",
            Self::CacheWrite => "cache:write",
            Self::SessionManage => "session:manage",
            Self::TeamRead => "team:read",
            Self::TeamManage => "team:manage",
            Self::ApiKeysManage => "api_keys:manage",
            Self::NotificationsManage => "notifications:manage",
            Self::WebhooksManage => "webhooks:manage",
            Self::AnalyticsRead => "analytics:read",
            Self::AnalyticsExport => "analytics:export",
        }
    }

    /// The permission with this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == name)
    }

    /// Whether a machine may have it: an API key, or a client that has a token of its own. What
    /// decides about people and about access itself stays with people.
    pub const fn is_for_machines(self) -> bool {
        matches!(
            self,
            Self::JobsRead
                | Self::JobsWrite
                | Self::JobsEdit
                | Self::ApplicationsRead
                | Self::ApplicationsWrite
                | Self::ApplicationsDecide
                | Self::AnalyticsRead
        )
    }
}

/// How far a permission reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Not at all.
    None,
    /// The jobs that the person is assigned to; to change one, as its editor.
    Assigned,
    /// Everything but drafts.
    Published,
    /// Everything of the tenant.
    All,
}

impl Role {
    /// The permission matrix: one row a permission, so that a reviewer reads it as a table.
    #[expect(clippy::match_same_arms, reason = "one line a permission: it is read as a table")]
    pub const fn grant(self, permission: Permission) -> Grant {
        use Grant::{All, Assigned, None, Published};
        // Columns: owner, admin, recruiter, hiring manager, viewer.
        let row = match permission {
            Permission::SessionRead => [All, All, All, All, All],
            Permission::JobsRead => [All, All, All, Assigned, Published],
            Permission::JobsWrite => [All, All, All, None, None],
            Permission::JobsEdit => [All, All, All, Assigned, None],
            Permission::JobsArchive => [All, All, All, None, None],
            Permission::JobsDelete => [All, All, None, None, None],
            Permission::ApplicationsRead => [All, All, All, Assigned, None],
            Permission::ApplicationsWrite => [All, All, All, Assigned, None],
            Permission::ApplicationsDecide => [All, All, All, None, None],
            Permission::CacheRead | Permission::CacheWrite => [All, All, None, None, None],
            Permission::SessionManage => [All, All, All, All, All],
            Permission::TeamRead => [All, All, All, All, All],
            Permission::TeamManage => [All, All, None, None, None],
            Permission::ApiKeysManage => [All, All, None, None, None],
            Permission::NotificationsManage => [All, All, All, All, All],
            Permission::WebhooksManage => [All, All, None, None, None],
            // Of drafts there is nothing to count, but of those that were published once.
            Permission::AnalyticsRead => [All, All, All, Assigned, Published],
            Permission::AnalyticsExport => [All, All, None, None, None],
        };
        let [owner, admin, recruiter, hiring_manager, viewer] = row;
        match self {
            Self::Owner => owner,
            Self::Admin => admin,
            Self::Recruiter => recruiter,
            Self::HiringManager => hiring_manager,
            Self::Viewer => viewer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_grows_with_the_role() {
        let reach = |grant| match grant {
            Grant::None => 0,
            Grant::Assigned | Grant::Published => 1,
            Grant::All => 2,
        };
        for permission in Permission::ALL {
            for pair in Role::ALL.windows(2) {
                let (weaker, stronger) = (pair[0], pair[1]);
                assert!(
                    reach(weaker.grant(permission)) <= reach(stronger.grant(permission)),
                    "{weaker} may {} further than {stronger}",
                    permission.as_str(),
                );
            }
        }
    }

    #[test]
    fn a_viewer_changes_nothing_and_an_owner_is_refused_nothing() {
        for permission in Permission::ALL {
            assert_eq!(Role::Owner.grant(permission), Grant::All, "{}", permission.as_str());
        }
        for permission in [
            Permission::JobsWrite,
            Permission::JobsEdit,
            Permission::JobsArchive,
            Permission::JobsDelete,
            Permission::ApplicationsRead,
            Permission::ApplicationsWrite,
            Permission::ApplicationsDecide,
            Permission::CacheWrite,
            Permission::TeamManage,
            Permission::ApiKeysManage,
            Permission::WebhooksManage,
            Permission::AnalyticsExport,
        ] {
            assert_eq!(Role::Viewer.grant(permission), Grant::None, "{}", permission.as_str());
        }
    }
}
