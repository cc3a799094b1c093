//! Scans.

use std::collections::BTreeSet;

use super::{Bench, unique_prefix};
use crate::port::ScanCursor;

async fn scan_all(bench: &Bench, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut cursor = ScanCursor::START;
    loop {
        let page = bench.provider.scan(prefix, cursor).await.expect("scan");
        found.extend(page.keys);
        match page.next {
            Some(next) => cursor = next,
            None => return found,
        }
    }
}

pub(super) async fn finds_all(bench: &Bench) {
    let prefix = unique_prefix("scan");
    assert!(scan_all(bench, &prefix).await.is_empty());
    let keys: BTreeSet<String> = (0..1500).map(|number| format!("{prefix}{number:04}")).collect();
    let writes = keys.iter().map(|key| bench.put(key, "x"));
    futures_util::future::join_all(writes).await;
    assert_eq!(scan_all(bench, &prefix).await, keys);
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(bench.provider.delete_many(&all).await, Ok(1500));
    assert!(scan_all(bench, &prefix).await.is_empty());
}

/// Glob characters of a prefix stand for themselves.
pub(super) async fn prefix_is_literal(bench: &Bench) {
    let prefix = unique_prefix("glob");
    for special in ["*", "?", "[ab]", "[^a]", "\\", "\\*", "{a}", "a-b", "]", "%2A"] {
        let wanted = format!("{prefix}{special}:1");
        bench.put(&wanted, "x").await;
        for other in ["a:1", "ab:1", "b:1", "xyz:1"] {
            bench.put(&format!("{prefix}{other}"), "x").await;
        }
        let found = scan_all(bench, &format!("{prefix}{special}:")).await;
        assert_eq!(found, BTreeSet::from([wanted]), "{special}");
    }
}
