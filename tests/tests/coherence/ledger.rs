//! What readers may be told: the database, and which invalidations have ended.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Tenants, whose keys lie in slots of all primaries.
pub(crate) const TENANTS: usize = 6;
pub(crate) const JOBS: usize = 4;
pub(crate) const INSTANCES: usize = 2;

/// How late an invalidation may be noticed.
const BOUND: Duration = Duration::from_secs(1);

/// Something that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A tenant's list of jobs.
    List(usize),
    /// Counts over them, which are of another feature.
    Facets(usize),
    /// One of them.
    Job(usize, usize),
}

impl Subject {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..TENANTS).flat_map(Self::of_tenant)
    }

    pub(crate) fn of_tenant(tenant: usize) -> impl Iterator<Item = Self> {
        let jobs = (0..JOBS).map(move |job| Self::Job(tenant, job));
        [Self::List(tenant), Self::Facets(tenant)].into_iter().chain(jobs)
    }

    pub(crate) const fn tenant(self) -> usize {
        let (Self::List(tenant) | Self::Facets(tenant) | Self::Job(tenant, _)) = self;
        tenant
    }
}

/// The versions that a read may be answered with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expectation {
    /// The oldest that is right.
    pub(crate) floor: u64,
    /// The newest that any instance had finished telling of.
    pub(crate) newest: u64,
}

/// The versions of one subject whose invalidations have ended.
#[derive(Debug, Default)]
struct Account {
    /// Those that finished more than the bound ago.
    settled: u64,
    recent: VecDeque<(Instant, u64)>,
    newest: u64,
    /// Those that ended at each instance, well or not.
    own: [u64; INSTANCES],
}

/// The database, with versions as rows, and the book of finished invalidations.
#[derive(Debug)]
pub(crate) struct Ledger {
    rows: HashMap<Subject, AtomicU64>,
    accounts: Mutex<HashMap<Subject, Account>>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let rows = Subject::all().map(|subject| (subject, AtomicU64::new(0))).collect();
        Self { rows, accounts: Mutex::default() }
    }

    pub(crate) fn version(&self, subject: Subject) -> u64 {
        self.rows[&subject].load(Ordering::SeqCst)
    }

    /// Changes rows; answers what they are now.
    pub(crate) fn commit(&self, subjects: &[Subject]) -> Vec<(Subject, u64)> {
        let change =
            |subject: &Subject| (*subject, self.rows[subject].fetch_add(1, Ordering::SeqCst) + 1);
        subjects.iter().map(change).collect()
    }

    /// An invalidation that told of these versions has ended at an instance.
    pub(crate) fn ended(&self, by: usize, told: &[(Subject, u64)], is_finished: bool) {
        let mut accounts = self.accounts();
        let now = Instant::now();
        for (subject, version) in told {
            let account = accounts.entry(*subject).or_default();
            account.own[by] = account.own[by].max(*version);
            if is_finished {
                account.recent.push_back((now, *version));
                account.newest = account.newest.max(*version);
            }
        }
    }

    /// What a read may be answered with that begins now at an instance.
    pub(crate) fn expects(&self, at: usize, subject: Subject) -> Expectation {
        let mut accounts = self.accounts();
        // Under the lock, so that the instants of the book and of its readers are in order.
        let now = Instant::now();
        let account = accounts.entry(subject).or_default();
        while let Some((_, version)) =
            account.recent.pop_front_if(|(ended, _)| *ended + BOUND < now)
        {
            account.settled = account.settled.max(version);
        }
        Expectation { floor: account.settled.max(account.own[at]), newest: account.newest }
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<Subject, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
