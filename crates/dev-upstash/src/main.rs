//! An Upstash-shaped REST front over a real redis-server, for development and tests.

fn main() {}
