//! Batches: one question and one load for many values, under the rules of single reads.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails where it stands, and its tasks are waited for"
)]

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use redis_provider::testing::{Fault, FaultyRedis, RecordingRedis};
use redis_provider::{MemoryProvider, MemorySettings, RedisError, RedisProvider};
use tenancy::{EventKind, Evidence, SystemClock, Tag, TenantId, TenantScope};
use tenant_cache::{
    BatchKey, CacheError, CacheSettings, CachedAnswer, Loaded, Operation, Outcome, TenantCache,
};
use tokio::sync::Notify;
use uuid::Uuid;

const JOBS: usize = 40;

type Answers = Result<Vec<Option<CachedAnswer>>, CacheError<io::Error>>;

#[derive(Clone)]
struct Fixture {
    faulty: Arc<FaultyRedis>,
    recording: Arc<RecordingRedis>,
    cache: TenantCache,
    scope: TenantScope,
    jobs: Arc<Vec<Uuid>>,
    /// What the database holds of each.
    versions: Arc<Vec<AtomicU32>>,
    /// The jobs of each call of the loader.
    loaded: Arc<Mutex<Vec<Vec<usize>>>>,
}

impl Fixture {
    fn new(settings: CacheSettings) -> Self {
        let scope = TenantScope::from_verified(
            TenantId::from_uuid(Uuid::now_v7()),
            "org_a".parse().unwrap(),
            Evidence::SystemTask("test"),
        );
        let memory = Arc::new(MemoryProvider::new(MemorySettings::default()));
        let faulty = Arc::new(FaultyRedis::new(memory));
        let recording = Arc::new(RecordingRedis::new(Arc::clone(&faulty) as _));
        let provider: Arc<dyn RedisProvider> = Arc::clone(&recording) as _;
        Self {
            faulty,
            recording,
            cache: TenantCache::new(provider, Arc::new(SystemClock), settings),
            scope,
            jobs: Arc::new((0..JOBS).map(|_| Uuid::now_v7()).collect()),
            versions: Arc::new((0..JOBS).map(|_| AtomicU32::new(0)).collect()),
            loaded: Arc::default(),
        }
    }

    fn remote() -> Self {
        Self::new(CacheSettings::default().without_process_level())
    }

    fn key(&self, job: usize) -> BatchKey {
        let id = self.jobs[job];
        let key = Operation::JobsItem.key(&self.scope).part("all").part(&id.to_string()).build();
        BatchKey { key, entities: vec![Tag::entity("job", id)] }
    }

    /// Asks for these jobs, whose load goes on when it is told to.
    async fn asks_slowly(&self, jobs: &[usize], may_go_on: Option<Arc<Notify>>) -> Answers {
        let wanted: Vec<BatchKey> = jobs.iter().map(|job| self.key(*job)).collect();
        let (fixture, jobs) = (self.clone(), jobs.to_vec());
        let load = move |positions: Vec<usize>| async move {
            let missing: Vec<usize> = positions.iter().map(|position| jobs[*position]).collect();
            let versions = missing.iter().map(|job| &fixture.versions[*job]);
            let values: Vec<u32> = versions.map(|version| version.load(Ordering::SeqCst)).collect();
            fixture.loaded.lock().unwrap().push(missing);
            match may_go_on {
                Some(may_go_on) => may_go_on.notified().await,
                None => tokio::task::yield_now().await,
            }
            Ok(values.into_iter().map(|value| Some(Loaded::new(value))).collect())
        };
        self.cache.get_or_load_many(&self.scope, Operation::JobsItem, &wanted, load).await
    }

    async fn asks(&self, jobs: Range<usize>) -> Vec<(Outcome, u32)> {
        let jobs: Vec<usize> = jobs.collect();
        told(self.asks_slowly(&jobs, None).await)
    }

    async fn changes(&self, job: usize) {
        self.versions[job].fetch_add(1, Ordering::SeqCst);
        let subject = Some(self.jobs[job]);
        self.cache.invalidate(&self.scope, EventKind::JobUpdated, subject).await.unwrap();
    }

    fn loaded(&self) -> Vec<Vec<usize>> {
        std::mem::take(&mut *self.loaded.lock().unwrap())
    }

    /// Calls of the provider since the last time, by method.
    fn calls(&self) -> Vec<(&'static str, u64)> {
        let calls = self.recording.counts().into_iter().collect();
        self.recording.reset();
        calls
    }
}

fn told(answers: Answers) -> Vec<(Outcome, u32)> {
    let told = |answer: Option<CachedAnswer>| {
        let answer = answer.unwrap();
        (answer.outcome, serde_json::from_slice(&answer.body).unwrap())
    };
    answers.unwrap().into_iter().map(told).collect()
}

fn all(outcome: Outcome, count: usize) -> Vec<(Outcome, u32)> {
    vec![(outcome, 0); count]
}

#[tokio::test]
async fn twenty_values_are_one_question_one_load_and_one_store() {
    let fixture = Fixture::remote();
    let _ = fixture.asks(20..21).await;
    let _ = (fixture.calls(), fixture.loaded());
    assert_eq!(fixture.asks(0..20).await, all(Outcome::Miss, 20));
    assert_eq!(fixture.loaded(), [(0..20).collect::<Vec<_>>()]);
    // The second one makes the generations of the jobs.
    assert_eq!(fixture.calls(), [("get_many", 1), ("pipeline", 2), ("pipeline.set", 40)]);
    assert_eq!(fixture.asks(0..20).await, all(Outcome::Hit, 20));
    assert_eq!(fixture.calls(), [("get_many", 1)]);
    assert!(fixture.loaded().is_empty());
}

#[tokio::test]
async fn what_is_kept_in_process_is_asked_of_nobody() {
    let fixture = Fixture::new(CacheSettings::default());
    assert_eq!(fixture.asks(0..20).await, all(Outcome::Miss, 20));
    let _ = fixture.calls();
    assert_eq!(fixture.asks(0..20).await, all(Outcome::Hit, 20));
    assert!(fixture.calls().is_empty());
}

#[tokio::test]
async fn only_what_is_missing_is_loaded() {
    let fixture = Fixture::remote();
    let _ = fixture.asks(5..15).await;
    let _ = fixture.loaded();
    fixture.changes(7).await;
    let expected: Vec<(Outcome, u32)> = (0..20)
        .map(|job| match job {
            7 => (Outcome::Miss, 1),
            5..15 => (Outcome::Hit, 0),
            _ => (Outcome::Miss, 0),
        })
        .collect();
    assert_eq!(fixture.asks(0..20).await, expected);
    let missing = (0..5).chain([7]).chain(15..20).collect::<Vec<_>>();
    assert_eq!(fixture.loaded(), [missing]);
}

#[tokio::test]
async fn overlapping_batches_and_single_reads_share_their_loads() {
    let fixture = Fixture::remote();
    let may_go_on = Arc::new(Notify::new());
    let first = tokio::spawn({
        let (fixture, may_go_on) = (fixture.clone(), Arc::clone(&may_go_on));
        async move { fixture.asks_slowly(&(0..20).collect::<Vec<_>>(), Some(may_go_on)).await }
    });
    while fixture.loaded.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let second = tokio::spawn({
        let fixture = fixture.clone();
        async move { fixture.asks(10..30).await }
    });
    let single = tokio::spawn({
        let (fixture, BatchKey { key, entities }) = (fixture.clone(), fixture.key(3));
        async move {
            let load = || async { Err::<Option<Loaded<u32>>, _>(io::Error::other("asked")) };
            let Fixture { cache, scope, .. } = fixture;
            cache.get_or_load(&scope, Operation::JobsItem, key, &entities, load).await
        }
    });
    while fixture.loaded.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    may_go_on.notify_one();
    assert_eq!(told(first.await.unwrap()), all(Outcome::Miss, 20));
    assert_eq!(second.await.unwrap(), all(Outcome::Miss, 20));
    assert_eq!(single.await.unwrap().unwrap().unwrap().body, "0");
    assert_eq!(fixture.loaded(), [(0..20).collect::<Vec<_>>(), (20..30).collect()]);
}

#[tokio::test]
async fn a_batch_that_began_before_a_change_is_not_served_after_it() {
    for settings in [CacheSettings::default(), CacheSettings::default().without_process_level()] {
        let fixture = Fixture::new(settings);
        let may_go_on = Arc::new(Notify::new());
        let slow = tokio::spawn({
            let (fixture, may_go_on) = (fixture.clone(), Arc::clone(&may_go_on));
            async move { fixture.asks_slowly(&(0..20).collect::<Vec<_>>(), Some(may_go_on)).await }
        });
        while fixture.loaded.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        fixture.changes(4).await;
        // It does not join the load of before either.
        assert_eq!(fixture.asks(4..5).await, [(Outcome::Miss, 1)]);
        may_go_on.notify_one();
        assert_eq!(told(slow.await.unwrap()).len(), 20);
        let after = fixture.asks(0..20).await;
        for (job, (_, version)) in after.into_iter().enumerate() {
            assert_eq!(version, u32::from(job == 4), "job {job}");
        }
    }
}

#[tokio::test]
async fn without_the_provider_a_batch_is_loaded_and_kept_for_the_lease() {
    let fixture = Fixture::remote();
    fixture.faulty.inject_on("get_many", Fault::Fail(RedisError::Unavailable("test".to_owned())));
    assert_eq!(fixture.asks(0..20).await, all(Outcome::Bypass, 20));
    assert_eq!(fixture.asks(0..20).await, all(Outcome::Stale, 20));
    assert_eq!(fixture.loaded().len(), 1);
}

#[tokio::test]
async fn what_could_not_be_stored_is_told_and_loaded_again_later() {
    let fixture = Fixture::remote();
    let _ = fixture.asks(0..20).await;
    fixture.changes(0).await;
    fixture.faulty.inject_on("pipeline", Fault::Fail(RedisError::Unavailable("test".to_owned())));
    assert_eq!(fixture.asks(0..1).await, [(Outcome::Miss, 1)]);
    assert!(fixture.cache.statistics().provider_errors > 0);
    fixture.faulty.heal();
    assert_eq!(fixture.asks(0..2).await[1], (Outcome::Hit, 0));
}

#[tokio::test]
async fn a_loader_has_to_answer_what_it_was_asked_for() {
    let Fixture { cache, scope, .. } = &Fixture::remote();
    let wanted: Vec<BatchKey> = (0..3)
        .map(|page| BatchKey {
            key: Operation::JobsList.key(scope).part(&page.to_string()).build(),
            entities: Vec::new(),
        })
        .collect();
    let few = |_| async { Ok::<_, io::Error>(vec![Some(Loaded::new(1))]) };
    let answers = cache.get_or_load_many(scope, Operation::JobsList, &wanted, few).await;
    assert!(matches!(answers, Err(CacheError::Incomplete)), "{answers:?}");

    let fails = |_| async { Err::<Vec<Option<Loaded<u32>>>, _>(io::Error::other("away")) };
    let answers = cache.get_or_load_many(scope, Operation::JobsList, &wanted, fails).await;
    assert!(matches!(answers, Err(CacheError::Load(_))), "{answers:?}");

    let nothing = |asked: Vec<usize>| async move {
        Ok::<_, io::Error>(asked.iter().map(|_| None::<Loaded<u32>>).collect())
    };
    let answers = cache.get_or_load_many(scope, Operation::JobsList, &wanted, nothing).await;
    assert_eq!(answers.unwrap(), vec![None; 3]);
    // That there is nothing is known as well.
    let answers = cache.get_or_load_many(scope, Operation::JobsList, &wanted, fails).await;
    assert_eq!(answers.unwrap(), vec![None; 3]);
    let answers = cache.get_or_load_many(scope, Operation::JobsList, &[], fails).await;
    assert_eq!(answers.unwrap(), Vec::new());
}

#[tokio::test]
async fn a_key_that_is_asked_for_twice_is_loaded_once() {
    let fixture = Fixture::remote();
    let answers = told(fixture.asks_slowly(&[1, 2, 1, 1], None).await);
    assert_eq!(answers, all(Outcome::Miss, 4));
    assert_eq!(fixture.loaded(), [[1, 2]]);
}

/// Readers of random batches and writers at the same time; nobody reads what an invalidation that
/// had ended before has dropped.
#[tokio::test]
async fn no_batch_is_older_than_a_finished_invalidation() {
    for seed in 0..20 {
        let fixture = Fixture::new(CacheSettings::default());
        // What writers have finished.
        let finished: Arc<Vec<AtomicU32>> =
            Arc::new((0..JOBS).map(|_| AtomicU32::new(0)).collect());
        let mut tasks = Vec::new();
        for task in 0..6 {
            let (fixture, finished) = (fixture.clone(), Arc::clone(&finished));
            let mut random = StdRng::seed_from_u64(seed * 100 + task);
            tasks.push(tokio::spawn(async move {
                for _ in 0..40 {
                    if task < 2 {
                        let job = random.random_range(0..JOBS);
                        let version = fixture.versions[job].fetch_add(1, Ordering::SeqCst) + 1;
                        let subject = Some(fixture.jobs[job]);
                        let event = fixture.cache.invalidate(
                            &fixture.scope,
                            EventKind::JobUpdated,
                            subject,
                        );
                        event.await.unwrap();
                        finished[job].fetch_max(version, Ordering::SeqCst);
                    } else {
                        let count = random.random_range(1..12);
                        let jobs: Vec<usize> =
                            (0..count).map(|_| random.random_range(0..JOBS)).collect();
                        let least: Vec<u32> =
                            jobs.iter().map(|job| finished[*job].load(Ordering::SeqCst)).collect();
                        let answers = told(fixture.asks_slowly(&jobs, None).await);
                        for ((job, least), (_, version)) in jobs.iter().zip(least).zip(answers) {
                            assert!(version >= least, "seed {seed}, job {job}");
                        }
                    }
                    tokio::task::yield_now().await;
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let total = fixture.cache.statistics().total;
        assert!(total.hits > 50 && total.misses > 50, "{total:?}");
    }
}
