//! Sessions on the provider port: opaque cookies, typed records, no resurrection.
//!
//! Only `portal-api` (which signs people in and asks who is signed in) and `portal` (which wires
//! the store) may use this crate. It knows Redis through [`redis_provider::RedisProvider`] alone.
//!
//! Invariants:
//! - The cookie carries 64 random letters and digits; Redis only ever sees their SHA-256, so a
//!   dump of Redis signs nobody in.
//! - A session that is gone stays gone: a request that was under way while the person signed out
//!   writes nothing ([`RedisSessionStore`] updates with `SET XX` and never falls back to a new
//!   session).
//! - Every session ends: after [`SessionSettings::idle`] without a request, and after
//!   [`SessionSettings::absolute`] whatever happens.
//! - Signing in changes the cookie's value, and the new session exists before the old one is
//!   deleted.
//! - An error is never "signed out": where Redis gives no answer the caller gets
//!   [`StoreUnavailable`], or an error that [`is_store_outage`] recognizes.
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
//! };
//! assert_eq!(settings.touch_after(), Duration::from_mins(5));
//! ```

mod error;
mod portal_session;
mod record;
mod snapshots;
mod store;
#[cfg(test)]
mod tests;

pub use error::{StoreUnavailable, is_store_outage};
pub use portal_session::{InvalidRecord, PortalSession};
pub use record::SessionRecord;
pub use snapshots::{OrganizationData, Snapshots, TenantStatus};
pub use store::{RedisSessionStore, SessionSettings};
