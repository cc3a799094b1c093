//! What is measured, and what is not told.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use redis_provider::testing::{Fault, FaultyRedis};
use redis_provider::{
    Budget, CircuitState, Command, Cost, GuardSettings, MemoryProvider, MemorySettings, Metered,
    MethodReport, RedisError, RedisProvider, SetOptions, guard,
};

fn faulty() -> Arc<FaultyRedis> {
    let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
    Arc::new(FaultyRedis::new(memory))
}

fn method(provider: &dyn RedisProvider, name: &str) -> MethodReport {
    let calls = provider.report().calls;
    calls.into_iter().find(|report| report.method == name).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn calls_are_counted_by_method_and_by_how_they_ended() {
    let faults = faulty();
    let provider = Metered::new(Arc::clone(&faults) as Arc<dyn RedisProvider>);
    assert!(provider.report().calls.is_empty(), "methods that were never called are left out");
    let failures = [
        RedisError::Unavailable(String::new()),
        RedisError::Timeout { maybe_applied: false },
        RedisError::Rejected(String::new()),
        RedisError::Protocol(String::new()),
        RedisError::Throttled { reason: String::new(), retry_after: None },
    ];
    for failure in failures {
        faults.inject_times("get", Fault::Fail(failure.clone()), 1);
        assert_eq!(provider.get("key").await, Err(failure));
    }
    faults.inject_times("get", Fault::Delay(Duration::from_secs(9)), 1);
    let given_up = tokio::time::timeout(Duration::from_millis(250), provider.get("key")).await;
    assert!(given_up.is_err());
    assert_eq!(provider.get("key").await, Ok(None));
    let report = method(&provider, "get");
    assert_eq!((report.calls, report.unavailable, report.timeouts), (7, 1, 1));
    assert_eq!((report.refused, report.abandoned), (3, 1));
    assert!((250..=266).contains(&report.p99.as_millis()), "what was given up took time");
}

#[tokio::test(start_paused = true)]
async fn percentiles_are_within_seven_percent() {
    let faults = faulty();
    let provider = Metered::new(Arc::clone(&faults) as Arc<dyn RedisProvider>);
    for millis in 1..=100 {
        faults.inject_times("ping", Fault::Delay(Duration::from_millis(millis)), 1);
        provider.ping().await.unwrap();
    }
    let report = method(&provider, "ping");
    for (found, exact) in [(report.p50, 50.0), (report.p95, 95.0), (report.p99, 99.0)] {
        let found = found.as_secs_f64() * 1000.0;
        assert!((exact..exact * 1.07).contains(&found), "{found} ms instead of {exact}");
    }
}

#[tokio::test]
async fn cost_is_counted_where_the_adapter_does_not() {
    let provider = Metered::new(faulty());
    let value = Bytes::from(vec![b'x'; 100]);
    provider.set("four", value.clone(), SetOptions::default()).await.unwrap();
    assert_eq!(provider.get("four").await, Ok(Some(value.clone())));
    provider.get_many(&["four", "none", "four"]).await.unwrap();
    let commands = vec![
        Command::Get("four".to_owned()),
        Command::Set("five".to_owned(), value, SetOptions::default()),
    ];
    provider.pipeline(commands).await.unwrap();
    let expected = Cost {
        commands: 1 + 1 + 3 + 2,
        requests: 0,
        bytes_sent: 104 + 4 + 12 + (4 + 104),
        bytes_received: 100 + 200 + 100,
    };
    assert_eq!(provider.report().cost, expected);
}

#[tokio::test]
async fn the_adapters_own_account_of_the_cost_is_passed_on() {
    let adapter = Arc::new(Metered::new(faulty()));
    let provider = Metered::new(Arc::clone(&adapter) as Arc<dyn RedisProvider>);
    adapter.get_many(&["its", "own"]).await.unwrap();
    provider.get("key").await.unwrap();
    assert_eq!(provider.report().cost.commands, 3);
    assert_eq!(method(&provider, "get_many").calls, 0, "the figures are those of its callers");
}

/// Writes every event down.
#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<String>>);

impl Events {
    fn add(&self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
    }
}

impl tracing::field::Visit for Events {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        self.add(&format!("{field}={value:?} "));
    }
}

impl tracing::Subscriber for Events {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.add(&format!("\n{} ", event.metadata().level()));
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn each_call_is_an_event_without_keys_and_values() {
    let (events, faults) = (Events::default(), faulty());
    let told = Arc::clone(&events.0);
    let _guard = tracing::subscriber::set_default(events);
    let provider = guard(Arc::clone(&faults) as Arc<dyn RedisProvider>, &GuardSettings::default());
    let options = SetOptions::default();
    provider.set("somebody@example.org", Bytes::from("password"), options).await.unwrap();
    provider.get_many(&["somebody@example.org", "other@example.org"]).await.unwrap();
    faults.inject(Fault::Fail(RedisError::Timeout { maybe_applied: true }));
    for _ in 0..10 {
        let _lost = provider.set("other@example.org", Bytes::from("password"), options).await;
    }
    let told = told.lock().unwrap().clone();
    for expected in [
        "TRACE message=Redis call method=\"set\" keys=1 outcome=\"ok\" duration_us=0",
        "TRACE message=Redis call method=\"get_many\" keys=2 outcome=\"ok\" duration_us=0",
        "DEBUG message=Redis call method=\"set\" keys=1 outcome=\"timeout\" duration_us=0",
        "DEBUG message=Redis call method=\"set\" keys=1 outcome=\"unavailable\" duration_us=0",
        "WARN message=circuit opened: too many Redis calls fail or are slow circuit=\"writes\"",
    ] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    assert!(!told.contains("example.org") && !told.contains("password"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_the_breaker_refuses_is_counted_but_costs_nothing() {
    let faults = faulty();
    let provider = guard(Arc::clone(&faults) as Arc<dyn RedisProvider>, &GuardSettings::default());
    faults.inject(Fault::Hang(Duration::from_secs(9)));
    let cut = (0..8).map(|_| Budget::new(Duration::from_millis(200)).scope(provider.get("key")));
    for answer in futures_util::future::join_all(cut).await {
        // Neither the service nor its adapter says anything.
        assert_eq!(answer, Err(RedisError::Timeout { maybe_applied: false }));
    }
    assert_eq!(provider.report().circuits.reads, CircuitState::Open);
    let cost = provider.report().cost;
    assert!(matches!(provider.get("key").await, Err(RedisError::Unavailable(_))));
    let report = method(&*provider, "get");
    assert_eq!((report.calls, report.abandoned, report.unavailable), (9, 8, 1));
    assert!(report.p50 >= Duration::from_millis(200), "a refusal is not a fast answer");
    assert_eq!(provider.report().cost, cost);
}
