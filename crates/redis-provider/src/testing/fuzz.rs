//! What the fuzz targets in `fuzz/` call, and the tests with the targets' corpus.

pub use crate::upstash::fuzz::{reply, sse};
