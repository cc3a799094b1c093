//! Redis away, paused, with lost writes or empty; the ledger away; both.

use std::time::Duration;

use actix_session::storage::SessionStore as _;
use bytes::Bytes;
use redis_provider::testing::Fault;
use redis_provider::{RedisProvider as _, SetOptions};

use super::{Bench, IDLE, away, sid};
use crate::envelope;

#[tokio::test(start_paused = true)]
async fn without_redis_the_ledger_decides() {
    let bench = Bench::new();
    let (stays, goes) = (bench.save().await, bench.save().await);
    bench.redis.inject(Fault::Fail(away()));
    bench.lease_ends().await;
    assert!(bench.load(&stays).await.is_some());
    bench.store.delete(&goes).await.unwrap();
    assert_eq!(bench.load(&goes).await, None);
    let new = bench.save().await;
    assert!(bench.load(&new).await.is_some(), "and people can sign in");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_redis_did_not_learn_of_holds_when_it_is_back() {
    let bench = Bench::new();
    let key = bench.save().await;
    assert!(bench.load(&key).await.is_some());
    bench.lease_ends().await;
    bench.redis.inject(Fault::Fail(away()));
    bench.store.delete(&key).await.unwrap();
    bench.redis.heal();
    // The copy from before stands in Redis.
    bench.lease_ends().await;
    assert_eq!(bench.load(&key).await, None);
    bench.lease_ends().await;
    assert_eq!(bench.load(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_has_just_begun_believes_no_copy_from_before() {
    let bench = Bench::new();
    let key = bench.save().await;
    // The end is in the ledger; a failover has lost what it did to the copy.
    bench.ledger.forgets(sid(&key));
    assert_eq!(bench.another().load(&key).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_comes_back_is_not_believed_and_one_confirmed_since_is() {
    let bench = Bench::new();
    let (ended, lives) = (bench.save().await, bench.save().await);
    let redis_key = sid(&ended).redis_key();
    assert!(bench.load(&ended).await.is_some());
    let before = bench.redis.get(&redis_key).await.unwrap().unwrap();
    bench.lease_ends().await;
    bench.store.delete(&ended).await.unwrap();
    // A failover brings the old copy back; the process notices that something happened.
    bench.redis.set(&redis_key, before, SetOptions::with_ttl(IDLE)).await.unwrap();
    bench.redis.inject_times("get", Fault::Fail(away()), 1);
    bench.lease_ends().await;
    assert!(bench.load(&lives).await.is_some());
    assert_eq!(bench.load(&ended).await, None);
    let questions = bench.ledger.questions();
    bench.lease_ends().await;
    assert!(bench.load(&lives).await.is_some());
    assert_eq!(bench.ledger.questions(), questions, "its copy was confirmed");
}

#[tokio::test(start_paused = true)]
async fn an_empty_redis_signs_nobody_out() {
    let bench = Bench::new();
    let key = bench.save().await;
    bench.redis.delete_many(&[&sid(&key).redis_key()]).await.unwrap();
    bench.lease_ends().await;
    assert!(bench.load(&key).await.is_some());
    assert_eq!(bench.keys().await.len(), 1, "the copy is there again");
}

#[tokio::test(start_paused = true)]
async fn without_the_ledger_confirmed_copies_carry_on() {
    let bench = Bench::new();
    let key = bench.save().await;
    assert!(bench.load(&key).await.is_some());
    bench.ledger.goes_away(true);
    bench.pass(IDLE / 2).await;
    assert!(bench.load(&key).await.is_some(), "though a sign of life is due");
    bench.pass(IDLE / 2).await;
    assert!(bench.store.load(&key).await.is_err(), "idle as far as Redis knows: nobody can tell");
}

#[tokio::test(start_paused = true)]
async fn without_both_nobody_is_signed_out() {
    let bench = Bench::new();
    let key = bench.save().await;
    bench.redis.inject(Fault::Fail(away()));
    bench.ledger.goes_away(true);
    assert!(bench.store.load(&key).await.is_err());
    assert!(bench.store.delete(&key).await.is_err(), "still signed in, and told so");
    bench.ledger.goes_away(false);
    assert!(bench.load(&key).await.is_some());
    bench.redis.heal();
    bench.lease_ends().await;
    assert!(bench.load(&key).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_asks_nobody() {
    let bench = Bench::new();
    let key = bench.save().await;
    bench.store.delete(&key).await.unwrap();
    let before = bench.ledger.questions();
    for _ in 0..3 {
        bench.lease_ends().await;
        assert_eq!(bench.load(&key).await, None);
    }
    assert_eq!(bench.ledger.questions(), before);
    let tombstone = Some(Bytes::from_static(envelope::TOMBSTONE));
    assert_eq!(bench.redis.get(&sid(&key).redis_key()).await.unwrap(), tombstone);
}

#[tokio::test(start_paused = true)]
async fn too_many_look_ups_are_turned_away_after_a_while() {
    let bench = Bench::new();
    let key = bench.save().await;
    bench.redis.inject(Fault::Fail(away()));
    let (_one, _two) = (bench.copies.turn().await.unwrap(), bench.copies.turn().await.unwrap());
    let started = tokio::time::Instant::now();
    assert!(bench.store.load(&key).await.is_err());
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}
