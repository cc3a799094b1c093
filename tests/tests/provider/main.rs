//! What must be the same whichever provider is behind the portal. `cargo xtask test` runs this
//! suite once for each value of `REDIS_PROVIDER`; alone it runs over a single redis-server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod events;
mod one_instance;
mod two_instances;
