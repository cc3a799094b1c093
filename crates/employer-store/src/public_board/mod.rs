//! What everybody may see of a tenant, and the one thing that everybody may do: apply.
//!
//! [`PublicDb`] connects in a role that may read published jobs and call two functions. It has no
//! right to candidates, applications or members, so that no fault above it shows one. Published
//! jobs are kept by the transactions that change jobs ([`reflect`]).

mod database;
mod reflect;
mod submit;
mod views;

pub use database::{Board, PublicDb, PublicJob};
pub(crate) use reflect::reflect;
pub use submit::{NewResume, NewSubmission, SubmitKey, SubmitOutcome, Submitted};
pub use views::{JobViews, record_views};
