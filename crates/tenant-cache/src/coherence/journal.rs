//! What this process has invalidated, or tried to, and what may therefore not be believed.
//!
//! Two ledgers. *Pending*: generations whose replacement failed, or may have been lost since. While
//! one of them stands, no value that depends on it is taken from the provider. *Finished*: those
//! replaced lately. The provider may lose what it has acknowledged (a failover), which it tells by
//! raising [`Interruptions::count`]; whoever notices first moves the finished ones to the
//! pending ones, before anything that the provider answered since is believed.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use tenancy::TenantScope;
use tokio::time::Instant;

use super::ledger::{Bounds, Ledger, Line};
use super::target::Target;
use crate::sync::{Arc, AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, locked};

/// How long an acknowledged stamp may still be lost: well above what replicas are behind.
const MEMORY: Duration = Duration::from_secs(60);

/// How often it is looked for what need not be remembered any more.
const FORGETTING_INTERVAL: Duration = Duration::from_secs(1);

/// During an outage every call fails; the log is told this often.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// Some ten megabytes at the very most: one line for each of a tenant's changed entities, until the
/// tenant as a whole is the better answer.
const BOUNDS: Bounds = Bounds { targets: 64, tenants: 2_000 };

/// Who knows how often the provider may have lost what it had acknowledged.
pub(crate) trait Interruptions: fmt::Debug + Send + Sync {
    /// Raised before the first answer that may come from a state without such a write.
    fn count(&self) -> u64;
}

#[derive(Debug)]
pub(crate) struct Journal {
    provider: Arc<dyn Interruptions>,
    /// How long after an interruption nothing is believed, so that other instances, too, have the
    /// time to repeat what they had finished.
    settling_time: Duration,
    /// The count of interruptions that has been acted on.
    handled: AtomicU64,
    /// Whether everything may be believed: spares readers the lock.
    is_quiet: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pending: Ledger<u64>,
    finished: Ledger<Instant>,
    sequence: u64,
    settling: Settling,
    /// First and last failure of the present trouble.
    trouble: Option<(Instant, Instant)>,
    next_complaint: Option<Instant>,
    /// Failures since the last one that was told of.
    unsaid: u64,
    /// Whether another attempt is promising: the provider has answered somebody, or is new.
    is_due: bool,
    next_forgetting: Instant,
    journaled: u64,
    replayed: u64,
}

/// Whether other instances have had time to repeat what an interruption may have lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settling {
    Over,
    /// The time begins with the first answer: nobody can repeat anything before.
    AwaitsAnswer,
    Until(Instant),
}

/// How far interruptions had been acted on at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handled {
    count: u64,
    /// Whether others had had the time to repeat what the last of them may have lost.
    is_settled: bool,
}

impl Settling {
    fn is_over(self, now: Instant) -> bool {
        match self {
            Self::Over => true,
            Self::AwaitsAnswer => false,
            Self::Until(end) => now >= end,
        }
    }
}

/// What the journal has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JournalFigures {
    pub(crate) pending: usize,
    pub(crate) journaled: u64,
    pub(crate) replayed: u64,
    pub(crate) overflows: u64,
}

impl Journal {
    pub(crate) fn new(provider: Arc<dyn Interruptions>, settling_time: Duration) -> Self {
        let handled = AtomicU64::new(provider.count());
        Self {
            provider,
            settling_time,
            handled,
            is_quiet: AtomicBool::new(true),
            state: Mutex::new(State {
                pending: Ledger::new(BOUNDS),
                finished: Ledger::new(BOUNDS),
                sequence: 0,
                settling: Settling::Over,
                trouble: None,
                next_complaint: None,
                unsaid: 0,
                is_due: false,
                next_forgetting: Instant::now(),
                journaled: 0,
                replayed: 0,
            }),
        }
    }

    /// Whether a value that depends on these may not be taken from the provider, so that asking
    /// would be in vain.
    pub(crate) fn blocks(&self, scope: &TenantScope, dependencies: &[String]) -> bool {
        !self.is_quiet.load(Ordering::Acquire) && self.lock().pending.concerns(scope, dependencies)
    }

    /// Whether what the provider has just answered may be believed, when it was asked at `asked_at`.
    /// To be asked after the answer and before its use: what was recorded while the answer was under
    /// way counts. An answer to what was asked before all was settled is not believed, however late
    /// it comes: it may be of before the others repeated anything.
    pub(crate) fn trusts(
        &self,
        scope: &TenantScope,
        dependencies: &[String],
        asked_at: Handled,
    ) -> bool {
        self.notice_interruptions();
        // An answer may have been under way for so long that everything is settled again.
        let is_recent =
            asked_at.is_settled && self.handled.load(Ordering::Acquire) == asked_at.count;
        if self.is_quiet.load(Ordering::Acquire) {
            return is_recent;
        }
        let mut state = self.lock();
        state.is_due = true;
        self.settle(&mut state);
        is_recent
            && state.settling == Settling::Over
            && !state.pending.concerns(scope, dependencies)
    }

    /// How often the provider may have lost something, as it says.
    pub(super) fn interruptions(&self) -> u64 {
        self.provider.count()
    }

    /// How far interruptions have been acted on; to be noted before the provider is asked.
    pub(crate) fn handled(&self) -> Handled {
        // In this order: whoever sees a count sees that it is to be settled.
        let count = self.handled.load(Ordering::Acquire);
        let is_settled =
            self.is_quiet.load(Ordering::Acquire) || self.lock().settling.is_over(Instant::now());
        Handled { count, is_settled }
    }

    /// Makes what was finished lately pending again, if the provider may have lost it.
    pub(crate) fn notice_interruptions(&self) {
        if self.provider.count() == self.handled.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.lock();
        // Under the lock, so that counts are acted on in the order in which they rise.
        let interruptions = self.provider.count();
        if interruptions == self.handled.load(Ordering::Acquire) {
            return;
        }
        state.forget_durable(Instant::now());
        let lines = state.finished.lines();
        state.finished.retain(|_| false);
        if !lines.is_empty() {
            tracing::info!(
                cache.generations = lines.len(),
                "the provider was interrupted, what it acknowledged lately is repeated"
            );
        }
        for line in lines {
            state.record(line.scope.as_ref(), line.target);
        }
        state.settling = Settling::AwaitsAnswer;
        state.is_due = true;
        self.is_quiet.store(false, Ordering::Release);
        // Whoever sees this number sees what was done about it.
        self.handled.store(interruptions, Ordering::Release);
    }

    /// Begins to replace generations. Whatever is not [finished](Attempt::finish) is recorded,
    /// even if the caller goes away.
    pub(crate) fn begin(&self, scope: &TenantScope, targets: BTreeSet<Target>) -> Attempt<'_> {
        let interruptions = self.provider.count();
        Attempt { journal: self, scope: scope.clone(), open: targets, interruptions }
    }

    /// Every pending generation, to be replaced.
    pub(crate) fn pending(&self) -> Vec<Line<u64>> {
        self.lock().pending.lines()
    }

    /// Takes note that pending generations were replaced by calls that began when the provider
    /// counted `interruptions`. Those recorded anew meanwhile stay.
    pub(crate) fn replayed(&self, lines: &[Line<u64>], done: &[Target], interruptions: u64) {
        let done: BTreeSet<&Target> = done.iter().collect();
        let mut state = self.lock();
        let now = Instant::now();
        for line in lines.iter().filter(|line| done.contains(&line.target)) {
            state.finished.insert(line.scope.as_ref(), line.target.clone(), now);
        }
        // Only now: an interruption from here on finds them among the finished ones.
        if done.is_empty() || self.provider.count() != interruptions {
            return;
        }
        for line in lines.iter().filter(|line| done.contains(&line.target)) {
            state.pending.remove(line);
            state.replayed += 1;
        }
        if state.pending.is_empty() {
            tracing::info!("every invalidation that had failed is made up for");
        }
        self.settle(&mut state);
    }

    /// Takes note that a call of the provider failed: what was acknowledged before may be lost for
    /// as long as this goes on. Answers how many failures the log was spared, when it is time to
    /// tell of one again.
    pub(crate) fn provider_failed(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.lock();
        let first = match state.trouble {
            Some((first, last)) if now < last + MEMORY => first,
            _ => now,
        };
        state.trouble = Some((first, now));
        if state.next_complaint.is_some_and(|next| now < next) {
            state.unsaid += 1;
            return None;
        }
        state.next_complaint = Some(now + COMPLAINT_INTERVAL);
        Some(std::mem::take(&mut state.unsaid))
    }

    /// Whether something has happened since this was asked last that makes another attempt
    /// promising.
    pub(crate) fn take_due(&self) -> bool {
        std::mem::take(&mut self.lock().is_due)
    }

    pub(crate) fn has_pending(&self) -> bool {
        !self.is_quiet.load(Ordering::Acquire) && !self.lock().pending.is_empty()
    }

    /// Forgets finished invalidations that cannot be lost any more.
    pub(crate) fn forget_durable(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        if now >= state.next_forgetting {
            state.next_forgetting = now + FORGETTING_INTERVAL;
            state.forget_durable(now);
        }
    }

    pub(crate) fn figures(&self) -> JournalFigures {
        let state = self.lock();
        JournalFigures {
            pending: state.pending.len(),
            journaled: state.journaled,
            replayed: state.replayed,
            overflows: state.pending.overflows() + state.finished.overflows(),
        }
    }

    fn record(&self, scope: &TenantScope, targets: BTreeSet<Target>) {
        let mut state = self.lock();
        for target in targets {
            state.record(Some(scope), target);
        }
        self.is_quiet.store(false, Ordering::Release);
    }

    /// The provider has answered: goes on with the settling, and takes note of quiet.
    fn settle(&self, state: &mut State) {
        let now = Instant::now();
        state.settling = match state.settling {
            Settling::AwaitsAnswer => Settling::Until(now + self.settling_time),
            settling if settling.is_over(now) => Settling::Over,
            settling => settling,
        };
        let is_quiet = state.pending.is_empty() && state.settling == Settling::Over;
        self.is_quiet.store(is_quiet, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    fn record(&mut self, scope: Option<&TenantScope>, target: Target) {
        self.sequence += 1;
        self.journaled += 1;
        self.pending.insert(scope, target, self.sequence);
    }

    /// An outage may last longer than the memory and end in a failover, so time counts from its
    /// beginning only.
    fn forget_durable(&mut self, now: Instant) {
        let trouble = self.trouble.filter(|(_, last)| now < *last + MEMORY);
        let reference = trouble.map_or(now, |(first, _)| first);
        self.finished.retain(|at| reference < at + MEMORY);
    }
}

/// Generations on their way to being replaced.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    journal: &'a Journal,
    scope: TenantScope,
    open: BTreeSet<Target>,
    interruptions: u64,
}

impl Attempt<'_> {
    /// Ends the attempt with what was replaced; the rest is recorded before the caller learns of it.
    /// Answers whether all of it is known to be done.
    ///
    /// If the provider was interrupted meanwhile, nothing is known to be done.
    pub(crate) fn finish(mut self, done: &[Target]) -> Finish {
        let now = Instant::now();
        let mut state = self.journal.lock();
        for target in done {
            state.finished.insert(Some(&self.scope), target.clone(), now);
        }
        drop(state);
        // Only now: an interruption from here on finds them among the finished ones.
        if self.journal.provider.count() != self.interruptions {
            return Finish::Interrupted;
        }
        for target in done {
            self.open.remove(target);
        }
        if self.open.is_empty() { Finish::Done } else { Finish::Open }
    }
}

/// How an attempt to replace generations ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Done,
    /// Some were not, or are not known to be.
    Open,
    /// The provider may have lost what it acknowledged.
    Interrupted,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.open.is_empty() {
            self.journal.record(&self.scope, std::mem::take(&mut self.open));
        }
    }
}
