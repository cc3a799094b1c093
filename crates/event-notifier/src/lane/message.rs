//! What instances tell each other: ids and numbers, never anything about a person.

use bytes::Bytes;
use employer_store::feed::{NotificationKind, Published};
use serde::{Deserialize, Serialize};
use tenancy::{ApplicationId, EventKind, JobId, TenantId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::stream::Notice;

/// The version of the form.
const VERSION: u8 = 1;

/// The message is in a form that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message that cannot be read")]
pub struct UnreadableMessage;

/// One event that was committed and fanned out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    v: u8,
    /// Where.
    pub tenant: TenantId,
    /// Which.
    #[serde(rename = "event_id")]
    pub event: Uuid,
    /// What happened.
    pub kind: EventKind,
    /// The job that it is about.
    pub job: Option<Uuid>,
    /// The application that it is about.
    pub application: Option<Uuid>,
    /// The export that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Uuid>,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    /// Whoever did it.
    pub actor: Option<Uuid>,
    /// Who is told of it, each with the number that it has for them.
    pub recipients: Vec<(UserId, i64)>,
}

impl From<Published> for Message {
    fn from(event: Published) -> Self {
        Self {
            v: VERSION,
            tenant: event.tenant,
            event: event.event_id,
            kind: event.kind,
            job: event.job.map(JobId::as_uuid),
            application: event.application.map(ApplicationId::as_uuid),
            export: event.subject.filter(|_| event.kind == EventKind::ExportReady),
            occurred_at: event.occurred_at,
            actor: event.actor.map(UserId::as_uuid),
            recipients: event.recipients,
        }
    }
}

impl Message {
    /// The same for some of its recipients.
    pub(super) fn for_these(self, recipients: &[(UserId, i64)]) -> Self {
        Self { recipients: recipients.to_vec(), ..self }
    }

    /// What its recipients see; none where nobody is told of such events.
    pub(crate) fn notice(&self) -> Option<Notice> {
        Some(Notice {
            event: self.event,
            kind: NotificationKind::of(self.kind)?,
            job: self.job,
            application: self.application,
            export: self.export,
            actor: self.actor,
            occurred_at: self.occurred_at,
        })
    }

    pub(super) fn encode(&self) -> Option<Bytes> {
        serde_json::to_vec(self).ok().map(Bytes::from)
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, UnreadableMessage> {
        let message: Self = serde_json::from_slice(payload).map_err(|_| UnreadableMessage)?;
        if message.v == VERSION { Ok(message) } else { Err(UnreadableMessage) }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn it_is_read_as_it_is_written_and_by_its_own_version_alone() {
        let message = Message::from(Published {
            tenant: TenantId::from_uuid(Uuid::from_u128(2)),
            event_id: Uuid::from_u128(1),
            kind: EventKind::MentionCreated,
            subject: None,
            job: None,
            application: Some(ApplicationId::from_uuid(Uuid::from_u128(3))),
            occurred_at: datetime!(2026-11-22 10:00:00.25 UTC),
            actor: Some(UserId::from_uuid(Uuid::from_u128(4))),
            recipients: vec![(UserId::from_uuid(Uuid::from_u128(5)), 7)],
        });
        let bytes = message.encode().unwrap();
        assert_eq!(Message::decode(&bytes), Ok(message.clone()));
        let other = Message { v: 2, ..message }.encode().unwrap();
        assert_eq!(Message::decode(&other), Err(UnreadableMessage));
        assert_eq!(Message::decode(b"tick"), Err(UnreadableMessage));
    }
}
