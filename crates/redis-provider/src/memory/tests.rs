use std::time::Duration;

use futures_util::StreamExt;
use proptest::prelude::*;
use tokio::time::Instant;

use super::store::{ENTRY_OVERHEAD_BYTES, Store};
use super::*;
use crate::port::Incoming;

const ALWAYS: SetOptions =
    SetOptions { expiry: crate::port::Expiry::Never, condition: crate::port::Condition::Always };

fn filled(store: &mut Store, keys: usize, now: Instant) {
    for number in 0..keys {
        store.set(&format!("k{number}"), &Bytes::from(vec![0; 100]), ALWAYS, now).unwrap();
    }
}

#[test]
fn the_bound_holds_and_what_is_read_stays() {
    let now = Instant::now();
    let mut store = Store::new(10 * (ENTRY_OVERHEAD_BYTES + 102));
    filled(&mut store, 10, now);
    assert_eq!(store.evicted(), 0);
    assert!(store.get("k0", now).is_some());
    store.set("n0", &Bytes::from(vec![0; 100]), ALWAYS, now).unwrap();
    assert_eq!(store.evicted(), 1);
    assert!(store.get("k0", now).is_some(), "read, so it got a second chance");
    assert!(store.get("k1", now).is_none());
}

#[test]
fn expired_entries_make_room_before_live_ones() {
    let now = Instant::now();
    let mut store = Store::new(2 * (ENTRY_OVERHEAD_BYTES + 102));
    store.set("k0", &Bytes::from(vec![0; 100]), ALWAYS, now).unwrap();
    let short = SetOptions::with_ttl(Duration::from_millis(1));
    store.set("k1", &Bytes::from(vec![0; 100]), short, now).unwrap();
    let later = now + Duration::from_millis(1);
    store.set("k2", &Bytes::from(vec![0; 100]), ALWAYS, later).unwrap();
    assert_eq!(store.evicted(), 0);
    assert!(store.get("k0", later).is_some());
}

#[test]
fn a_value_larger_than_the_memory_is_refused_and_the_old_one_stays() {
    let now = Instant::now();
    let mut store = Store::new(1000);
    store.set("k", &Bytes::from_static(b"old"), ALWAYS, now).unwrap();
    let refused = store.set("k", &Bytes::from(vec![0; 1000]), ALWAYS, now);
    assert!(matches!(refused, Err(RedisError::Rejected(_))));
    assert_eq!(store.get("k", now), Some(Bytes::from_static(b"old")));
}

proptest! {
    #[test]
    fn whatever_happens_the_bound_holds(
        steps in prop::collection::vec((0_u8..4, 0_u8..40, 0_usize..600, 1_u64..50), 1..400),
    ) {
        let mut store = Store::new(8000);
        let mut now = Instant::now();
        for (step, key, size, millis) in steps {
            let key = format!("key{key}");
            let value = Bytes::from(vec![7; size]);
            match step {
                0 => drop(store.set(&key, &value, ALWAYS, now)),
                1 => {
                    let ttl = Duration::from_millis(millis);
                    drop(store.set(&key, &value, SetOptions::with_ttl(ttl), now));
                }
                2 => drop(store.delete(&key, now)),
                _ => now += Duration::from_millis(millis),
            }
            prop_assert!(store.bytes() <= 8000);
        }
        for key in 0..40 {
            store.delete(&format!("key{key}"), now);
        }
        prop_assert_eq!(store.bytes(), 0);
        prop_assert_eq!(store.len(now), 0);
    }
}

#[tokio::test]
async fn a_slow_subscriber_gets_a_gap_and_goes_on() {
    let provider =
        MemoryProvider::new(MemorySettings { message_capacity: 2, ..Default::default() });
    let mut subscription = provider.subscribe(&["topic"]).await.unwrap();
    for number in 0..10_u8 {
        provider.publish("topic", Bytes::from(vec![number])).await.unwrap();
    }
    assert_eq!(subscription.next().await, Some(Incoming::Gap));
    let Some(Incoming::Message { payload, .. }) = subscription.next().await else {
        panic!("a message follows the gap");
    };
    assert_eq!(payload, Bytes::from(vec![8]));
}
