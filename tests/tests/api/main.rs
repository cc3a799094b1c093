//! What an outsider may rely on: the portal over HTTP, with real servers behind it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod bad_input;
mod cache_admin;
mod caching;
mod errors;
mod filters;
mod health;
mod idempotency;
mod lifecycle;
mod metrics;
mod sign_in;
