//! What every request passes first: addresses, origins, headers, limits, the trail.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod addresses;
mod audit;
mod headers;
mod limits;
mod operators;
mod origins;
mod spelling;
