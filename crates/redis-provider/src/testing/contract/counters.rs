//! Counters.

use std::time::Duration;

use super::{Bench, assert_rejected, unique_prefix};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn count(bench: &Bench) {
    let key = unique_prefix("counter");
    let add = |by| bench.provider.increment(&key, by, HOUR);
    assert_eq!(add(0).await, Ok(0), "a counter begins at 0");
    assert_eq!(add(5).await, Ok(5));
    assert_eq!(add(-7).await, Ok(-2));
    assert_eq!(bench.get(&key).await.as_deref(), Some(&b"-2"[..]));
    // Beyond what a double holds exactly.
    assert_eq!(add(9_007_199_254_740_995).await, Ok(9_007_199_254_740_993));
    assert_eq!(add(i64::MAX - 9_007_199_254_740_993).await, Ok(i64::MAX));
    assert_rejected(add(1).await, "an overflow");
    assert_eq!(add(0).await, Ok(i64::MAX), "a refused overflow changed the counter");
}

pub(super) async fn refuses(bench: &Bench) {
    let prefix = unique_prefix("no-counter");
    for text in ["", "x", "1.5", " 1", "1 ", "+1", "01", "-0", "9223372036854775808", "0x10"] {
        let key = format!("{prefix}{text}");
        bench.put(&key, text.as_bytes()).await;
        assert_rejected(bench.provider.increment(&key, 1, HOUR).await, text);
        assert_eq!(bench.get(&key).await.as_deref(), Some(text.as_bytes()));
    }
}

/// A new counter lives for its time; a later call does not prolong it.
pub(super) async fn expire(bench: &Bench) {
    let key = unique_prefix("counter-ttl");
    let ttl = bench.short_ttl();
    assert_eq!(bench.provider.increment(&key, 1, ttl).await, Ok(1));
    assert_eq!(bench.provider.increment(&key, 1, HOUR).await, Ok(2));
    bench.sees_it_expire(&key, ttl).await;
    assert_eq!(bench.provider.increment(&key, 1, HOUR).await, Ok(1), "it begins anew");
}
