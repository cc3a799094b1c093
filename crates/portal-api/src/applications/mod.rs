//! Applications: listed through the cache, read past it, moved under guard.
//!
//! Lists are of the sensitive class: sealed where they leave the process, kept nowhere readable,
//! never served late. A single application is not cached at all. Whoever is assigned to jobs
//! reaches the applications for those; what a caller may not see is 404.

pub(crate) mod files;
pub(crate) mod item;
pub(crate) mod list;
mod query;
pub(crate) mod steps;
