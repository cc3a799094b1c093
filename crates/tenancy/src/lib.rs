//! Who acts in which tenant, what they may do, and the only way to a cache key.
//!
//! Every other crate may use this one; it uses none of ours, does no I/O and knows no async.
//!
//! Invariants:
//! - [`TenantId`] identifies, [`TenantScope`] authorizes. A scope is made only where a session, a
//!   token, an API key, a board slug or a system task has been verified ([`Evidence`]).
//! - A cache key is made only by a scope ([`TenantScope::key`]), and no text of a user can leave
//!   the part of the key that it was put in.
//! - What a role may do is one table, [`Role::grant`]; what a caller may do is never more than
//!   their role and never more than their scopes, [`Authority`].
//!
//! ```
//! use tenancy::{Grant, Permission, Role};
//!
//! assert_eq!(Role::Recruiter.grant(Permission::JobsWrite), Grant::All);
//! assert_eq!(Role::HiringManager.grant(Permission::JobsRead), Grant::Assigned);
//! assert_eq!(Role::Viewer.grant(Permission::JobsWrite), Grant::None);
//! ```

mod actor;
mod authority;
mod change;
mod clock;
mod event;
mod ids;
mod key;
mod permission;
mod role;
mod scope;

pub use actor::{Actor, JobView};
pub use authority::{Authority, PermissionSet};
pub use change::{Change, JobChange, JobField, JobState, place_key};
pub use clock::{Clock, ManualClock, SystemClock};
pub use event::{EventKind, UnknownEventKind};
pub use ids::{
    ApiKeyId, ApplicationId, ClientName, ExportId, InvalidClientName, InvalidOrgId, JobId, OrgId,
    TenantId, UserId, WebhookId,
};
pub use key::{Feature, KeyBuilder, Tag, TenantKey, platform_generation_key};
pub use permission::{Grant, Permission};
pub use role::{Role, UnknownRole};
pub use scope::{Evidence, TenantScope};
