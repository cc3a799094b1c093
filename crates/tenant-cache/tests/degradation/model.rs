//! Random operations on two instances against what readers may be told.
//!
//! No read may tell less than an invalidation that ended on its own instance before it began, or
//! that finished on the other one more than the lease before; and when all is well again, every
//! invalidation has been made. The order of events follows from a seed, but for stamps and pauses.

#![expect(clippy::indexing_slicing, reason = "indices are drawn from the arrays' own lengths")]

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redis_provider::RedisError;
use redis_provider::testing::Fault;
use tenancy::{EventKind, Tag, TenantScope};
use tenant_cache::{CacheSettings, Loaded, Operation};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::failover::{Failover, Snapshot};
use crate::{Instance, away, scope};

const SEEDS: u64 = 12;
const STEPS: usize = 1_500;
const INSTANCES: usize = 2;
const TENANTS: usize = 2;
const JOBS: usize = 6;

const LEASE: Duration = Duration::from_secs(1);
/// Longest way to the provider, or back.
const LATENCY: Duration = Duration::from_millis(5);
/// By when an instance whose provider works has noticed a failover and made up for it.
const NOTICED: Duration = Duration::from_millis(300);
/// An older snapshot is no replica that is a little behind.
const OLDEST_SNAPSHOT: Duration = Duration::from_secs(55);

/// Something that is read: a tenant's list, or one of its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    List(usize),
    Job(usize, usize),
}

/// An invalidation that has ended, well or not.
#[derive(Debug)]
struct Write {
    by: usize,
    /// What it was about, and the version that it told of.
    told: [(Subject, u64); 2],
    ended: Instant,
    /// Since when the other instance must know of it, but for the lease.
    settled: Option<Instant>,
}

#[derive(Debug, Default)]
struct History {
    writes: Vec<Write>,
    violations: Vec<String>,
    reads: usize,
    failed_writes: usize,
}

/// Two instances, the database behind them, and what has happened.
struct World {
    provider: Arc<Failover>,
    instances: [Instance; INSTANCES],
    scopes: [TenantScope; TENANTS],
    jobs: [Uuid; JOBS],
    database: Mutex<HashMap<Subject, u64>>,
    history: Mutex<History>,
}

impl World {
    fn new(seed: u64) -> Arc<Self> {
        let provider = Failover::with_latency(LATENCY, seed);
        let settings =
            CacheSettings { lease: LEASE, process_lease: LEASE, ..CacheSettings::default() };
        let skews = [time::Duration::ZERO, time::Duration::seconds(-2)];
        Arc::new(Self {
            instances: skews.map(|skew| Instance::with(&provider, settings, skew)),
            scopes: [scope("org_a"), scope("org_b")],
            jobs: std::array::from_fn(|_| Uuid::now_v7()),
            database: Mutex::default(),
            history: Mutex::default(),
            provider,
        })
    }

    fn version(&self, subject: Subject) -> u64 {
        self.database.lock().unwrap().get(&subject).copied().unwrap_or(0)
    }

    fn commit(&self, subject: Subject) -> u64 {
        let mut database = self.database.lock().unwrap();
        let version = database.entry(subject).or_default();
        *version += 1;
        *version
    }

    /// The oldest version that a read may tell that begins now.
    fn floor(&self, at: usize, subject: Subject) -> u64 {
        let now = Instant::now();
        let history = self.history.lock().unwrap();
        let must_be_known = |write: &&Write| {
            write.by == at || write.settled.is_some_and(|settled| settled + LEASE < now)
        };
        let versions = history.writes.iter().filter(must_be_known).flat_map(|write| write.told);
        versions.filter(|(of, _)| *of == subject).map(|(_, version)| version).max().unwrap_or(0)
    }

    /// Reads, and notes what should not have been told.
    async fn reads(self: Arc<Self>, at: usize, subject: Subject, random: StdRng) {
        let floor = self.floor(at, subject);
        let version = self.value(at, subject, random).await;
        let ceiling = self.version(subject);
        let mut history = self.history.lock().unwrap();
        history.reads += 1;
        if !version.as_ref().is_ok_and(|version| (floor..=ceiling).contains(version)) {
            let violation =
                format!("instance {at}, {subject:?}: {version:?}, not {floor}..={ceiling}");
            history.violations.push(violation);
        }
    }

    async fn value(
        self: &Arc<Self>,
        at: usize,
        subject: Subject,
        mut random: StdRng,
    ) -> Result<u64, String> {
        let (Subject::List(tenant) | Subject::Job(tenant, _)) = subject;
        let (operation, entities) = match subject {
            Subject::List(_) => (Operation::JobsList, Vec::new()),
            Subject::Job(_, job) => (Operation::JobsItem, vec![Tag::entity("job", self.jobs[job])]),
        };
        let scope = &self.scopes[tenant];
        let key = operation.key(scope).part(&format!("{subject:?}")).build();
        let pauses = [(); 2].map(|()| Duration::from_millis(random.random_range(0..30)));
        let world = Arc::clone(self);
        let load = move || async move {
            sleep(pauses[0]).await;
            let version = world.version(subject);
            sleep(pauses[1]).await;
            Ok::<_, io::Error>(Some(Loaded::new(version)))
        };
        let cache = &self.instances[at].cache;
        match cache.get_or_load(scope, operation, key, &entities, load).await {
            Ok(Some(answer)) => Ok(serde_json::from_slice(&answer.body).unwrap()),
            other => Err(format!("{other:?}")),
        }
    }

    /// Commits, then invalidates; some callers go away in between.
    async fn writes(self: Arc<Self>, by: usize, tenant: usize, job: usize, mut random: StdRng) {
        let told = [Subject::Job(tenant, job), Subject::List(tenant)];
        let told = told.map(|subject| (subject, self.commit(subject)));
        let patience = match random.random_range(0..10) {
            0 => Duration::from_millis(random.random_range(0..10)),
            _ => Duration::MAX,
        };
        let scope = &self.scopes[tenant];
        let cache = &self.instances[by].cache;
        let invalidation = cache.invalidate(scope, EventKind::JobUpdated, Some(self.jobs[job]));
        let is_finished = timeout(patience, invalidation).await.is_ok_and(|result| result.is_ok());
        let ended = Instant::now();
        let mut history = self.history.lock().unwrap();
        history.failed_writes += usize::from(!is_finished);
        let settled = is_finished.then_some(ended);
        history.writes.push(Write { by, told, ended, settled });
    }

    /// An invalidation that failed, or that a failover took back from an instance that cannot
    /// repeat it, is to be known once that instance has made up for everything.
    fn settle(&self, by: usize) {
        if self.instances[by].cache.statistics().journal_length > 0 {
            return;
        }
        let now = Instant::now();
        let mut history = self.history.lock().unwrap();
        let of_instance = history.writes.iter_mut().filter(|write| write.by == by);
        for write in of_instance.filter(|write| write.ended + NOTICED < now) {
            write.settled.get_or_insert(now);
        }
    }

    fn unsettle(&self, by: usize) {
        let mut history = self.history.lock().unwrap();
        for write in history.writes.iter_mut().filter(|write| write.by == by) {
            write.settled = None;
        }
    }
}

/// Chooses what happens next.
struct Driver {
    world: Arc<World>,
    random: StdRng,
    tasks: JoinSet<()>,
    snapshot: (Instant, Snapshot),
    /// When no fault has been there since; none while there is one.
    well_since: [Option<Instant>; INSTANCES],
    failed_over: Instant,
}

impl Driver {
    async fn new(seed: u64) -> Self {
        let world = World::new(seed);
        Self {
            snapshot: (Instant::now(), world.provider.snapshot().await),
            world,
            random: StdRng::seed_from_u64(seed),
            tasks: JoinSet::new(),
            well_since: [Some(Instant::now()); INSTANCES],
            failed_over: Instant::now(),
        }
    }

    async fn step(&mut self) {
        sleep(Duration::from_micros(self.random.random_range(0..8_000))).await;
        let (at, tenant, job) = (
            self.random.random_range(0..INSTANCES),
            self.random.random_range(0..TENANTS),
            self.random.random_range(0..JOBS),
        );
        let (world, random) =
            (Arc::clone(&self.world), StdRng::seed_from_u64(self.random.random()));
        match self.random.random_range(0..1_000) {
            0..400 => drop(self.tasks.spawn(world.reads(at, Subject::List(tenant), random))),
            400..850 => drop(self.tasks.spawn(world.reads(at, Subject::Job(tenant, job), random))),
            850..950 => drop(self.tasks.spawn(world.writes(at, tenant, job, random))),
            950..962 => self.breaks(at),
            962..980 => self.heals(at),
            980..982 => self.snapshot = (Instant::now(), world.provider.snapshot().await),
            982..990 => self.fails_over().await,
            _ => {
                let pause = self.random.random_range(0..1_500);
                sleep(Duration::from_millis(pause)).await;
            }
        }
        while let Some(ended) = self.tasks.try_join_next() {
            ended.unwrap();
        }
        for by in 0..INSTANCES {
            let since = self.well_since[by].map(|since| since.max(self.failed_over));
            if since.is_some_and(|since| since.elapsed() > NOTICED) {
                self.world.settle(by);
            }
        }
    }

    fn breaks(&mut self, at: usize) {
        // An instance that loses the provider before it has noticed a failover cannot repeat
        // anything. That is two faults at once, and left to the relay.
        if self.failed_over.elapsed() < NOTICED {
            return;
        }
        let a_while = Duration::from_millis(self.random.random_range(10..80));
        let way = &self.world.instances[at].way;
        match self.random.random_range(0..9) {
            0 => way.inject(away()),
            1 => way.inject(Fault::Hang(a_while)),
            2 => way.inject(Fault::LoseReply),
            3 => way.inject(Fault::Delay(a_while)),
            4 => way.inject_on("get_many", away()),
            5 => way.inject_on("get_many", Fault::Delay(a_while)),
            6 => way.inject_on("pipeline", Fault::LoseReply),
            7 => way.inject_on("pipeline", Fault::Fail(RedisError::Rejected("quota".to_owned()))),
            _ => way.inject_on("set", Fault::Hang(a_while)),
        }
        self.well_since[at] = None;
    }

    fn heals(&mut self, at: usize) {
        self.world.instances[at].way.heal();
        self.well_since[at].get_or_insert_with(Instant::now);
    }

    async fn fails_over(&mut self) {
        if self.snapshot.0.elapsed() > OLDEST_SNAPSHOT {
            return;
        }
        self.world.provider.fails_over_to(&self.snapshot.1).await;
        self.failed_over = Instant::now();
        for by in 0..INSTANCES {
            if self.well_since[by].is_none() {
                self.world.unsettle(by);
            }
        }
    }

    /// All is well again: nothing is pending, and everybody knows everything.
    async fn ends(mut self) -> Arc<World> {
        for at in 0..INSTANCES {
            self.heals(at);
        }
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        sleep(Duration::from_secs(5)).await;
        for at in 0..INSTANCES {
            let cache = &self.world.instances[at].cache;
            assert_eq!(cache.statistics().journal_length, 0);
            for tenant in 0..TENANTS {
                let jobs = (0..JOBS).map(|job| Subject::Job(tenant, job));
                for subject in jobs.chain([Subject::List(tenant)]) {
                    let random = StdRng::seed_from_u64(0);
                    let read = self.world.value(at, subject, random).await;
                    assert_eq!(read, Ok(self.world.version(subject)), "{subject:?} at {at}");
                }
            }
        }
        self.world
    }
}

#[tokio::test(start_paused = true)]
async fn no_reader_is_told_less_than_it_must_be() {
    let (mut reads, mut hits, mut kept, mut failed_writes, mut replayed) = (0, 0, 0, 0, 0);
    for seed in 0..SEEDS {
        let mut driver = Driver::new(seed).await;
        for _ in 0..STEPS {
            driver.step().await;
        }
        let world = driver.ends().await;
        let history = world.history.lock().unwrap();
        assert!(history.violations.is_empty(), "seed {seed}: {:#?}", history.violations);
        reads += history.reads;
        failed_writes += history.failed_writes;
        for instance in &world.instances {
            let statistics = instance.cache.statistics();
            hits += statistics.total.hits;
            kept += statistics.total.stale;
            replayed += statistics.replayed;
        }
    }
    println!(
        "{reads} reads, {hits} hits, {kept} kept, {failed_writes} failed, {replayed} replayed"
    );
    // A model in which nothing happens proves nothing.
    assert!(reads > 10_000 && hits > 2_000 && kept > 1_000);
    assert!(failed_writes > 300 && replayed > 1_000);
}
