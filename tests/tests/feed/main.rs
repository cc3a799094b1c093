//! What people are told: exactly once, whatever breaks, and the same on all of their devices.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod exactly_once;
mod notifications;
