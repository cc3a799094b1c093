//! Jobs: read through the cache, changed under guard.
//!
//! Reads are keyed by what the caller sees (the view) and what they ask for, so two people share
//! an entry exactly when they see the same thing; a job is one thing for everybody who sees it. Writes find the job first: what a caller may not
//! see is 404, whatever else may be wrong with the request.

pub(crate) mod body;
mod codes;
mod cursor;
pub(crate) mod fields;
pub(crate) mod figures;
pub(crate) mod item;
pub(crate) mod list;
mod parameters;
pub(crate) mod query;
pub(crate) mod read;
mod schema;
mod slice;
pub(crate) mod transitions;
pub(crate) mod view;
pub(crate) mod warm;
pub(crate) mod write;

#[cfg(test)]
pub(crate) use body::WRITABLE;
pub use cursor::CursorKey;
pub(crate) use parameters::{FilterParameters, PageParameters};
pub(crate) use schema::{CloseBody, JobDraft, JobPatch, PublishBody};
pub(crate) use view::{PageInfo, next_cursor};
