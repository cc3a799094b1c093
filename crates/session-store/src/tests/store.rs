use std::time::Duration;

use actix_session::storage::SessionStore as _;
use bytes::Bytes;
use redis_provider::testing::Fault;
use redis_provider::{RedisProvider as _, SetOptions};

use super::{ABSOLUTE, Bench, IDLE, SETTINGS, cookie_ttl, new_session, same, sid, signing_in};
use crate::{SessionRecord, SessionSettings};

const MINUTE: Duration = Duration::from_mins(1);
const ALMOST_IDLE: Duration = Duration::from_mins(59);

#[tokio::test(start_paused = true)]
async fn a_session_comes_back_as_it_was_saved() {
    let bench = Bench::new();
    let key = bench.save().await;
    assert_eq!(key.as_ref().len(), 64);
    let expected: SessionRecord = new_session(super::START).record(sid(&key), super::START, None);
    assert_eq!(bench.load(&key).await, Some(expected));
}

#[tokio::test(start_paused = true)]
async fn redis_learns_neither_cookies_nor_subjects_as_keys() {
    let bench = Bench::new();
    let key = bench.save().await;
    assert_eq!(bench.keys().await.len(), 0, "a copy comes of a look-up, never of a sign-in");
    assert!(bench.load(&key).await.is_some());
    let keys = bench.keys().await;
    let [redis_key] = keys.as_slice() else { panic!("one session, one key: {keys:?}") };
    let digest = redis_key.strip_prefix("sid:").unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    let value = bench.redis.get(redis_key).await.unwrap().unwrap();
    let text = std::str::from_utf8(&value).unwrap();
    assert!(!text.contains(key.as_ref()) && !redis_key.contains(key.as_ref()));
}

#[tokio::test(start_paused = true)]
async fn what_was_verified_within_the_lease_costs_no_command() {
    let bench = Bench::new();
    let key = bench.save().await;
    assert!(bench.load(&key).await.is_some());
    let before = (bench.recording.calls(), bench.ledger.questions());
    for _ in 0..100 {
        assert!(bench.load(&key).await.is_some());
    }
    assert_eq!((bench.recording.calls(), bench.ledger.questions()), before);
    bench.lease_ends().await;
    assert!(bench.load(&key).await.is_some());
    assert_eq!(bench.recording.calls(), before.0 + 1, "then one");
    assert_eq!(bench.ledger.questions(), before.1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_held_is_looked_up_once_a_request() {
    let bench = Bench::new();
    let key = bench.save().await;
    let known = bench.load(&key).await;
    assert!(known.is_some());
    let full = bench.another_with(SessionSettings { held: 0, ..SETTINGS });
    // It has to hear from the ledger once before it believes a copy.
    assert_eq!(full.load(&key).await, known);
    for _ in 0..3 {
        let before = bench.recording.calls();
        assert_eq!(full.load(&key).await, known);
        assert_eq!(bench.recording.calls(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_does_not_bring_a_signed_out_session_back() {
    let bench = Bench::new();
    let key = bench.save().await;
    let loaded = bench.store.load(&key).await.unwrap().unwrap();
    bench.store.delete(&key).await.unwrap();

    let answered = bench.store.update(same(&key), loaded, &cookie_ttl()).await.unwrap();
    assert_eq!(answered, key);
    bench.store.update_ttl(&key, &cookie_ttl()).await.unwrap();
    assert_eq!(bench.load(&key).await, None);
    bench.lease_ends().await;
    assert_eq!(bench.load(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_was_read_before_the_end_is_not_written_after_it() {
    let bench = Bench::new();
    let key = bench.save().await;
    bench.pass(6 * MINUTE).await;
    // The look-up has read the ledger; before it writes the copy, somebody signs out.
    bench.redis.inject_times("evaluate", Fault::Delay(Duration::from_millis(50)), 1);
    let (found, ()) = tokio::join!(bench.load(&key), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        bench.store.delete(&key).await.unwrap();
    });
    assert!(found.is_some());
    assert_eq!(bench.load(&key).await, None);
    assert_eq!(bench.another().load(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn another_process_learns_of_the_end_with_its_lease_at_the_latest() {
    let (one, key) = {
        let bench = Bench::new();
        let key = bench.save().await;
        (bench, key)
    };
    let two = one.another();
    assert!(two.load(&key).await.is_some());
    one.store.delete(&key).await.unwrap();
    assert_eq!(one.load(&key).await, None, "here at once");
    two.lease_ends().await;
    assert_eq!(two.load(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_new_sign_in_moves_to_a_new_key() {
    let bench = Bench::new();
    let old = bench.save().await;
    let mut state = bench.store.load(&old).await.unwrap().unwrap();
    state.extend(signing_in(&bench.new_session()));
    let new = bench.store.update(same(&old), state, &cookie_ttl()).await.unwrap();
    assert_ne!(new, old);
    assert_eq!(bench.load(&old).await, None);
    assert!(bench.load(&new).await.is_some());
    assert_eq!(bench.ledger.sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_old_session_outlives_a_new_one_that_could_not_be_stored() {
    let bench = Bench::new();
    let old = bench.save().await;
    bench.ledger.goes_away(true);
    let state = signing_in(&bench.new_session());
    assert!(bench.store.update(same(&old), state, &cookie_ttl()).await.is_err());
    bench.ledger.goes_away(false);
    assert!(bench.load(&old).await.is_some());
    assert_eq!(bench.ledger.sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_it_is_idle() {
    let bench = Bench::new();
    let key = bench.save().await;
    bench.pass(ALMOST_IDLE).await;
    assert!(bench.load(&key).await.is_some());
    bench.pass(ALMOST_IDLE).await;
    assert!(bench.load(&key).await.is_some(), "a request starts the idle time anew");
    bench.pass(IDLE).await;
    assert_eq!(bench.load(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_ends_at_its_absolute_end() {
    let bench = Bench::new();
    let key = bench.save().await;
    for _ in 0..(ABSOLUTE.as_secs() / MINUTE.as_secs() - 1) {
        bench.pass(MINUTE).await;
        assert!(bench.load(&key).await.is_some());
    }
    bench.pass(MINUTE).await;
    assert_eq!(bench.load(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_asks_the_ledger_every_few_minutes() {
    let bench = Bench::new();
    let key = bench.save().await;
    assert!(bench.load(&key).await.is_some());
    let before = bench.ledger.questions();
    for _ in 0..60 {
        bench.pass(MINUTE).await;
        assert!(bench.load(&key).await.is_some());
    }
    assert_eq!(bench.ledger.questions() - before, 12);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_copy_of_ours_is_looked_up_and_put_right() {
    let bench = Bench::new();
    let key = bench.save().await;
    let redis_key = sid(&key).redis_key();
    for text in ["", "x", "0000000000000000{}", "0000000000000000{\"v\":9}"] {
        let ttl = SetOptions::with_ttl(IDLE);
        bench.redis.set(&redis_key, Bytes::from(text), ttl).await.unwrap();
        bench.lease_ends().await;
        let before = bench.ledger.questions();
        assert!(bench.load(&key).await.is_some(), "{text:?}");
        assert_eq!(bench.ledger.questions() - before, 1, "{text:?}");
        bench.lease_ends().await;
        assert!(bench.load(&key).await.is_some());
        assert_eq!(bench.ledger.questions() - before, 1, "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cookie_of_another_shape_asks_nobody() {
    let bench = Bench::new();
    for value in ["", "short", &"a".repeat(65), &"!".repeat(64)] {
        let Ok(key) = value.to_owned().try_into() else { continue };
        assert_eq!(bench.load(&key).await, None);
    }
    assert_eq!((bench.recording.calls(), bench.ledger.questions()), (0, 0));
}
