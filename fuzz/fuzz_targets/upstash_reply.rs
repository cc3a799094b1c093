//! Bodies of answers over REST.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| redis_provider::testing::fuzz::reply(body));
