//! Who acts: a member of the tenant, or the system itself.

use crate::ids::UserId;
use crate::permission::{Grant, Permission};
use crate::role::Role;

/// Who a request or a task acts as; written into audit rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in member.
    Member {
        /// The person.
        user: UserId,
        /// Their role in the tenant of the request.
        role: Role,
    },
    /// A worker of ours; the text says which.
    System(&'static str),
}

impl Actor {
    /// The person, where there is one.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Member { user, .. } => Some(*user),
            Self::System(_) => None,
        }
    }

    /// The actor as the audit trail writes it: `user:<uuid>` or `system:<task>`.
    pub fn audit_name(&self) -> String {
        match self {
            Self::Member { user, .. } => format!("user:{user}"),
            Self::System(task) => format!("system:{task}"),
        }
    }

    /// How far this actor may exercise `permission`. The system may do everything.
    pub const fn grant(&self, permission: Permission) -> Grant {
        match self {
            Self::Member { role, .. } => role.grant(permission),
            Self::System(_) => Grant::All,
        }
    }
}

/// The part of a tenant's jobs that somebody sees.
///
/// It is part of every cached job answer's key: two people share an entry exactly when they see
/// the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobView {
    /// All jobs in every state.
    All,
    /// All jobs but drafts.
    Published,
    /// The jobs whose team this person is on.
    Assigned(UserId),
}

impl JobView {
    /// The view that `grant` gives to `user`; `None` where nothing may be seen.
    pub const fn from_grant(grant: Grant, user: UserId) -> Option<Self> {
        match grant {
            Grant::None => None,
            Grant::Assigned => Some(Self::Assigned(user)),
            Grant::Published => Some(Self::Published),
            Grant::All => Some(Self::All),
        }
    }

    /// The view's part of a cache key.
    pub fn key_part(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Published => "published".to_owned(),
            Self::Assigned(user) => format!("assigned-{}", user.as_uuid().simple()),
        }
    }
}
