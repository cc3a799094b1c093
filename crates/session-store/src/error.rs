//! The one way in which sessions fail: nobody who could tell gave an answer.

use actix_session::storage::{SaveError, UpdateError};
use actix_web::error::InternalError;

use crate::ledger::LedgerUnavailable;

/// Whether somebody is signed in is not known: neither a copy that can be trusted nor the ledger
/// was to be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreUnavailable {
    /// The ledger gave no answer.
    #[error("no copy of the session can be trusted")]
    Ledger(#[from] LedgerUnavailable),
    /// Too many others ask the ledger already.
    #[error("too many look-ups of sessions are waiting for the ledger")]
    Busy,
    /// What was read or is to be written is no session.
    #[error("a session cannot be read or written")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whether `error`, as it left actix-session's middleware, means that the store gave no answer.
///
/// The middleware wraps what a store raises in an [`InternalError`] whose cause cannot be reached
/// any more, and answers 500. Its type still tells: these three wrappers are made nowhere else,
/// and a [`PortalSessionStore`](crate::PortalSessionStore) fails for no other reason than
/// [`StoreUnavailable`]. `Debug` of the error still prints the chain of causes, for the log.
pub fn is_store_outage(error: &actix_web::Error) -> bool {
    error.as_error::<InternalError<anyhow::Error>>().is_some()
        || error.as_error::<InternalError<SaveError>>().is_some()
        || error.as_error::<InternalError<UpdateError>>().is_some()
}
