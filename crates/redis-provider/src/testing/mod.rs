//! What tests of this and other crates use: the contract suite and decorators that break things.

pub mod contract;
mod faulty;
pub mod fuzz;
mod recording;

pub use faulty::{Fault, FaultyRedis};
pub use recording::RecordingRedis;
