//! Times to live.

use std::time::Duration;

use bytes::Bytes;

use super::{Bench, unique_prefix};
use crate::port::{Condition, Expiry, SetOptions};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn expires(bench: &Bench) {
    let prefix = unique_prefix("expiry");
    let ttl = bench.short_ttl();
    let key = prefix.clone() + "set";
    let set = bench.provider.set(&key, Bytes::from("x"), SetOptions::with_ttl(ttl)).await;
    assert_eq!(set, Ok(true));
    bench.sees_it_expire(&key, ttl).await;

    let key = prefix.clone() + "expire";
    assert_eq!(bench.provider.expire(&key, ttl).await, Ok(false), "there is no such key");
    bench.put(&key, "x").await;
    assert_eq!(bench.provider.expire(&key, ttl).await, Ok(true));
    bench.sees_it_expire(&key, ttl).await;

    let key = prefix + "extended";
    bench.provider.set(&key, Bytes::from("x"), SetOptions::with_ttl(ttl)).await.expect("set");
    assert_eq!(bench.provider.expire(&key, HOUR).await, Ok(true));
    let other = key.clone() + "-witness";
    bench.provider.set(&other, Bytes::from("x"), SetOptions::with_ttl(ttl)).await.expect("set");
    bench.sees_it_expire(&other, ttl).await;
    assert!(bench.get(&key).await.is_some(), "the longer time to live did not replace the short");
}

/// What is expired is absent for every command, not only for reads.
pub(super) async fn expired_is_absent(bench: &Bench) {
    let prefix = unique_prefix("expired");
    let ttl = bench.short_ttl();
    let names = ["absent", "present", "delete", "expire", "counter", "many", "witness"];
    let keys: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
    for key in &keys {
        let set = bench.provider.set(key, Bytes::from("7"), SetOptions::with_ttl(ttl)).await;
        assert_eq!(set, Ok(true));
    }
    bench.sees_it_expire(&keys[6], ttl).await;
    let options = SetOptions::with_ttl(HOUR);
    let provider = &bench.provider;
    assert_eq!(provider.set(&keys[1], Bytes::new(), options.if_present()).await, Ok(false));
    assert_eq!(provider.set(&keys[0], Bytes::new(), options.if_absent()).await, Ok(true));
    assert_eq!(provider.delete_many(&[&keys[2]]).await, Ok(0));
    assert_eq!(provider.expire(&keys[3], HOUR).await, Ok(false));
    assert_eq!(provider.increment(&keys[4], 1, HOUR).await, Ok(1));
    assert_eq!(provider.get_many(&[&keys[5]]).await, Ok(vec![None]));
    let page = provider.scan(&keys[5], crate::port::ScanCursor::START).await.expect("scan");
    assert!(page.keys.is_empty(), "{:?}", page.keys);
}

pub(super) async fn keeps(bench: &Bench) {
    let prefix = unique_prefix("keep");
    let ttl = bench.short_ttl();
    let kept = SetOptions { expiry: Expiry::Keep, condition: Condition::IfPresent };
    let key = prefix.clone() + "kept";
    let provider = &bench.provider;
    provider.set(&key, Bytes::from("1"), SetOptions::with_ttl(ttl)).await.expect("set");
    assert_eq!(provider.set(&key, Bytes::from("2"), kept).await, Ok(true));
    assert_eq!(bench.get(&key).await.as_deref(), Some(&b"2"[..]));
    bench.sees_it_expire(&key, ttl).await;
    assert_eq!(provider.set(&key, Bytes::from("3"), kept).await, Ok(false));

    // Without a time to live there is none to keep, and a plain write takes one away.
    let (plain, witness) = (prefix.clone() + "plain", prefix.clone() + "witness");
    let keep_always = SetOptions { expiry: Expiry::Keep, condition: Condition::Always };
    let fresh = prefix + "fresh";
    assert_eq!(provider.set(&fresh, Bytes::from("1"), keep_always).await, Ok(true));
    provider.set(&plain, Bytes::from("1"), SetOptions::with_ttl(ttl)).await.expect("set");
    assert_eq!(provider.set(&plain, Bytes::from("2"), SetOptions::default()).await, Ok(true));
    provider.set(&witness, Bytes::from("1"), SetOptions::with_ttl(ttl)).await.expect("set");
    bench.sees_it_expire(&witness, ttl).await;
    assert!(bench.get(&plain).await.is_some(), "a write without a time to live expired");
    assert!(bench.get(&fresh).await.is_some(), "keeping no time to live made one");
    assert_eq!(provider.delete_many(&[&plain, &fresh]).await, Ok(2));
}

/// Less than a millisecond is one, and centuries are no error.
pub(super) async fn extremes(bench: &Bench) {
    let prefix = unique_prefix("extremes");
    let provider = &bench.provider;
    for (name, ttl) in [("zero", Duration::ZERO), ("nano", Duration::from_nanos(1))] {
        let key = format!("{prefix}{name}");
        let set = provider.set(&key, Bytes::from("x"), SetOptions::with_ttl(ttl)).await;
        assert_eq!(set, Ok(true), "{name}");
        if bench.clock == super::TimeControl::Paused {
            assert!(bench.get(&key).await.is_some(), "a millisecond is not over");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(bench.get(&key).await, None);
        } else {
            let give_up = tokio::time::Instant::now() + Duration::from_secs(10);
            while bench.get(&key).await.is_some() {
                assert!(tokio::time::Instant::now() < give_up, "{name} did not expire");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        bench.put(&key, "x").await;
        assert_eq!(provider.expire(&key, Duration::MAX).await, Ok(true));
        assert!(bench.get(&key).await.is_some());
    }
    if bench.clock == super::TimeControl::Paused {
        // Rounded up: a value never goes before its time.
        let key = format!("{prefix}rounded");
        let odd = SetOptions::with_ttl(Duration::from_micros(1001));
        assert_eq!(provider.set(&key, Bytes::from("x"), odd).await, Ok(true));
        tokio::time::advance(Duration::from_micros(1500)).await;
        assert!(bench.get(&key).await.is_some(), "cut short");
        tokio::time::advance(Duration::from_micros(500)).await;
        assert_eq!(bench.get(&key).await, None);
    }
    let key = prefix + "max";
    let longest = SetOptions::with_ttl(Duration::MAX);
    assert_eq!(provider.set(&key, Bytes::from("x"), longest).await, Ok(true));
    assert!(bench.get(&key).await.is_some());
    assert_eq!(provider.increment(&(key.clone() + "-counter"), 1, Duration::MAX).await, Ok(1));
    assert_eq!(provider.delete_many(&[&key]).await, Ok(1));
}
