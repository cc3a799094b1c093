//! Who somebody is and what they may do: sign-in with the identity provider, sessions, access.
//!
//! The road of a request: the session middleware loads the session, [`Principal`] finds the
//! person's place in their organization, [`Authorized`] checks the permission that stands in the
//! handler's signature. The tenant is the session's, always: nothing in a path, header or body
//! says which tenant a request works in.

mod authorized;
mod csrf;
mod login_transaction;
mod membership;
pub mod oidc;
mod principal;
mod return_to;
pub(crate) mod routes;
mod sessions;
#[cfg(test)]
mod test_session;

pub use authorized::{
    Authorized, CacheRead, CacheWrite, JobsArchive, JobsDelete, JobsEdit, JobsRead, JobsWrite,
    Needs, SessionRead,
};
pub use principal::Principal;
pub use sessions::{SESSION_COOKIE, session_middleware};
