//! Where the truth about sessions is: asked when a copy is missing, old or not to be trusted.

use std::error::Error as StdError;
use std::fmt;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::record::{NewSession, SessionRecord};
use crate::sid::Sid;
use crate::tokens::SealedTokens;

/// The ledger gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("the ledger of sessions is unavailable")]
pub struct LedgerUnavailable(#[source] pub Box<dyn StdError + Send + Sync>);

/// What the ledger knows of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The session.
    pub record: SessionRecord,
    /// When it was in use, coarsely.
    pub touched_at: OffsetDateTime,
}

/// The ledger's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerAnswer {
    /// The session; none where there is none, or not any more. Whether it was idle for too long is
    /// not the ledger's to judge.
    pub entry: Option<LedgerEntry>,
    /// The ledger's own time: the answer knows of everything that happened before.
    pub at: OffsetDateTime,
}

/// Why a session ends at its own browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The person signed out.
    SignedOut,
    /// A new sign-in took its place.
    Replaced,
}

/// The ledger of sessions: rows that no loss of Redis touches.
#[async_trait]
pub trait SessionLedger: Send + Sync + fmt::Debug {
    /// Adds a session; answers the ledger's time. To be called with a `sid` that is new.
    async fn create(
        &self,
        sid: Sid,
        new: &NewSession,
        tokens: Option<SealedTokens>,
    ) -> Result<OffsetDateTime, LedgerUnavailable>;

    /// Looks a session up.
    async fn find(&self, sid: Sid) -> Result<LedgerAnswer, LedgerUnavailable>;

    /// Writes down that a session is in use; nothing where it has ended.
    async fn touch(&self, sid: Sid) -> Result<(), LedgerUnavailable>;

    /// Ends a session, here and in every copy; nothing where it has ended.
    async fn end(&self, sid: Sid, reason: EndReason) -> Result<(), LedgerUnavailable>;
}
