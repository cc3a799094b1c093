//! Figures about jobs and applications.
//!
//! Reports are cached for five minutes and dropped by no event that they count: each says of which
//! moment it is, and `version` orders it among others and the snapshots of live streams. Whoever is
//! assigned to jobs is shown the figures of those; nobody's name is in any of them.

pub(crate) mod csv;
pub(crate) mod export;
pub(crate) mod query;
pub(crate) mod reports;
pub(crate) mod soundness;

pub use self::export::Exports;
