//! Values that are kept in the process, ready to be sent.

use std::sync::Arc;
use std::time::Duration;

use tenancy::{OrgId, TenantKey, TenantScope};
use tokio::time::Instant;

use crate::answer::{CachedAnswer, Outcome};
use crate::cache::{Inner, TenantCache};
use crate::coherence::{Bond, Cell, Moment, Stamp};
use crate::envelope::{Envelope, Place};
use crate::freshness;
use crate::shelves::Weighed;
use crate::statistics::Counters;
use crate::sync::locked;

const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A value with what it takes to know, without asking anybody, that it is right.
#[derive(Debug)]
pub(crate) struct Kept {
    org: OrgId,
    bonds: Box<[Bond]>,
    /// From then on somebody should think of loading it anew.
    aging_from: Moment,
    /// When it was made, for its age.
    since: Moment,
    counters: Arc<Counters>,
    pub(crate) envelope: Arc<Envelope>,
}

impl Weighed for Kept {
    fn weight(&self) -> usize {
        let Envelope { content, etag, generations, .. } = &*self.envelope;
        let bodies = content.identity.len() + content.gzip.as_ref().map_or(0, bytes::Bytes::len);
        let bonds = size_of_val(&*self.bonds) + generations.len() * size_of::<Stamp>();
        size_of::<Self>()
            + size_of::<Envelope>()
            + bodies
            + etag.len()
            + bonds
            + self.org.as_str().len()
    }
}

impl TenantCache {
    /// The answer that is kept in this process, if it may be given without asking anybody: its
    /// generations are leased and the ones it was made under, and its time is not over. Takes no
    /// lock that other readers wait for, and allocates nothing.
    pub fn cached(&self, scope: &TenantScope, key: &TenantKey) -> Option<CachedAnswer> {
        let Inner { shelves, coherence, .. } = &**self.shared();
        let now = coherence.cells.now();
        shelves
            .with(key, |kept| {
                let is_good = kept.org == *scope.org()
                    && now < kept.aging_from
                    && coherence.cells.holds(&kept.bonds, now);
                is_good.then(|| {
                    kept.counters.hit_in_process();
                    let age = Duration::from_nanos(now.nanos().saturating_sub(kept.since.nanos()));
                    answer_of(&kept.envelope, Outcome::Hit, age)
                })
            })
            .flatten()
    }

    /// Drops, every few seconds, what is over: its room is for others.
    pub(crate) fn sweep_at_times(&self) {
        let Inner { shelves, clock, next_sweep, .. } = &**self.shared();
        let is_due = {
            let now = Instant::now();
            let mut next = locked(next_sweep);
            let is_due = now >= *next;
            if is_due {
                *next = now + SWEEP_INTERVAL;
            }
            is_due
        };
        if is_due {
            let now = clock.now();
            let dropped = shelves.sweep(|kept| now >= kept.envelope.stale_until);
            tracing::trace!(dropped, "swept the values kept in process");
        }
    }

    /// What is kept of a key, as far as it is not known to be wrong.
    pub(crate) fn kept(&self, place: &Place<'_>) -> Option<Arc<Kept>> {
        let kept = self.shared().shelves.get(place.key)?;
        (kept.org == *place.org && kept.bonds.iter().all(Bond::may_hold)).then_some(kept)
    }

    /// Keeps a value whose generations have been seen to be in force; their cells are in the same
    /// order.
    pub(crate) fn keep_in_process(
        &self,
        place: &Place<'_>,
        envelope: Arc<Envelope>,
        cells: &[Arc<Cell>],
    ) {
        let Inner { shelves, coherence, statistics, clock, .. } = &**self.shared();
        if !place.operation.policy().class.is_kept_in_process() || envelope.is_nothing() {
            return;
        }
        let sealed: Vec<(Arc<Cell>, Stamp)> =
            cells.iter().cloned().zip(envelope.generations.iter().copied()).collect();
        if sealed.len() != envelope.generations.len() {
            return;
        }
        let Some(bonds) = Bond::all(&sealed) else { return };
        let (now, instant) = (coherence.cells.now(), clock.now());
        let left = freshness::until_aging(&envelope, instant);
        let age = freshness::age(&envelope, instant);
        let kept = Kept {
            org: place.org.clone(),
            bonds,
            aging_from: now.after(left),
            since: now.before(age),
            counters: statistics.counters(place.org, place.operation),
            envelope,
        };
        shelves.put(place.org, place.key, Arc::new(kept));
        self.look_after();
    }
}

/// An envelope's answer.
pub(crate) fn answer_of(envelope: &Envelope, outcome: Outcome, age: Duration) -> CachedAnswer {
    CachedAnswer {
        body: envelope.content.identity.clone(),
        gzip: envelope.content.gzip.clone(),
        etag: Arc::clone(&envelope.etag),
        outcome,
        age,
    }
}
