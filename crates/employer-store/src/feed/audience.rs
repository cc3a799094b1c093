//! Who hears of what, as the columns that statements take: one table for writing and for reading,
//! so that nobody sees in a list what they would not be told.

use tenancy::{EventKind, Grant, Permission, Role};

use super::kind::NotificationKind;

/// Whom a notification reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Whoever may do this; where they may do it in assigned jobs only, the team of this one,
    /// whatever each may do on it.
    Whoever(Permission),
    /// The member that the event happened to.
    Subject,
    /// The members that the payload names under `users`, where they may do this.
    Named(Permission),
    /// The member that the payload names under `user`, where they may do this.
    Asker(Permission),
}

impl Audience {
    const fn of(kind: NotificationKind) -> Self {
        match kind {
            NotificationKind::ApplicationSubmitted | NotificationKind::StageChanged => {
                Self::Whoever(Permission::ApplicationsRead)
            }
            NotificationKind::Mention => Self::Named(Permission::ApplicationsRead),
            NotificationKind::JobExpiring => Self::Whoever(Permission::JobsEdit),
            NotificationKind::CacheInvalidated => Self::Whoever(Permission::CacheWrite),
            NotificationKind::WebhookDisabled => Self::Whoever(Permission::WebhooksManage),
            NotificationKind::RoleChanged => Self::Subject,
            NotificationKind::ExportReady => Self::Asker(Permission::AnalyticsExport),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Whoever(_) => "whoever",
            Self::Subject => "subject",
            Self::Named(_) => "named",
            Self::Asker(_) => "asker",
        }
    }

    const fn permission(self) -> Option<Permission> {
        match self {
            Self::Whoever(permission) | Self::Named(permission) | Self::Asker(permission) => {
                Some(permission)
            }
            Self::Subject => None,
        }
    }
}

impl NotificationKind {
    /// What somebody must be allowed who is to see such a notification, in its job where they are
    /// allowed it in assigned ones only; none where it is theirs alone.
    pub const fn needs(self) -> Option<Permission> {
        Audience::of(self).permission()
    }
}

/// The kinds of notifications by column: `kinds[i]` reaches `words[i]`.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    pub(super) events: Vec<String>,
    pub(super) kinds: Vec<String>,
    pub(super) words: Vec<String>,
    pub(super) is_mailed: Vec<bool>,
}

impl Kinds {
    pub(super) fn all() -> Self {
        let mut columns = Self::default();
        for event in EventKind::ALL {
            let Some(kind) = NotificationKind::of(*event) else { continue };
            columns.events.push(event.as_str().to_owned());
            columns.kinds.push(kind.as_str().to_owned());
            columns.words.push(Audience::of(kind).word().to_owned());
            columns.is_mailed.push(kind.is_mailed_by_default());
        }
        columns
    }
}

/// Which role may see which kind of notification, by column: in all jobs, or in those whose team
/// the person is on. A pair that is missing sees none.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) kinds: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) is_assigned_only: Vec<bool>,
}

impl Reach {
    pub(super) fn all() -> Self {
        let mut columns = Self::default();
        for kind in NotificationKind::ALL {
            for role in Role::ALL {
                let grant = match Audience::of(kind).permission() {
                    Some(permission) => role.grant(permission),
                    None => Grant::All,
                };
                let is_assigned_only = match grant {
                    Grant::None => continue,
                    Grant::Assigned => true,
                    Grant::Published | Grant::All => false,
                };
                columns.kinds.push(kind.as_str().to_owned());
                columns.roles.push(role.as_str().to_owned());
                columns.is_assigned_only.push(is_assigned_only);
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(kind: NotificationKind, role: Role) -> Option<bool> {
        let reach = Reach::all();
        let found = (0..reach.kinds.len())
            .find(|i| reach.kinds[*i] == kind.as_str() && reach.roles[*i] == role.as_str());
        found.map(|i| reach.is_assigned_only[i])
    }

    #[test]
    fn a_viewer_hears_of_no_application_and_a_hiring_manager_of_assigned_jobs() {
        use NotificationKind as K;
        for kind in [K::ApplicationSubmitted, K::StageChanged, K::Mention, K::JobExpiring] {
            assert_eq!(reach(kind, Role::Viewer), None, "{kind}");
            assert_eq!(reach(kind, Role::HiringManager), Some(true), "{kind}");
            assert_eq!(reach(kind, Role::Recruiter), Some(false), "{kind}");
        }
        assert_eq!(reach(K::CacheInvalidated, Role::Recruiter), None);
        assert_eq!(reach(K::CacheInvalidated, Role::Admin), Some(false));
        assert_eq!(reach(K::ExportReady, Role::Recruiter), None);
        assert_eq!(reach(K::ExportReady, Role::Owner), Some(false));
        assert_eq!(reach(K::RoleChanged, Role::Viewer), Some(false));
    }
}
