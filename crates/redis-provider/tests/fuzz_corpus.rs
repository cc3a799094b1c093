//! What the fuzz targets start from, and every failure that they found, on each run of the tests.

#![expect(clippy::expect_used, reason = "helpers of tests report by panicking, as tests do")]

use redis_provider::testing::fuzz;

fn replay(target: &str, least: usize, parse: impl Fn(&[u8])) {
    let folder = format!("{}/../../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus") {
        parse(&std::fs::read(entry.expect("a file").path()).expect("its bytes"));
        count += 1;
    }
    assert!(count >= least, "{count} files in {folder}");
}

#[test]
fn replies() {
    replay("upstash_reply", 20, fuzz::reply);
}

#[test]
fn streams_of_events() {
    replay("upstash_sse", 15, fuzz::sse);
}
