//! The people of a tenant: what they may do to one another, and how fast it holds.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod backchannel;
mod enforcement;
mod events;
mod invitations;
mod owners;
mod pair;
mod removal;
mod roles;
mod support;
