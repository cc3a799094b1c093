//! Support for the black-box suites: real servers, real processes, people with verbs.
//!
//! `cargo xtask test` starts what the suites need and says where it is in `PORTAL_TEST_*`. Each
//! test makes tenants of its own in one shared database, so every test is a test of tenancy too.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that cannot be set up fails where it stands"
)]

pub mod applicant;
pub mod certified;
pub mod client;
pub mod console;
pub mod crowd;
pub mod dashboard;
pub mod drill;
pub mod environment;
pub mod event_sources;
pub mod events;
pub mod identity;
pub mod issuer;
pub mod job;
pub mod live_load;
pub mod portal;
pub mod receiver;
pub mod servers;
pub mod tenant;
pub mod unheard;
pub mod waiting;
pub mod written;
