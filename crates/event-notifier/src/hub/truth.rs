//! What the hub asks Postgres.

use std::collections::HashSet;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tenancy::{Grant, Permission, Role, TenantId, TenantScope, UserId};
use uuid::Uuid;

use crate::stream::{Cursor, Notice};

/// Postgres gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("nobody can tell what is in the feed")]
pub struct TruthUnavailable(#[source] pub Box<dyn StdError + Send + Sync>);

/// The end of a person's feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last number that was given, and in which numbering.
    pub at: Cursor,
    /// How many notifications are unread.
    pub unread: i64,
}

/// A part of a person's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The end of the feed, read before the notices: what is up to here and not among them is not
    /// there at all.
    pub head: Head,
    /// Notices with their numbers, in their order.
    pub notices: Vec<(i64, Notice)>,
}

/// What somebody may see: by their role, and of which jobs where that is for some only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What they are.
    pub role: Role,
    /// The jobs whose team they are on; read where it matters only.
    pub jobs: Arc<HashSet<Uuid>>,
}

impl Sight {
    /// Of somebody about whom nothing but the role is known yet.
    pub fn of_role(role: Role) -> Self {
        Self { role, jobs: Arc::default() }
    }

    pub(crate) fn shows(&self, needs: Option<Permission>, job: Option<Uuid>) -> bool {
        match needs.map_or(Grant::All, |permission| self.role.grant(permission)) {
            Grant::None => false,
            Grant::Assigned => job.is_some_and(|job| self.jobs.contains(&job)),
            Grant::Published | Grant::All => true,
        }
    }
}

/// Whose stream it is, and by which session.
#[derive(Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Where, verified.
    pub scope: TenantScope,
    /// Who.
    pub user: UserId,
    /// The session, by the hash of its cookie.
    pub session: [u8; 32],
}

/// Without what names the session.
impl fmt::Debug for Viewer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Viewer")
            .field("tenant", &self.scope.tenant())
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Viewer {
    pub(crate) fn desk(&self) -> (TenantId, UserId) {
        (self.scope.tenant(), self.user)
    }
}

/// What has become of a viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The session is over, the person no member any more, or the tenant suspended.
    Ended,
    /// They may look on.
    Stands {
        /// What they may see now.
        sight: Sight,
        /// The end of their feed.
        head: Head,
    },
}

/// What is true, whatever messages said or did not say.
#[async_trait]
pub trait Truth: Send + Sync + fmt::Debug {
    /// The end of the viewer's feed and at most `most` notices with numbers above `after`; without
    /// `after` the end alone.
    async fn page(
        &self,
        viewer: &Viewer,
        after: Option<i64>,
        most: u16,
    ) -> Result<Page, TruthUnavailable>;

    /// What has become of each of these, in their order.
    async fn standings(&self, viewers: &[Viewer]) -> Result<Vec<Standing>, TruthUnavailable>;
}
