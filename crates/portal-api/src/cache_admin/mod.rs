//! `/api/cache`: an admin looks into the cache of their own tenant, drops and fills parts of it.
//!
//! The tenant is the session's, as everywhere; what is typed names groups within it and is never
//! a pattern. Every call leaves an audit row with its result, refused ones included.

mod audited;
pub(crate) mod invalidate;
pub(crate) mod keys;
mod selection;
pub(crate) mod status;
pub(crate) mod warm;
