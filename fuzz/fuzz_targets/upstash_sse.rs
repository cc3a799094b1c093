//! Streams of server-sent events.

#![no_main]

libfuzzer_sys::fuzz_target!(|stream: &[u8]| redis_provider::testing::fuzz::sse(stream));
