//! Messages of the identity provider that must not count twice.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::database::within_deadline;
use crate::error::StoreError;
use crate::tenant_db::TenantDb;

/// What kind of message an id belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A logout token, by its `jti`.
    LogoutToken,
    /// An event, by its `id`.
    Event,
    /// The end of one of its sessions, by [`ended_session`].
    EndedSession,
}

impl MessageKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::LogoutToken => "logout_token",
            Self::Event => "event",
            Self::EndedSession => "ended_session",
        }
    }
}

/// How long the end of a session is remembered: longer than any sign-in takes that stands on it.
pub const ENDED_SESSION_LIFETIME: Duration = Duration::from_hours(1);

/// The id under which the end of a session is remembered. It is noted before the sessions that
/// stand on it are looked for, and asked for after one has been stored, so that a sign-in under way
/// is met by one of the two.
pub fn ended_session(issuer: &str, idp_sid: &str) -> String {
    format!("{issuer}\n{idp_sid}")
}

/// Whether a message was dealt with before.
pub async fn is_known(db: &TenantDb, kind: MessageKind, id: &str) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar!(
        r#"SELECT is_provider_message_known($1, $2) AS "is_known!""#,
        kind.as_str(),
        hash(id),
    );
    within_deadline(query.fetch_one(db.pool())).await
}

/// Notes that a message was dealt with; false where somebody else noted it first.
pub async fn remember(
    db: &TenantDb,
    kind: MessageKind,
    id: &str,
    now: OffsetDateTime,
    lifetime: Duration,
) -> Result<bool, StoreError> {
    let query = sqlx::query_scalar!(
        r#"SELECT remember_provider_message($1, $2, $3) AS "is_new!""#,
        kind.as_str(),
        hash(id),
        now + lifetime,
    );
    within_deadline(query.fetch_one(db.pool())).await
}

fn hash(id: &str) -> Vec<u8> {
    Sha256::digest(id.as_bytes()).to_vec()
}
