//! Crowds of live streams: what connections, instances and Redis lose is lost to nobody.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test that cannot go on fails where it stands"
)]

mod access;
mod conformance;
mod losses;
mod slow;
mod storm;
