//! The portal's program over Redis services that do not fit its settings, fail, or are away:
//! what it says, how soon, and what it keeps to itself.
//!
//! `cargo xtask test` says in `PORTAL_TEST_*` where the servers' programs are.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails where it stands"
)]

mod check;
mod misfits;
mod secrets;
mod support;
