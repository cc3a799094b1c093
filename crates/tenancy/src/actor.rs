//! Who acts: a member of the tenant, a machine of its, or the system itself.

use crate::ids::{ApiKeyId, ClientName, UserId};
use crate::permission::Grant;
use crate::role::Role;

/// Who a request or a task acts as; written into audit rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A member, signed in or through an application of theirs.
    Member {
        /// The person.
        user: UserId,
        /// Their role in the tenant of the request.
        role: Role,
    },
    /// Whoever holds an API key.
    ApiKey {
        /// The key.
        key: ApiKeyId,
        /// The member who made it, and whose power it is a part of.
        creator: UserId,
    },
    /// A client of the identity provider with a token of its own.
    Machine(ClientName),
    /// An operator of the platform, by themselves or looking as a member does.
    Operator {
        /// The operator.
        operator: UserId,
        /// The member that they look as.
        member: Option<UserId>,
    },
    /// A worker of ours; the text says which.
    System(&'static str),
}

impl Actor {
    /// The person who answers for what is done, where there is one.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::Member { user, .. } => Some(*user),
            Self::ApiKey { creator, .. } => Some(*creator),
            Self::Operator { member, .. } => *member,
            Self::Machine(_) | Self::System(_) => None,
        }
    }

    /// The actor as the audit trail writes it: `user:<uuid>`, `api_key:<uuid>`, `client:<name>`,
    /// `operator:<uuid>` (` as user:<uuid>` of a member that they look as) or `system:<task>`.
    pub fn audit_name(&self) -> String {
        match self {
            Self::Member { user, .. } => format!("user:{user}"),
            Self::ApiKey { key, .. } => format!("api_key:{key}"),
            Self::Machine(client) => format!("client:{client}"),
            Self::Operator { operator, member: None } => format!("operator:{operator}"),
            Self::Operator { operator, member: Some(member) } => {
                format!("operator:{operator} as user:{member}")
            }
            Self::System(task) => format!("system:{task}"),
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
    /// The view that `grant` gives to `user`; `None` where nothing may be seen, as by somebody who
    /// is nobody in particular in jobs that particular people are assigned to.
    pub const fn from_grant(grant: Grant, user: Option<UserId>) -> Option<Self> {
        match grant {
            Grant::None => None,
            Grant::Assigned => match user {
                Some(user) => Some(Self::Assigned(user)),
                None => None,
            },
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
