//! What a session says, and the envelope it is stored in.

use std::fmt;

use serde::{Deserialize, Serialize};
use tenancy::{OrgId, TenantId, UserId};
use time::OffsetDateTime;

/// The version of [`Envelope`] that this build writes.
const VERSION: u32 = 1;

/// Who is signed in, where, and until when. Written once, at sign-in; never changed afterwards.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// The person.
    pub user: UserId,
    /// The tenant they signed in to.
    pub tenant: TenantId,
    /// That tenant's organization at the identity provider.
    pub org: OrgId,
    /// The person as the identity provider names them (`sub`). Any text; never part of a key.
    pub subject: String,
    /// The identity provider's own session (`sid`), the hint that its logout asks for.
    pub idp_sid: Option<String>,
    /// The person's name when they signed in.
    pub name: String,
    /// The person's e-mail address when they signed in.
    pub email: String,
    /// What an unsafe request has to repeat in `X-CSRF-Token`.
    pub csrf_token: String,
    /// When the person signed in.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the session ends, however busy it is.
    #[serde(with = "time::serde::rfc3339")]
    pub absolute_expires_at: OffsetDateTime,
}

/// Without the token, the identity provider's session and what identifies the person to others.
impl fmt::Debug for SessionRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionRecord")
            .field("user", &self.user)
            .field("tenant", &self.tenant)
            .field("org", &self.org)
            .field("created_at", &self.created_at)
            .field("absolute_expires_at", &self.absolute_expires_at)
            .finish_non_exhaustive()
    }
}

/// A record as Redis holds it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Envelope {
    v: u32,
    /// The last request that was written down, see `SessionSettings::touch_after`.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) touched_at: OffsetDateTime,
    pub(crate) record: SessionRecord,
}

/// What became of the bytes under a session's key.
pub(crate) enum Decoded {
    Envelope(Box<Envelope>),
    /// Written by a newer build that shares this Redis during a rollout: not ours to judge.
    Newer,
    Damaged,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

impl Envelope {
    pub(crate) fn new(record: SessionRecord, touched_at: OffsetDateTime) -> Self {
        Self { v: VERSION, touched_at, record }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Decoded {
        match serde_json::from_slice::<Version>(bytes) {
            Ok(version) if version.v > VERSION => Decoded::Newer,
            Ok(version) if version.v == VERSION => serde_json::from_slice(bytes)
                .map_or(Decoded::Damaged, |envelope| Decoded::Envelope(Box::new(envelope))),
            _ => Decoded::Damaged,
        }
    }
}
