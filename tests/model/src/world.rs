//! A database, a Redis, two instances with what they keep, and threads that read and write.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread::{self, JoinHandle};
use tenancy::{Evidence, TenantId, TenantScope};

use crate::coherence::{Bond, Cell, Coherence, Course, Finish, Stamp, Target};
use crate::redis::{Position, Redis};
use crate::sync::{Arc, AtomicU64, Mutex, Ordering, locked};

/// The generations of the one value there is.
const KEYS: [&str; 2] = ["tenant", "list"];
/// No lease ends by itself while a run lasts.
const LEASE: Duration = Duration::from_secs(3_600);
/// Refreshes in one run; each is a thread more.
const REFRESHES: u64 = 3;

/// What a run does, and what it does wrong.
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that holds or does not")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// Calls that replace stamps fail now and then, whether they were carried out or not.
    pub(crate) fails: bool,
    /// Redis forgets what it has acknowledged.
    pub(crate) fails_over: bool,
    /// Values are loaded anew while they are still served.
    pub(crate) refreshes: bool,
    /// Reads are answered by copies that are behind, though never behind what the instance has
    /// seen.
    pub(crate) lags: bool,
    /// Other instances' messages say how far the service had come, and copies that have not come
    /// so far are not asked.
    pub(crate) tells_positions: bool,
    /// Nothing is expected of an instance for what another one did.
    pub(crate) expects_own_only: bool,
    /// Wrong: loads are stored under generations that are read after them.
    pub(crate) captures_after_load: bool,
    /// Wrong: the same, where a value is loaded anew.
    pub(crate) refreshes_under_later_stamps: bool,
    /// Wrong: a replay writes the stamp that was written before.
    pub(crate) repeats_stamps: bool,
    /// Wrong: other instances do not end their leases.
    pub(crate) ignores_messages: bool,
    /// A message's position takes the place of a later one.
    pub(crate) goes_back_to_positions: bool,
    /// Wrong: an instance does not remember the stamps that it has written.
    pub(crate) forgets_own_stamps: bool,
}

/// What is to be loaded anew: the stamps to do that under, and their cells.
type Due = (Vec<Arc<Cell>>, Vec<Stamp>);

#[derive(Debug)]
struct Instance {
    coherence: Coherence,
    kept: Mutex<Option<(Box<[Bond]>, u64)>>,
    /// How far the service had come in what this instance has seen.
    position: AtomicU64,
    /// What its readers may expect at least.
    floor: AtomicU64,
    /// Stamps that it has written, for the rule that is wrong.
    written: Mutex<HashMap<String, Stamp>>,
}

impl Instance {
    fn has_seen(&self, position: Position) {
        self.position.fetch_max(position, Ordering::SeqCst);
    }

    fn keep(&self, cells: &[Arc<Cell>], stamps: &[Stamp], version: u64) {
        let sealed: Vec<_> = cells.iter().cloned().zip(stamps.iter().copied()).collect();
        if let Some(bonds) = Bond::all(&sealed) {
            *locked(&self.kept) = Some((bonds, version));
        }
    }
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    rules: Rules,
    scope: TenantScope,
    database: AtomicU64,
    redis: Arc<Redis>,
    instances: [Instance; 2],
    refreshes: Mutex<Vec<JoinHandle<()>>>,
    refreshed: AtomicU64,
}

#[expect(clippy::disallowed_methods, reason = "a tenant that does not exist")]
fn scope() -> TenantScope {
    let tenant = TenantId::from_uuid(uuid::Uuid::nil());
    TenantScope::from_verified(tenant, "org_a".parse().unwrap(), Evidence::SystemTask("model"))
}

impl World {
    pub(crate) fn begin(rules: Rules) -> Arc<Self> {
        let redis = Arc::new(Redis::new(rules.lags));
        let instance = || Instance {
            coherence: Coherence::new(Arc::clone(&redis) as _, LEASE, Duration::ZERO),
            kept: Mutex::new(None),
            position: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            written: Mutex::new(HashMap::new()),
        };
        let instances = [instance(), instance()];
        Arc::new(Self {
            rules,
            scope: scope(),
            database: AtomicU64::new(0),
            redis,
            instances,
            refreshes: Mutex::new(Vec::new()),
            refreshed: AtomicU64::new(0),
        })
    }

    /// Two writers, readers of both instances, replays and a failover, at the same time.
    pub(crate) fn runs(self: &Arc<Self>) {
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
                let to = if thread_rng().gen_bool(0.5) { 0 } else { world.redis.position() };
                thread::yield_now();
                world.redis.fails_over(to);
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
        let refreshes = std::mem::take(&mut *locked(&self.refreshes));
        for refresh in refreshes {
            refresh.join().unwrap();
        }
        for number in [0, 1] {
            self.replays(number);
            self.reads(number);
        }
    }

    fn reads(self: &Arc<Self>, number: usize) {
        let instance = &self.instances[number];
        let floor = instance.floor.load(Ordering::SeqCst);
        let (version, due) = self.read(instance);
        assert!(
            version >= floor,
            "instance {number} serves {version}, {floor} was finished before"
        );
        if let Some((cells, stamps)) = due
            && self.refreshed.fetch_add(1, Ordering::SeqCst) < REFRESHES
        {
            let world = Arc::clone(self);
            let refresh = thread::spawn(move || world.refreshes(number, &cells, stamps));
            locked(&self.refreshes).push(refresh);
        }
    }

    /// The cache's own read path, in its order. Answers, with what is to be loaded anew, the stamps
    /// to do that under.
    fn read(&self, instance: &Instance) -> (u64, Option<Due>) {
        let coherence = &instance.coherence;
        let is_aging = self.rules.refreshes && thread_rng().gen_bool(0.3);
        let kept = locked(&instance.kept).clone();
        if let Some((bonds, version)) = kept
            && !is_aging
            && coherence.cells.holds(&bonds, coherence.cells.now())
        {
            return (version, None);
        }
        let keys = KEYS.map(str::to_owned);
        let cells: Vec<Arc<Cell>> = KEYS.iter().map(|key| coherence.cells.cell(key)).collect();
        let Some(question) = coherence.begin_read(&self.scope, &keys, &cells) else {
            return (self.load(), None);
        };
        let after = instance.position.load(Ordering::SeqCst);
        let (value, stamps, position) = self.redis.read(&KEYS, after);
        instance.has_seen(position);
        // No lease ends here, so none that goes back stays so for longer than one.
        let is_onward = |(cell, stamp): (&Arc<Cell>, &Option<Stamp>)| {
            stamp.is_none_or(|stamp| coherence.cells.course(cell, stamp) == Course::Onward)
        };
        if !cells.iter().zip(&stamps).all(is_onward)
            || !coherence.believes(&self.scope, &keys, &question)
        {
            return (self.load(), None);
        }
        question.learn(&cells, &stamps);
        let complete: Option<Vec<Stamp>> = stamps.iter().copied().collect();
        if let (Some((sealed, version)), Some(stamps)) = (value, complete)
            && sealed == stamps
        {
            instance.keep(&cells, &stamps, version);
            return (version, is_aging.then_some((cells, stamps)));
        }
        let (mut stamps, position) = self.redis.complete(&KEYS);
        instance.has_seen(position);
        if !coherence.believes(&self.scope, &keys, &question) {
            return (self.load(), None);
        }
        let version = self.load();
        if self.rules.captures_after_load {
            stamps = self.redis.complete(&KEYS).0;
        }
        self.stores(instance, &cells, stamps, version);
        (version, None)
    }

    /// Loads anew what is still served, under the stamps that it was served under.
    fn refreshes(&self, number: usize, cells: &[Arc<Cell>], mut stamps: Vec<Stamp>) {
        let version = self.load();
        if self.rules.refreshes_under_later_stamps {
            stamps = self.redis.complete(&KEYS).0;
        }
        self.stores(&self.instances[number], cells, stamps, version);
    }

    fn load(&self) -> u64 {
        self.database.load(Ordering::SeqCst)
    }

    fn stores(&self, instance: &Instance, cells: &[Arc<Cell>], stamps: Vec<Stamp>, version: u64) {
        instance.keep(cells, &stamps, version);
        instance.has_seen(self.redis.store(stamps, version));
    }

    fn writes(&self, number: usize) {
        let instance = &self.instances[number];
        let version = self.database.fetch_add(1, Ordering::SeqCst) + 1;
        let target = Target { key: "list".to_owned(), expires: true };
        let targets = BTreeSet::from([target.clone()]);
        let invalidation = instance.coherence.begin_invalidation(&self.scope, targets);
        let (is_done, is_acknowledged) =
            if self.rules.fails { thread_rng().r#gen() } else { (true, true) };
        let mut position = 0;
        if is_done {
            let (stamp, at) = self.redis.advance(&target.key);
            locked(&instance.written).insert(target.key.clone(), stamp);
            if is_acknowledged {
                position = at;
                instance.has_seen(at);
                if !self.rules.forgets_own_stamps {
                    instance.coherence.has_replaced(std::slice::from_ref(&target), &[stamp]);
                }
            }
        }
        let done = if is_done && is_acknowledged { vec![target] } else { Vec::new() };
        let finish = invalidation.finish(&done);
        instance.floor.fetch_max(version, Ordering::SeqCst);
        if finish == Finish::Done && !self.rules.fails_over {
            self.tells(&self.instances[1 - number], position, version);
        }
    }

    /// Another instance hears of an invalidation.
    fn tells(&self, other: &Instance, position: Position, version: u64) {
        if self.rules.goes_back_to_positions {
            other.position.store(position, Ordering::SeqCst);
        } else if self.rules.tells_positions {
            // Before the leases end: who asks anew is to ask a copy that has come so far.
            other.has_seen(position);
        }
        if !self.rules.ignores_messages {
            other.coherence.hears_of(["list"]);
        }
        if !self.rules.expects_own_only {
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
            let position = if let (true, Some(stamp)) = (self.rules.repeats_stamps, before) {
                self.redis.repeat(&target.key, stamp)
            } else {
                self.redis.advance(&target.key).1
            };
            instance.has_seen(position);
            done.push(target.clone());
        }
        instance.coherence.replayed(&lines, &replay, &done);
    }
}
