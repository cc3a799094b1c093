//! Sessions: a ledger that is the truth, copies that make it fast, no resurrection.
//!
//! Only `portal-api` (which signs people in and asks who is signed in) and `portal` (which wires
//! the store, and is its ledger over Postgres) may use this crate. It knows Redis through
//! [`redis_provider::RedisProvider`] and the ledger through [`SessionLedger`] alone.
//!
//! Invariants:
//! - The cookie carries 64 random letters and digits; the ledger and Redis only ever see their
//!   SHA-256, so a dump of either signs nobody in.
//! - The ledger decides. A process believes what it has read for the lease, and a copy in Redis
//!   only where no failure of Redis can have kept an end of the session from it.
//! - A session that has ended stays ended: sessions are written once, at sign-in, and a tombstone
//!   keeps copies away that were read before the end.
//! - Every session ends: after [`SessionSettings::idle`] without a request, and after
//!   [`SessionSettings::absolute`] whatever happens.
//! - Signing in changes the cookie's value, and the new session exists before the old one ends.
//! - An error is never "signed out": where nobody can tell the caller gets [`StoreUnavailable`],
//!   or an error that [`is_store_outage`] recognizes.
//! - [`PortalSession`] is the only reader and writer of a session's content.
//!
//! ```
//! use std::time::Duration;
//!
//! use session_store::SessionSettings;
//!
//! let settings = SessionSettings {
//!     idle: Duration::from_hours(1),
//!     absolute: Duration::from_hours(12),
//!     lease: Duration::from_secs(1),
//!     held: 10_000,
//!     ledger_lookups: 4,
//!     ledger_queue: Duration::from_secs(2),
//! };
//! assert_eq!(settings.touch_after(), Duration::from_mins(5));
//! ```

mod change;
mod copies;
mod envelope;
mod error;
mod figures;
mod held;
mod ledger;
mod organization;
mod portal_session;
mod record;
mod sid;
mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod trust;

pub use change::{AccessChange, AccessSignal, TOPIC};
pub use copies::{AccessCopies, Question, SessionSettings};
pub use error::{StoreUnavailable, is_store_outage};
pub use figures::AccessFigures;
pub use ledger::{EndReason, LedgerAnswer, LedgerEntry, LedgerUnavailable, SessionLedger};
pub use organization::{OrganizationData, TenantStatus};
pub use portal_session::{InvalidRecord, PortalSession};
pub use record::{Device, NewSession, SessionRecord, Tokens};
pub use sid::Sid;
pub use store::PortalSessionStore;
pub use tokens::{SealedTokens, TokenVault, TokensUnreadable};
