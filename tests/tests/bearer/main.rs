//! Callers without a browser: access tokens in both forms, and API keys.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod api_keys;
mod callers;
mod flood;
mod tokens;
