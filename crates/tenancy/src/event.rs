//! The vocabulary of what happens in a tenant.
//!
//! It stands here because two crates that may not know each other share it: the store, which
//! writes an event in the transaction that causes it, and the cache, which says what it drops.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What happened. The text form is stable: rows, messages and webhooks carry it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl EventKind {
            /// Every kind of event.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name, `subject.verb`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

event_kinds! {
    /// A job came into being, as a draft.
    JobCreated = "job.created",
    /// A job's text or fields changed.
    JobUpdated = "job.updated",
    /// A job moved to another state of its life cycle.
    JobStatusChanged = "job.status_changed",
    /// A draft was deleted.
    JobDeleted = "job.deleted",
    /// The team of a job changed, and with it what assigned people see.
    JobTeamChanged = "job.team_changed",
    /// Somebody became a member of the tenant.
    MemberJoined = "member.joined",
    /// A member's role changed.
    MemberRoleChanged = "member.role_changed",
    /// Somebody is no member of the tenant any more.
    MemberRemoved = "member.removed",
    /// Sessions of a member ended before their time: one, some or all of them.
    SessionsRevoked = "session.revoked",
    /// An API key of the tenant was revoked.
    ApiKeyRevoked = "api_key.revoked",
    /// Somebody applied for a job.
    ApplicationSubmitted = "application.submitted",
    /// Somebody who had applied for the job before did so again.
    ApplicationResubmitted = "application.resubmitted",
    /// An application moved in its pipeline, left it or came back.
    ApplicationStageChanged = "application.stage_changed",
    /// The tenant was suspended: nothing of it may be served any more.
    TenantSuspended = "tenant.suspended",
    /// The suspension of the tenant ended.
    TenantResumed = "tenant.resumed",
    /// Members were named in something that was written about an application.
    MentionCreated = "mention.created",
    /// A published job is near its last day.
    JobExpiring = "job.expiring",
    /// An export that somebody asked for can be fetched.
    ExportReady = "export.ready",
    /// Somebody dropped a part of the tenant's cached answers.
    CacheInvalidated = "cache.invalidated",
    /// An endpoint of the tenant's webhooks was given up.
    WebhookDisabled = "webhook.disabled",
    /// A member read or put away notifications: their other devices show another count.
    FeedChanged = "feed.changed",
}

impl EventKind {
    /// Whether it is kept for good, to count figures from. What is left out says nothing about the
    /// tenant's work.
    pub const fn is_kept(self) -> bool {
        !matches!(self, Self::SessionsRevoked | Self::ApiKeyRevoked | Self::FeedChanged)
    }
}

/// The text names no event that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown event kind")]
pub struct UnknownEventKind;

impl FromStr for EventKind {
    type Err = UnknownEventKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or(UnknownEventKind)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
