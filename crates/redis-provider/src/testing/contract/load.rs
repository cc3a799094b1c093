//! Many callers at once, and the service's own word.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::{Bench, unique_prefix};
use crate::port::SetOptions;

/// Each call gets its own answer and nobody else's.
pub(super) async fn ten_thousand_calls(bench: &Bench) {
    let prefix = unique_prefix("load");
    let options = SetOptions::with_ttl(Duration::from_secs(60));
    let calls = (0..5000).map(|number| {
        let (key, provider) = (format!("{prefix}{number}"), Arc::clone(&bench.provider));
        async move {
            let value = Bytes::from(number.to_string());
            let written = provider.set(&key, value.clone(), options).await;
            assert_eq!(written, Ok(true), "{key}");
            assert_eq!(provider.get(&key).await, Ok(Some(value)), "{key}");
        }
    });
    join_all(calls).await;
    let reads = (0..10_000).map(|number| {
        let (key, provider) = (format!("{prefix}{}", number % 5000), Arc::clone(&bench.provider));
        async move {
            let expected = Some(Bytes::from((number % 5000).to_string()));
            assert_eq!(provider.get(&key).await, Ok(expected), "{key}");
        }
    });
    join_all(reads).await;
}

/// Callers that give up, at any moment, take nobody's answer with them; what they had begun is
/// carried out or not, and nothing else.
pub(super) async fn cancelled_calls(bench: &Bench) {
    let prefix = unique_prefix("cancelled");
    let options = SetOptions::with_ttl(Duration::from_secs(60));
    let calls = (0..2000_u32).map(|number| {
        let (key, provider) = (format!("{prefix}{number}"), Arc::clone(&bench.provider));
        async move {
            let value = Bytes::from(number.to_string());
            let set = provider.set(&key, value.clone(), options);
            if number.is_multiple_of(2) {
                assert_eq!(set.await, Ok(true), "{key}");
            } else {
                // Given up before the first poll, in the middle, or after the answer.
                let patience = Duration::from_micros(u64::from(number % 40) * 50);
                let _answer_or_not = tokio::time::timeout(patience, set).await;
            }
            let held = provider.get(&key).await.expect("get");
            let is_due = number.is_multiple_of(2);
            assert!(held == Some(value) || (held.is_none() && !is_due), "{key} is {held:?}");
        }
    });
    join_all(calls).await;
}

/// Of many that write only if the key is absent, one wins; no increment is lost.
pub(super) async fn racing_writers(bench: &Bench) {
    let prefix = unique_prefix("race");
    let (lock, counter) = (format!("{prefix}lock"), format!("{prefix}counter"));
    let options = SetOptions::with_ttl(Duration::from_secs(60)).if_absent();
    let attempts = (0..200).map(|number| {
        let lock = lock.clone();
        async move { bench.provider.set(&lock, Bytes::from(number.to_string()), options).await }
    });
    let winners = join_all(attempts).await.into_iter().filter(|won| *won == Ok(true)).count();
    assert_eq!(winners, 1);
    let increments = (0..200).map(|_| bench.provider.increment(&counter, 1, options_ttl()));
    let mut counts: Vec<i64> =
        join_all(increments).await.into_iter().map(|count| count.expect("increment")).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=200).collect::<Vec<i64>>());
}

const fn options_ttl() -> Duration {
    Duration::from_secs(60)
}

pub(super) async fn ping_and_info(bench: &Bench) {
    bench.provider.ping().await.expect("ping");
    let info = bench.provider.info().await.expect("info");
    assert!(!info.server.is_empty());
}
