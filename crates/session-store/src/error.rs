//! The one way in which sessions fail: the store gave no usable answer.

use actix_session::storage::{SaveError, UpdateError};
use actix_web::error::InternalError;
use redis_provider::RedisError;

/// The session store gave no usable answer: whether somebody is signed in is not known.
///
/// Every kind of [`RedisError`] ends here, refusals and odd answers included: none of them says
/// that a session is absent, so none of them may sign anybody out.
#[derive(Debug, thiserror::Error)]
#[error("the session store is unavailable")]
pub struct StoreUnavailable(#[from] RedisError);

/// Whether `error`, as it left actix-session's middleware, means that the store gave no answer.
///
/// The middleware wraps what a store raises in an [`InternalError`] whose cause cannot be reached
/// any more, and answers 500. Its type still tells: these three wrappers are made nowhere else,
/// and a [`RedisSessionStore`](crate::RedisSessionStore) fails for no other reason than
/// [`StoreUnavailable`]. `Debug` of the error still prints the chain of causes, for the log.
pub fn is_store_outage(error: &actix_web::Error) -> bool {
    error.as_error::<InternalError<anyhow::Error>>().is_some()
        || error.as_error::<InternalError<SaveError>>().is_some()
        || error.as_error::<InternalError<UpdateError>>().is_some()
}
