//! The circuit breaker, seen from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redis_provider::testing::{Fault, FaultyRedis, RecordingRedis};
use redis_provider::{
    BreakerSettings, CircuitBreaker, CircuitState, Command, MemoryProvider, MemorySettings,
    RedisError, RedisProvider, SetOptions,
};
use tokio::time::Instant;

/// A breaker over a service that can be broken, and what reaches it.
struct Bench {
    provider: Arc<CircuitBreaker>,
    faults: Arc<FaultyRedis>,
    sent: Arc<RecordingRedis>,
}

impl Bench {
    fn new() -> Self {
        Self::over(FaultyRedis::new)
    }

    fn over(wrap: impl FnOnce(Arc<dyn RedisProvider>) -> FaultyRedis) -> Self {
        let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
        let faults = Arc::new(wrap(memory));
        let sent = Arc::new(RecordingRedis::new(Arc::clone(&faults) as Arc<dyn RedisProvider>));
        let inner = Arc::clone(&sent) as Arc<dyn RedisProvider>;
        let provider = Arc::new(CircuitBreaker::new(inner, &BreakerSettings::default()));
        Self { provider, faults, sent }
    }

    fn reads(&self) -> CircuitState {
        self.provider.report().circuits.reads
    }

    fn writes(&self) -> CircuitState {
        self.provider.report().circuits.writes
    }

    async fn write(&self) -> Result<bool, RedisError> {
        self.provider.set("key", Bytes::from("value"), SetOptions::default()).await
    }

    /// Reads until the circuit is open.
    async fn open_reads(&self) {
        self.faults.inject(Fault::Fail(away()));
        for _ in 0..8 {
            assert_eq!(self.provider.get("key").await, Err(away()));
        }
        assert_eq!(self.reads(), CircuitState::Open);
    }

    /// Waits until one call may try again, however the time was drawn.
    async fn become_half_open(&self) -> Duration {
        let started = Instant::now();
        while self.reads() == CircuitState::Open {
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(started.elapsed() < Duration::from_secs(3600), "it stays open");
        }
        started.elapsed()
    }
}

fn away() -> RedisError {
    RedisError::Unavailable("away".to_owned())
}

fn is_refused<T>(answer: &Result<T, RedisError>) -> bool {
    matches!(answer, Err(RedisError::Unavailable(why)) if why.starts_with("the circuit is open"))
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_is_not_asked_any_more() {
    let bench = Bench::new();
    bench.open_reads().await;
    let sent = bench.sent.calls();
    assert!(is_refused(&bench.provider.get("key").await));
    assert!(is_refused(&bench.provider.ping().await));
    assert!(is_refused(&bench.provider.subscribe(&["topic"]).await.map(drop)));
    assert!(is_refused(&bench.provider.pipeline(vec![Command::Get("key".to_owned())]).await));
    assert_eq!(bench.sent.calls(), sent);
    assert_eq!(bench.writes(), CircuitState::Closed, "writes have their own");
    assert_eq!(bench.write().await, Err(away()));
    let mixed = vec![Command::Get("key".to_owned()), Command::Delete("key".to_owned())];
    assert_eq!(bench.provider.pipeline(mixed).await, Err(away()), "a pipeline that writes");
    assert_eq!(bench.provider.publish("topic", Bytes::new()).await, Err(away()));
}

#[tokio::test(start_paused = true)]
async fn one_call_finds_out_whether_the_service_is_back() {
    let bench = Bench::new();
    bench.open_reads().await;
    let waited = bench.become_half_open().await;
    assert!((80..=121).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(bench.reads(), CircuitState::HalfOpen);

    bench.faults.heal();
    bench.faults.inject(Fault::Delay(Duration::from_millis(40)));
    let before = bench.provider.interruptions();
    let mut probe = Box::pin(bench.provider.get("key"));
    assert!(futures_util::poll!(&mut probe).is_pending());
    assert!(is_refused(&bench.provider.get("key").await), "there is one at a time");
    assert_eq!(bench.provider.interruptions(), before);
    assert_eq!(probe.await, Ok(None));
    assert_eq!(bench.reads(), CircuitState::Closed);
    assert_eq!(bench.provider.interruptions(), before + 1);
    assert_eq!(bench.provider.get("key").await, Ok(None));
    assert_eq!(bench.provider.interruptions(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_tells_of_interruptions_was_only_slow() {
    let bench = Bench::over(|inner| FaultyRedis::new(inner).telling_every_interruption());
    bench.open_reads().await;
    bench.become_half_open().await;
    bench.faults.heal();
    assert_eq!(bench.provider.get("key").await, Ok(None));
    assert_eq!(bench.reads(), CircuitState::Closed);
    assert_eq!(bench.provider.interruptions(), 0);
}

#[tokio::test(start_paused = true)]
async fn waits_grow_while_the_service_stays_away_and_begin_anew_afterwards() {
    let bench = Bench::new();
    bench.open_reads().await;
    for base in [100, 200, 200, 200] {
        let waited = bench.become_half_open().await.as_millis();
        assert!((base * 4 / 5..=base * 6 / 5 + 1).contains(&waited), "{waited} ms for {base}");
        assert_eq!(bench.provider.get("key").await, Err(away()), "one call goes through");
        assert_eq!(bench.reads(), CircuitState::Open);
    }
    bench.become_half_open().await;
    bench.faults.heal();
    assert_eq!(bench.provider.get("key").await, Ok(None));
    bench.open_reads().await;
    assert!(bench.become_half_open().await.as_millis() <= 121);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_makes_room_for_the_next() {
    let bench = Bench::new();
    bench.open_reads().await;
    bench.become_half_open().await;
    bench.faults.heal();
    bench.faults.inject_times("get", Fault::Delay(Duration::from_secs(9)), 2);
    for (limit, expected) in [(20, CircuitState::HalfOpen), (200, CircuitState::Open)] {
        let limit = Duration::from_millis(limit);
        let given_up = tokio::time::timeout(limit, bench.provider.get("key")).await;
        assert!(given_up.is_err());
        assert_eq!(bench.reads(), expected, "after {limit:?}");
    }
    bench.become_half_open().await;
    assert_eq!(bench.provider.get("key").await, Ok(None));
    assert_eq!(bench.reads(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn slow_answers_open_it_and_calls_that_were_cut_are_slow_too() {
    for (delay, limit, expected) in [
        (200, 900, CircuitState::Open),
        (900, 200, CircuitState::Open),
        (900, 100, CircuitState::Closed),
        (100, 900, CircuitState::Closed),
    ] {
        let bench = Bench::new();
        bench.faults.inject(Fault::Delay(Duration::from_millis(delay)));
        let limit = Duration::from_millis(limit);
        let call = || tokio::time::timeout(limit, bench.provider.get("key"));
        futures_util::future::join_all((0..8).map(|_| call())).await;
        assert_eq!(bench.reads(), expected, "{delay} ms, waited for {limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer() {
    let bench = Bench::new();
    bench.faults.inject(Fault::Fail(RedisError::Rejected("WRONGTYPE".to_owned())));
    for _ in 0..100 {
        assert!(matches!(bench.provider.get("key").await, Err(RedisError::Rejected(_))));
    }
    assert_eq!(bench.reads(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_asks_for_quiet_gets_it_on_both_circuits() {
    for (retry_after, least) in [(Some(2_000), 2_000), (None, 60_000)] {
        let bench = Bench::new();
        let retry_after = retry_after.map(Duration::from_millis);
        let quota = RedisError::Throttled { reason: "quota".to_owned(), retry_after };
        bench.faults.inject_times("set", Fault::Fail(quota.clone()), 1);
        assert_eq!(bench.write().await, Err(quota), "once is enough");
        assert_eq!((bench.reads(), bench.writes()), (CircuitState::Open, CircuitState::Open));
        let waited = bench.become_half_open().await.as_millis();
        assert!((least..=least * 6 / 5 + 1).contains(&waited), "{waited} ms for {least}");
        assert_eq!(bench.provider.get("key").await, Ok(None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_from_before_changes_nothing() {
    let bench = Bench::new();
    bench.faults.inject_times("get", Fault::Hang(Duration::from_secs(5)), 20);
    let calls: Vec<_> = (0..20).map(|_| bench.provider.get("key")).collect();
    let mut calls = futures_util::future::join_all(calls);
    assert!(futures_util::poll!(&mut calls).is_pending());
    bench.open_reads().await;
    bench.become_half_open().await;
    bench.faults.heal();
    assert_eq!(bench.provider.get("key").await, Ok(None));
    assert!(calls.await.iter().all(Result::is_err));
    assert_eq!(bench.reads(), CircuitState::Closed, "late failures belong to the outage before");
}

/// Calls at a steady pace until the circuit opens; answers when it did. Those that `is_failing`
/// picks are pings, for which the service has been broken.
async fn run(
    bench: &Bench,
    rate: u32,
    limit: Duration,
    mut is_failing: impl FnMut() -> bool,
) -> Option<Duration> {
    let started = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    while started.elapsed() < limit {
        if bench.reads() != CircuitState::Closed {
            return Some(started.elapsed());
        }
        let (provider, is_failing) = (Arc::clone(&bench.provider), is_failing());
        calls.spawn(async move {
            if is_failing {
                provider.ping().await.is_ok()
            } else {
                provider.get("key").await.is_ok()
            }
        });
        tokio::time::sleep(Duration::from_secs(1) / rate).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn it_opens_within_a_second_whatever_the_traffic() {
    for rate in [10, 150] {
        for failing_takes in [1, 250] {
            let bench = Bench::new();
            let failing_takes = Duration::from_millis(failing_takes);
            bench.faults.inject_on("ping", Fault::Hang(failing_takes));
            let before = Duration::from_secs(5);
            assert_eq!(run(&bench, rate, before, || false).await, None);
            let limit = Duration::from_secs(2);
            let opened = run(&bench, rate, limit, || true).await;
            let opened = opened.expect("it opens");
            assert!(opened <= Duration::from_secs(1), "{opened:?} at {rate}, {failing_takes:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_node_of_three_away_leaves_it_closed() {
    for (rate, seconds) in [(10, 20), (40, 60), (150, 60), (1000, 60)] {
        for failing_takes in [1, 100] {
            let mut random = StdRng::seed_from_u64(u64::from(rate));
            let bench = Bench::new();
            let failing_takes = Duration::from_millis(failing_takes);
            bench.faults.inject_on("ping", Fault::Hang(failing_takes));
            let limit = Duration::from_secs(seconds);
            let is_failing = || random.random_ratio(1, 3);
            let opened = run(&bench, rate, limit, is_failing).await;
            assert_eq!(opened, None, "at {rate} calls a second");
        }
    }
}

/// A service that goes away and comes back, and sees how many calls it has at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_send_one_probe_at_a_time() {
    let bench = Bench::new();
    bench.faults.inject(Fault::Hang(Duration::from_millis(5)));
    let (is_over, reached) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (provider, is_over) = (Arc::clone(&bench.provider), Arc::clone(&is_over));
        let reached = Arc::clone(&reached);
        tasks.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let answer = provider.get("key").await;
                // What the service itself did or did not answer.
                if !matches!(answer, Err(RedisError::Unavailable(_))) {
                    reached.fetch_add(1, Ordering::Relaxed);
                }
                // An answer that is there at once would keep the worker from everybody else.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
    let within = |limit| Instant::now() + Duration::from_secs(limit);
    let deadline = within(10);
    while bench.reads() == CircuitState::Closed {
        assert!(Instant::now() < deadline, "it opens");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Calls that were under way when it opened end, then there are only probes.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (started, before) = (Instant::now(), reached.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let probes = reached.load(Ordering::Relaxed) - before;
    let most = started.elapsed().as_millis() / 80 + 1;
    assert!(probes >= 1 && probes as u128 <= most, "{probes} probes in {:?}", started.elapsed());
    assert_eq!(bench.provider.interruptions(), 0);

    bench.faults.heal();
    let deadline = within(10);
    while bench.reads() != CircuitState::Closed {
        assert!(Instant::now() < deadline, "it closes");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(bench.provider.interruptions(), 1);
    assert_eq!(bench.reads(), CircuitState::Closed);
}
