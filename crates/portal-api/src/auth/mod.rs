//! Who somebody is and what they may do: sign-in with the identity provider, sessions, access.
//!
//! The road of a request: it comes with one credential, a session's cookie, a bearer token or an
//! API key. [`Principal`] verifies it and finds the caller's place in their organization,
//! [`Authorized`] checks the permission that stands in the handler's signature. The tenant is the
//! credential's, always: nothing in a path, header or body says which tenant a request works in.

pub(crate) mod api_keys;
mod authorized;
pub(crate) mod backchannel;
mod bearer;
mod callers;
mod cookie_keys;
mod credential;
mod csrf;
mod device;
pub(crate) mod events;
mod held;
mod login_transaction;
pub mod management;
mod membership;
pub mod oidc;
mod principal;
mod provider_access;
pub mod refresh;
mod return_to;
pub(crate) mod routes;
mod sessions;
#[cfg(test)]
mod test_session;
#[cfg(feature = "testing")]
pub(crate) mod testing;

pub use api_keys::{KeyUse, KeyUses};
pub use authorized::{
    AnalyticsExport, AnalyticsRead, ApiKeysManage, ApplicationsDecide, ApplicationsRead,
    ApplicationsWrite, Authorized, CacheRead, CacheWrite, JobsArchive, JobsDelete, JobsEdit,
    JobsRead, JobsWrite, Needs, NotificationsManage, Person, SessionManage, SessionRead,
    TeamManage, TeamRead, WebhooksManage,
};
pub use callers::Callers;
pub(crate) use cookie_keys::check_credentials;
pub use principal::{Principal, SignedIn};
pub(crate) use principal::{organization_of, signed_in};
pub use sessions::{SESSION_COOKIE, session_middleware};
