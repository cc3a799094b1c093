//! `/api/notifications/…`: what the signed-in person was told, and what they want to hear of.
//!
//! Everybody has an inbox of their own in each organization; nobody reads another's, an operator who
//! looks as a member does included.

pub(crate) mod list;
pub(crate) mod marks;
pub(crate) mod preferences;
