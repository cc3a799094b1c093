use std::time::Duration;

use actix_session::storage::{LoadError, SaveError, SessionStore as _, UpdateError};
use bytes::Bytes;
use redis_provider::testing::Fault;
use redis_provider::{RedisError, RedisProvider as _, SetOptions};

use super::{ABSOLUTE, Bench, IDLE, away, cookie_ttl, record, rotating, same, state};
use crate::StoreUnavailable;

const MINUTE: Duration = Duration::from_mins(1);
const ALMOST_IDLE: Duration = Duration::from_mins(59);

#[tokio::test(start_paused = true)]
async fn a_session_comes_back_as_it_was_saved() {
    let bench = Bench::new();
    let key = bench.save().await;
    assert_eq!(key.as_ref().len(), 64);
    assert_eq!(bench.load(&key).await, Some(bench.record()));
}

#[tokio::test(start_paused = true)]
async fn redis_learns_neither_cookies_nor_subjects_as_keys() {
    let bench = Bench::new();
    let key = bench.save().await;
    let keys = bench.keys().await;
    let [redis_key] = keys.as_slice() else { panic!("one session, one key: {keys:?}") };
    let digest = redis_key.strip_prefix("sid:").unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{digest}");
    let value = bench.redis.get(redis_key).await.unwrap().unwrap();
    let text = std::str::from_utf8(&value).unwrap();
    assert!(!text.contains(key.as_ref()) && !redis_key.contains(key.as_ref()));
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
    assert_eq!(bench.keys().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_life_does_not_bring_a_signed_out_session_back() {
    let bench = Bench::new();
    let key = bench.save().await;
    bench.pass(6 * MINUTE).await;
    // The load has read the session; before it writes the sign of life, somebody signs out.
    bench.redis.inject_times("set", Fault::Delay(Duration::from_millis(50)), 1);
    let (found, ()) = tokio::join!(bench.load(&key), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        bench.store.delete(&key).await.unwrap();
    });
    assert!(found.is_some());
    assert_eq!(bench.keys().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_update_of_a_living_session_is_kept() {
    let bench = Bench::new();
    let key = bench.save().await;
    let mut changed = bench.record();
    changed.name = "Ada Renamed".to_owned();
    let answered = bench.store.update(same(&key), state(&changed), &cookie_ttl()).await.unwrap();
    assert_eq!(answered, key);
    assert_eq!(bench.load(&key).await, Some(changed));
}

#[tokio::test(start_paused = true)]
async fn a_new_sign_in_moves_to_a_new_key() {
    let bench = Bench::new();
    let old = bench.save().await;
    let next = bench.record();
    let new = bench.store.update(same(&old), rotating(&next), &cookie_ttl()).await.unwrap();
    assert_ne!(new, old);
    assert_eq!(bench.load(&old).await, None);
    assert_eq!(bench.load(&new).await, Some(next));
}

#[tokio::test(start_paused = true)]
async fn the_old_session_outlives_a_new_one_that_could_not_be_stored() {
    let bench = Bench::new();
    let old = bench.save().await;
    bench.redis.inject_times("set", Fault::Fail(away()), 1);
    let refused = bench.store.update(same(&old), rotating(&bench.record()), &cookie_ttl()).await;
    assert!(refused.is_err());
    assert!(bench.load(&old).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_new_session_is_taken_back_where_the_old_one_stays() {
    let bench = Bench::new();
    let old = bench.save().await;
    bench.redis.inject_times("delete_many", Fault::Fail(away()), 1);
    let refused = bench.store.update(same(&old), rotating(&bench.record()), &cookie_ttl()).await;
    assert!(refused.is_err());
    assert!(bench.load(&old).await.is_some());
    assert_eq!(bench.keys().await.len(), 1);
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
    assert_eq!(bench.keys().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_busy_session_ends_at_its_absolute_end() {
    let bench = Bench::new();
    let key = bench.save().await;
    for _ in 0..(ABSOLUTE.as_secs() / MINUTE.as_secs() - 1) {
        bench.pass(MINUTE).await;
        assert!(bench.load(&key).await.is_some());
    }
    // Redis alone ends it, too: the last sign of life did not reach past the end.
    tokio::time::advance(MINUTE).await;
    assert_eq!(bench.keys().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn our_clock_ends_a_session_that_redis_still_holds() {
    let bench = Bench::new();
    let idle = bench.save().await;
    bench.clock.advance(IDLE);
    assert_eq!(bench.keys().await.len(), 1);
    assert_eq!(bench.load(&idle).await, None);
    assert_eq!(bench.keys().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn no_extension_passes_the_absolute_end() {
    let bench = Bench::new();
    let key = bench.save().await;
    for _ in 0..2 {
        bench.pass(ALMOST_IDLE).await;
        assert!(bench.load(&key).await.is_some());
    }
    let year = Duration::from_hours(24 * 365).try_into().unwrap();
    bench.store.update_ttl(&key, &year).await.unwrap();
    let longer = state(&bench.load(&key).await.unwrap());
    bench.store.update(same(&key), longer, &year).await.unwrap();
    tokio::time::advance(Duration::from_mins(150 - 2 * 59)).await;
    assert_eq!(bench.keys().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_over_is_not_saved() {
    let bench = Bench::new();
    let over = record(super::START - ABSOLUTE);
    assert!(bench.store.save(state(&over), &cookie_ttl()).await.is_err());
    assert_eq!(bench.keys().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn reading_writes_at_most_once_in_five_minutes() {
    let bench = Bench::new();
    let key = bench.save().await;
    bench.recording.reset();
    for _ in 0..20 {
        bench.pass(MINUTE).await;
        assert!(bench.load(&key).await.is_some());
    }
    assert_eq!(bench.recording.count("get"), 20);
    assert_eq!(bench.recording.count("set"), 4);
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_life_that_cannot_be_written_refuses_nobody() {
    let bench = Bench::new();
    let key = bench.save().await;
    bench.pass(6 * MINUTE).await;
    bench.redis.inject_on("set", Fault::Fail(away()));
    assert!(bench.load(&key).await.is_some());
    bench.redis.heal();
    bench.recording.reset();
    assert!(bench.load(&key).await.is_some());
    assert_eq!(bench.recording.count("set"), 1, "the next request writes it");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_record_signs_nobody_in_and_is_deleted() {
    let good = Bench::new();
    let key = good.save().await;
    let redis_key = good.keys().await.pop().unwrap();
    for damage in ["", "{}", "null", "{\"v\":1}", "{\"v\":0,\"record\":{}}", "\u{0}", "[1]"] {
        let ttl = SetOptions::with_ttl(IDLE);
        good.redis.set(&redis_key, Bytes::from(damage), ttl).await.unwrap();
        assert_eq!(good.load(&key).await, None, "{damage:?}");
        assert_eq!(good.keys().await, Vec::<String>::new(), "{damage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_newer_build_is_left_to_it() {
    let bench = Bench::new();
    let key = bench.save().await;
    let redis_key = bench.keys().await.pop().unwrap();
    let newer = Bytes::from_static(br#"{"v":2,"device":"phone"}"#);
    bench.redis.set(&redis_key, newer, SetOptions::with_ttl(IDLE)).await.unwrap();
    assert_eq!(bench.load(&key).await, None);
    assert_eq!(bench.keys().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_an_error_and_never_signed_out() {
    let errors = [
        away(),
        RedisError::Timeout { maybe_applied: false },
        RedisError::Rejected("OOM".to_owned()),
        RedisError::Protocol("odd".to_owned()),
    ];
    for error in errors {
        let bench = Bench::new();
        let key = bench.save().await;
        bench.redis.inject(Fault::Fail(error.clone()));
        let state = state(&bench.record());
        let causes = [
            match bench.store.load(&key).await {
                Err(LoadError::Other(cause)) => cause,
                other => panic!("{other:?}"),
            },
            match bench.store.save(state.clone(), &cookie_ttl()).await {
                Err(SaveError::Other(cause)) => cause,
                other => panic!("{other:?}"),
            },
            match bench.store.update(same(&key), state, &cookie_ttl()).await {
                Err(UpdateError::Other(cause)) => cause,
                other => panic!("{other:?}"),
            },
            bench.store.update_ttl(&key, &cookie_ttl()).await.unwrap_err(),
            bench.store.delete(&key).await.unwrap_err(),
        ];
        for cause in causes {
            assert!(cause.is::<StoreUnavailable>(), "{cause:?}");
            assert_eq!(cause.root_cause().to_string(), error.to_string());
        }
        bench.redis.heal();
        assert!(bench.load(&key).await.is_some(), "still signed in after {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_saving_is_in_doubt_is_nobodys() {
    let bench = Bench::new();
    bench.redis.inject_times("set", Fault::LoseReply, 1);
    assert!(bench.store.save(state(&bench.record()), &cookie_ttl()).await.is_err());
    bench.pass(IDLE).await;
    assert_eq!(bench.keys().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn odd_cookie_values_cost_redis_nothing() {
    let bench = Bench::new();
    for value in [String::new(), "a".repeat(63), "a".repeat(65), "sid:*".to_owned(), "ä".repeat(32)]
    {
        let key = value.clone().try_into().unwrap();
        assert!(bench.store.load(&key).await.unwrap().is_none(), "{value}");
    }
    assert_eq!(bench.recording.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn debug_tells_no_secrets() {
    let bench = Bench::new();
    let record = bench.record();
    let text = format!("{record:?} {:?}", bench.store);
    for secret in [
        record.csrf_token.as_str(),
        record.subject.as_str(),
        "idp-session-1",
        record.name.as_str(),
        record.email.as_str(),
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("org_9f2cA1"));
}
