//! Webhooks, from the routes to a receiver that somebody else could have written.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod delivery;
mod endpoints;
mod receivers;
mod support;
