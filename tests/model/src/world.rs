//! A database, a Redis, two instances with what they keep, and threads that read and write.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;
use tenancy::{Evidence, ManualClock, TenantId, TenantScope};

use crate::coherence::{Bond, Cell, Coherence, Finish, Interruptions, Stamp, Target};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, locked};

/// The generations of the one value there is.
const KEYS: [&str; 2] = ["tenant", "list"];
/// No lease ends by itself while a run lasts.
const LEASE: Duration = Duration::from_secs(3_600);

/// What a run does, and what it does wrong.
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that holds or does not")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// Calls that replace stamps fail now and then, whether they were carried out or not.
    pub(crate) fails: bool,
    /// Redis forgets what it has acknowledged.
    pub(crate) fails_over: bool,
    /// Wrong: loads are stored under generations that are read after them.
    pub(crate) captures_after_load: bool,
    /// Wrong: a replay writes the stamp that was written before.
    pub(crate) repeats_stamps: bool,
    /// Wrong: other instances do not end their leases.
    pub(crate) ignores_messages: bool,
}

/// A version of the row, under the stamps that it was loaded under.
type Value = (Vec<Stamp>, u64);

#[derive(Clone, Debug, Default)]
struct Held {
    stamps: HashMap<String, Stamp>,
    value: Option<Value>,
}

#[derive(Debug)]
struct Redis {
    held: Mutex<Held>,
    interruptions: AtomicU64,
    clock: ManualClock,
}

impl Interruptions for Redis {
    fn count(&self) -> u64 {
        self.interruptions.load(Ordering::SeqCst)
    }
}

impl Redis {
    fn read(&self) -> (Option<Value>, Vec<Option<Stamp>>) {
        let held = locked(&self.held);
        (held.value.clone(), KEYS.iter().map(|key| held.stamps.get(*key).copied()).collect())
    }

    /// Creates what is absent; answers what is there then.
    fn complete(&self) -> Vec<Stamp> {
        let mut held = locked(&self.held);
        KEYS.iter()
            .map(|key| {
                *held
                    .stamps
                    .entry((*key).to_owned())
                    .or_insert_with(|| Stamp::mint(&self.clock, None))
            })
            .collect()
    }

    fn store(&self, stamps: Vec<Stamp>, version: u64) {
        locked(&self.held).value = Some((stamps, version));
    }

    /// Replaces a stamp by a later one; answers it.
    fn advance(&self, key: &str) -> Stamp {
        let mut held = locked(&self.held);
        let stamp = Stamp::mint(&self.clock, held.stamps.get(key));
        held.stamps.insert(key.to_owned(), stamp);
        stamp
    }
}

#[derive(Debug)]
struct Instance {
    coherence: Coherence,
    kept: Mutex<Option<(Box<[Bond]>, u64)>>,
    /// What its readers may expect at least.
    floor: AtomicU64,
    /// Stamps that it has written, for the rule that is wrong.
    written: Mutex<HashMap<String, Stamp>>,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    rules: Rules,
    scope: TenantScope,
    database: AtomicU64,
    redis: Arc<Redis>,
    instances: [Instance; 2],
}

#[expect(clippy::disallowed_methods, reason = "a tenant that does not exist")]
fn scope() -> TenantScope {
    let tenant = TenantId::from_uuid(uuid::Uuid::nil());
    TenantScope::from_verified(tenant, "org_a".parse().unwrap(), Evidence::SystemTask("model"))
}

impl World {
    pub(crate) fn begin(rules: Rules) -> Arc<Self> {
        let redis = Arc::new(Redis {
            held: Mutex::new(Held::default()),
            interruptions: AtomicU64::new(0),
            clock: ManualClock::at(time::OffsetDateTime::UNIX_EPOCH),
        });
        let instance = || Instance {
            coherence: Coherence::new(Arc::clone(&redis) as _, LEASE, Duration::ZERO),
            kept: Mutex::new(None),
            floor: AtomicU64::new(0),
            written: Mutex::new(HashMap::new()),
        };
        let instances = [instance(), instance()];
        Arc::new(Self { rules, scope: scope(), database: AtomicU64::new(0), redis, instances })
    }

    /// Two writers, readers of both instances, replays and a failover, at the same time.
    pub(crate) fn runs(self: &Arc<Self>) {
        let snapshot = locked(&self.redis.held).clone();
        let mut threads = Vec::new();
        for number in 0..2 {
            let world = Arc::clone(self);
            threads.push(thread::spawn(move || {
                for _ in 0..2 {
                    world.reads(number);
                    world.writes(number);
                    world.reads(number);
                }
            }));
            let world = Arc::clone(self);
            threads.push(thread::spawn(move || {
                for _ in 0..3 {
                    world.reads(number);
                    world.replays(number);
                }
            }));
        }
        if self.rules.fails_over {
            let world = Arc::clone(self);
            threads.push(thread::spawn(move || {
                let before = if thread_rng().gen_bool(0.5) {
                    snapshot
                } else {
                    let now = locked(&world.redis.held).clone();
                    thread::yield_now();
                    now
                };
                // Raised first, as the port promises.
                let mut held = locked(&world.redis.held);
                world.redis.interruptions.fetch_add(1, Ordering::SeqCst);
                *held = before;
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
        for number in [0, 1] {
            self.replays(number);
            self.reads(number);
        }
    }

    fn reads(&self, number: usize) {
        let instance = &self.instances[number];
        let floor = instance.floor.load(Ordering::SeqCst);
        let version = self.read(instance);
        assert!(
            version >= floor,
            "instance {number} serves {version}, {floor} was finished before"
        );
    }

    /// The cache's own read path, in its order.
    fn read(&self, instance: &Instance) -> u64 {
        let coherence = &instance.coherence;
        let load = || self.database.load(Ordering::SeqCst);
        let kept = locked(&instance.kept).clone();
        if let Some((bonds, version)) = kept
            && coherence.cells.holds(&bonds, coherence.cells.now())
        {
            return version;
        }
        let keys = KEYS.map(str::to_owned);
        let cells: Vec<Arc<Cell>> = KEYS.iter().map(|key| coherence.cells.cell(key)).collect();
        let Some(question) = coherence.begin_read(&self.scope, &keys, &cells) else {
            return load();
        };
        let (value, stamps) = self.redis.read();
        if !coherence.believes(&self.scope, &keys, &question) {
            return load();
        }
        question.learn(&cells, &stamps);
        let complete: Option<Vec<Stamp>> = stamps.iter().copied().collect();
        if let (Some((sealed, version)), Some(stamps)) = (value, &complete)
            && sealed == *stamps
        {
            Self::keep(instance, &cells, stamps, version);
            return version;
        }
        let mut stamps = self.redis.complete();
        if !coherence.believes(&self.scope, &keys, &question) {
            return load();
        }
        let version = load();
        if self.rules.captures_after_load {
            stamps = self.redis.complete();
        }
        Self::keep(instance, &cells, &stamps, version);
        self.redis.store(stamps, version);
        version
    }

    fn keep(instance: &Instance, cells: &[Arc<Cell>], stamps: &[Stamp], version: u64) {
        let sealed: Vec<_> = cells.iter().cloned().zip(stamps.iter().copied()).collect();
        if let Some(bonds) = Bond::all(&sealed) {
            *locked(&instance.kept) = Some((bonds, version));
        }
    }

    fn writes(&self, number: usize) {
        let instance = &self.instances[number];
        let version = self.database.fetch_add(1, Ordering::SeqCst) + 1;
        let target = Target { key: "list".to_owned(), expires: true };
        let targets = BTreeSet::from([target.clone()]);
        let invalidation = instance.coherence.begin_invalidation(&self.scope, targets);
        let (is_done, is_acknowledged) =
            if self.rules.fails { thread_rng().r#gen() } else { (true, true) };
        if is_done {
            let stamp = self.redis.advance(&target.key);
            locked(&instance.written).insert(target.key.clone(), stamp);
        }
        let done = if is_done && is_acknowledged { vec![target] } else { Vec::new() };
        let finish = invalidation.finish(&done);
        instance.floor.fetch_max(version, Ordering::SeqCst);
        if finish == Finish::Done && !self.rules.fails_over {
            let other = &self.instances[1 - number];
            if !self.rules.ignores_messages {
                other.coherence.hears_of(["list"]);
            }
            other.floor.fetch_max(version, Ordering::SeqCst);
        }
    }

    fn replays(&self, number: usize) {
        let instance = &self.instances[number];
        instance.coherence.journal.notice_interruptions();
        let lines = instance.coherence.journal.pending();
        if lines.is_empty() {
            return;
        }
        let replay = instance.coherence.begin_replay(&lines);
        let mut done = Vec::new();
        for target in &replay.targets {
            let before = locked(&instance.written).get(&target.key).copied();
            if let (true, Some(stamp)) = (self.rules.repeats_stamps, before) {
                locked(&self.redis.held).stamps.insert(target.key.clone(), stamp);
            } else {
                self.redis.advance(&target.key);
            }
            done.push(target.clone());
        }
        instance.coherence.replayed(&lines, &replay, &done);
    }
}
