//! What members can be told of.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tenancy::EventKind;
use utoipa::ToSchema;

/// What a notification is about. The text form is stable: rows, answers and preferences carry it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// Somebody applied for a job.
    ApplicationSubmitted,
    /// An application went to another stage.
    StageChanged,
    /// Somebody named you in what they wrote about an application.
    Mention,
    /// A published job is near its last day.
    JobExpiring,
    /// Your role changed.
    RoleChanged,
    /// An export that you asked for can be fetched.
    ExportReady,
    /// A colleague dropped a part of the cached answers.
    CacheInvalidated,
    /// An endpoint of the webhooks was given up: it failed for days, or said that it is gone.
    WebhookDisabled,
}

/// The text names no kind of notification that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of notification")]
pub struct UnknownNotificationKind;

impl NotificationKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::ApplicationSubmitted,
        Self::StageChanged,
        Self::Mention,
        Self::JobExpiring,
        Self::RoleChanged,
        Self::ExportReady,
        Self::CacheInvalidated,
        Self::WebhookDisabled,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationSubmitted => "application_submitted",
            Self::StageChanged => "stage_changed",
            Self::Mention => "mention",
            Self::JobExpiring => "job_expiring",
            Self::RoleChanged => "role_changed",
            Self::ExportReady => "export_ready",
            Self::CacheInvalidated => "cache_invalidated",
            Self::WebhookDisabled => "webhook_disabled",
        }
    }

    /// What people are told when this happens; none where nobody is. A second application of the
    /// same person for the same job tells them nothing new.
    pub const fn of(event: EventKind) -> Option<Self> {
        match event {
            EventKind::ApplicationSubmitted => Some(Self::ApplicationSubmitted),
            EventKind::ApplicationStageChanged => Some(Self::StageChanged),
            EventKind::MentionCreated => Some(Self::Mention),
            EventKind::JobExpiring => Some(Self::JobExpiring),
            EventKind::MemberRoleChanged => Some(Self::RoleChanged),
            EventKind::ExportReady => Some(Self::ExportReady),
            EventKind::CacheInvalidated => Some(Self::CacheInvalidated),
            EventKind::WebhookDisabled => Some(Self::WebhookDisabled),
            _ => None,
        }
    }

    /// Whether a mail follows where somebody has not said otherwise. What can wait until they look
    /// in has none.
    pub const fn is_mailed_by_default(self) -> bool {
        matches!(
            self,
            Self::ApplicationSubmitted
                | Self::Mention
                | Self::JobExpiring
                | Self::ExportReady
                | Self::WebhookDisabled
        )
    }

    /// Whether somebody may choose not to hear of it. A change of what they may do, nobody misses.
    pub const fn may_be_off(self) -> bool {
        !matches!(self, Self::RoleChanged)
    }
}

impl FromStr for NotificationKind {
    type Err = UnknownNotificationKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownNotificationKind)
    }
}

impl fmt::Display for NotificationKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json_and_read_back() {
        for kind in NotificationKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("unknown".parse::<NotificationKind>().is_err());
    }

    #[test]
    fn every_kind_is_told_by_one_event() {
        for kind in NotificationKind::ALL {
            let causes = EventKind::ALL.iter().filter(|e| NotificationKind::of(**e) == Some(kind));
            assert_eq!(causes.count(), 1, "{kind}");
        }
    }
}
