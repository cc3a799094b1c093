//! The adapter for ElastiCache over clusters of real servers, and what happens when they fail.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests report by panicking and print what they measured, as tests do"
)]

mod bench;
mod contract;
mod credentials;
mod faults;
mod ledger;
mod settings;
mod sharded;
mod subscriptions;
