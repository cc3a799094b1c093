//! Two instances of the cache, wired as the portal wires its own, with readers and writers.

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dev_redis_cluster::OwnCluster;
use futures_util::StreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redis_provider::testing::FaultyRedis;
use redis_provider::{
    Backplane, Credentials, ElastiCacheProvider, ElastiCacheSettings, GuardSettings, Incoming,
    RedisProvider, TlsSettings, guard,
};
use tenancy::{EventKind, Evidence, SystemClock, Tag, TenantId, TenantScope};
use tenant_cache::{CacheSettings, Loaded, Operation, TenantCache};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::figures::{Counts, Figures, count};
use crate::ledger::{INSTANCES, JOBS, Ledger, Subject, TENANTS};

const READERS: usize = 8;
const WRITERS: usize = 2;

/// One instance, on connections of its own.
#[derive(Debug)]
pub(crate) struct Instance {
    cache: TenantCache,
    adapter: Arc<ElastiCacheProvider>,
    backplane: Backplane,
    /// What the backplane hears through.
    ears: Arc<FaultyRedis>,
    is_deaf: AtomicBool,
}

impl Instance {
    async fn begin(cluster: &OwnCluster, settings: CacheSettings) -> Self {
        let login = cluster.app();
        let settings_of_adapter = ElastiCacheSettings {
            credentials: Credentials::Password {
                username: Some(login.username),
                password: login.password.into(),
            },
            tls: Some(TlsSettings { authorities: Some(cluster.ca_file()) }),
            ..ElastiCacheSettings::new("localhost", cluster.ports()[0])
        };
        let adapter = ElastiCacheProvider::connect(&settings_of_adapter).await;
        let adapter = Arc::new(adapter.expect("good settings"));
        let provider = guard(Arc::clone(&adapter) as _, &GuardSettings::default());
        let cache = TenantCache::new(Arc::clone(&provider), Arc::new(SystemClock), settings);
        let ears = Arc::new(FaultyRedis::new(provider));
        let backplane = Backplane::spawn(Arc::clone(&ears) as _, &[tenant_cache::TOPIC]);
        cache.joins(backplane.clone()).expect("it carries the topic");
        assert!(backplane.wait_until_live().await);
        Self { cache, adapter, backplane, ears, is_deaf: AtomicBool::new(false) }
    }

    /// Swallows what the instance would hear, without a word.
    pub(crate) fn loses_messages(&self, is_losing: bool) {
        self.ears.drop_messages(is_losing);
        self.is_deaf.store(is_losing, Ordering::SeqCst);
    }

    fn is_deaf(&self) -> bool {
        self.is_deaf.load(Ordering::SeqCst)
    }
}

/// Everything there is, but for the faults.
#[derive(Clone, Debug)]
pub(crate) struct World(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    instances: [Instance; INSTANCES],
    scopes: [TenantScope; TENANTS],
    jobs: [Uuid; JOBS],
    ledger: Arc<Ledger>,
    counts: Counts,
    wrong: Mutex<Vec<String>>,
    began: Instant,
}

impl Deref for World {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope() -> TenantScope {
    let id = Uuid::now_v7();
    let org = format!("org_{}", id.simple()).parse().expect("a good name");
    TenantScope::from_verified(TenantId::from_uuid(id), org, Evidence::SystemTask("test"))
}

impl World {
    pub(crate) async fn begin(cluster: &OwnCluster, settings: CacheSettings) -> Self {
        let instances =
            [Instance::begin(cluster, settings).await, Instance::begin(cluster, settings).await];
        Self(Arc::new(Inner {
            instances,
            scopes: std::array::from_fn(|_| scope()),
            jobs: std::array::from_fn(|_| Uuid::now_v7()),
            ledger: Arc::new(Ledger::new()),
            counts: Counts::default(),
            wrong: Mutex::default(),
            began: Instant::now(),
        }))
    }

    /// Readers, writers and listeners at both instances, each with a course of its own.
    pub(crate) fn people(&self, seed: u64) -> People {
        let mut random = StdRng::seed_from_u64(seed);
        let mut course = || StdRng::seed_from_u64(random.random());
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for at in 0..INSTANCES {
            for _ in 0..READERS {
                let (world, is_over, random) = (self.clone(), Arc::clone(&is_over), course());
                tasks.spawn(async move { world.reader(at, &is_over, random).await });
            }
            for _ in 0..WRITERS {
                let (world, is_over, random) = (self.clone(), Arc::clone(&is_over), course());
                tasks.spawn(async move { world.writer(at, &is_over, random).await });
            }
        }
        let mut listeners = JoinSet::new();
        for at in 0..INSTANCES {
            let world = self.clone();
            listeners.spawn(async move { world.listener(at).await });
        }
        People { is_over, tasks, listeners }
    }

    async fn reader(&self, at: usize, is_over: &AtomicBool, mut random: StdRng) {
        let subjects: Vec<Subject> = Subject::all().collect();
        while !is_over.load(Ordering::SeqCst) {
            let subject = subjects[random.random_range(0..subjects.len())];
            self.reads(at, subject, &mut random).await;
            sleep(Duration::from_micros(random.random_range(0..6_000))).await;
        }
    }

    async fn writer(&self, at: usize, is_over: &AtomicBool, mut random: StdRng) {
        while !is_over.load(Ordering::SeqCst) {
            self.writes(at, &mut random).await;
            sleep(Duration::from_millis(random.random_range(0..120))).await;
        }
    }

    async fn listener(&self, at: usize) {
        let news = self.instances[at].backplane.listen(tenant_cache::TOPIC);
        let mut news = news.expect("it carries the topic");
        while let Some(incoming) = news.next().await {
            match incoming {
                Incoming::Message { .. } => count(&self.counts.heard),
                Incoming::Gap => count(&self.counts.gaps),
            }
        }
    }

    async fn reads(&self, at: usize, subject: Subject, random: &mut StdRng) {
        let expected = self.ledger.expects(at, subject);
        let answer = self.value(at, subject, random).await;
        count(&self.counts.reads);
        match answer {
            None => count(&self.counts.unanswered),
            Some((version, how)) => {
                if version < expected.floor {
                    let wrong = format!(
                        "after {:?}: instance {at}, {subject:?}: version {version} ({how}), \
                         {expected:?}",
                        self.began.elapsed()
                    );
                    self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(wrong);
                } else if version < expected.newest {
                    count(&self.counts.late);
                }
            }
        }
    }

    /// What an instance says, and how it came to it.
    async fn value(
        &self,
        at: usize,
        subject: Subject,
        random: &mut StdRng,
    ) -> Option<(u64, String)> {
        let (operation, entities) = match subject {
            Subject::List(_) => (Operation::JobsList, Vec::new()),
            Subject::Facets(_) => (Operation::JobFacets, Vec::new()),
            Subject::Job(_, job) => (Operation::JobsItem, vec![Tag::entity("job", self.jobs[job])]),
        };
        let scope = &self.scopes[subject.tenant()];
        let key = operation.key(scope).part("view").part(&format!("{subject:?}")).build();
        let [before, after] =
            [(); 2].map(|()| Duration::from_micros(random.random_range(0..8_000)));
        let ledger = Arc::clone(&self.ledger);
        let load = move || async move {
            sleep(before).await;
            let version = ledger.version(subject);
            sleep(after).await;
            Ok::<_, Infallible>(Some(Loaded::new(version)))
        };
        let cache = &self.instances[at].cache;
        let answer = cache.get_or_load(scope, operation, key, &entities, load).await.ok()??;
        let version = serde_json::from_slice(&answer.body).expect("a version");
        Some((version, format!("{:?}, made {:?} ago", answer.outcome, answer.age)))
    }

    /// Commits, then invalidates; some callers go away in between.
    async fn writes(&self, at: usize, random: &mut StdRng) {
        let tenant = random.random_range(0..TENANTS);
        let (kind, subject, changed) = if random.random_bool(0.05) {
            (EventKind::TenantSuspended, None, Subject::of_tenant(tenant).collect())
        } else {
            let job = random.random_range(0..JOBS);
            let changed =
                vec![Subject::Job(tenant, job), Subject::List(tenant), Subject::Facets(tenant)];
            (EventKind::JobStatusChanged, Some(self.jobs[job]), changed)
        };
        let patience = match random.random_range(0..10) {
            0 => Duration::from_micros(random.random_range(0..5_000)),
            _ => Duration::from_secs(60),
        };
        let was_deaf = self.others(at).any(Instance::is_deaf);
        let told = self.ledger.commit(&changed);
        let invalidation = self.instances[at].cache.invalidate(&self.scopes[tenant], kind, subject);
        let is_finished = timeout(patience, invalidation).await.is_ok_and(|ended| ended.is_ok());
        self.ledger.ended(at, &told, is_finished);
        count(if is_finished { &self.counts.finished } else { &self.counts.failed });
        if is_finished && was_deaf && self.others(at).any(Instance::is_deaf) {
            count(&self.counts.untold);
        }
    }

    /// At the end every instance answers with the newest version.
    pub(crate) async fn everybody_knows_everything(&self, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        for at in 0..INSTANCES {
            for subject in Subject::all() {
                let value = self.value(at, subject, &mut random).await.map(|(version, _)| version);
                assert_eq!(value, Some(self.ledger.version(subject)), "{subject:?} at {at}");
            }
        }
    }

    pub(crate) async fn end(self) {
        for instance in &self.instances {
            instance.cache.drain().await;
            instance.backplane.shut_down().await;
            instance.adapter.close().await;
        }
    }
}

impl Inner {
    pub(crate) fn instances(&self) -> &[Instance; INSTANCES] {
        &self.instances
    }

    fn others(&self, at: usize) -> impl Iterator<Item = &Instance> {
        self.instances.iter().enumerate().filter(move |(other, _)| *other != at).map(|(_, it)| it)
    }

    /// Whether nothing waits to be repeated.
    pub(crate) fn is_settled(&self) -> bool {
        self.instances.iter().all(|instance| instance.cache.statistics().journal_length == 0)
    }

    pub(crate) fn figures(&self) -> Figures {
        let mut figures = self.counts.figures();
        figures.wrong.clone_from(&self.wrong.lock().unwrap_or_else(PoisonError::into_inner));
        for instance in &self.instances {
            let statistics = instance.cache.statistics();
            figures.hits += statistics.total.hits;
            figures.hits_in_process += statistics.total.hits_in_process;
            figures.misses += statistics.total.misses;
            figures.bypassed += statistics.total.bypassed;
            figures.replayed += statistics.replayed;
            figures.interruptions += instance.adapter.interruptions();
        }
        figures
    }
}

/// Who reads, writes and listens.
#[derive(Debug)]
pub(crate) struct People {
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    listeners: JoinSet<()>,
}

impl People {
    /// Lets them finish what they are at.
    pub(crate) async fn end(mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("nobody fails");
        }
        self.listeners.shutdown().await;
    }
}
