//! Values that are kept in the process, ready to be sent.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenancy::{OrgId, TenantKey, TenantScope};
use tokio::time::Instant;

use crate::answer::{CachedAnswer, Outcome};
use crate::cache::{Inner, TenantCache};
use crate::coherence::{Bond, Cell, Moment, Stamp};
use crate::envelope::{Content, Envelope, Place};
use crate::freshness;
use crate::shelves::Weighed;
use crate::statistics::Counters;
use crate::sync::locked;

const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What allocators add to an allocation, and a count of references with its neighbours.
const ALLOCATION_BYTES: usize = 32;

/// A value as hits are answered with it: what they clone is counted for the threads of one core.
#[derive(Debug)]
pub(crate) struct Kept {
    facts: Arc<Facts>,
    content: Content,
    etag: Arc<str>,
    pub(crate) envelope: Arc<Envelope>,
}

/// What it takes to know, without asking anybody, that a value is right. Hits only read it.
#[derive(Debug)]
struct Facts {
    org: OrgId,
    bonds: Box<[Bond]>,
    /// From then on somebody should think of loading it anew.
    aging_from: Moment,
    /// When it was made, for its age.
    since: Moment,
    counters: Arc<Counters>,
}

/// What a twin's bytes own, so that the count of references to them is on cache lines of its own:
/// two, since processors fetch them in pairs.
#[repr(align(128))]
struct Apart(Bytes);

impl AsRef<[u8]> for Apart {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The same bytes with a count of references of their own.
pub(crate) fn apart(bytes: &Bytes) -> Bytes {
    Bytes::from_owner(Apart(bytes.clone()))
}

impl Weighed for Kept {
    fn weight(&self) -> usize {
        let Envelope { content, etag, generations, .. } = &*self.envelope;
        let bodies = content.identity.len() + content.gzip.as_ref().map_or(0, Bytes::len);
        let Facts { bonds, org, .. } = &*self.facts;
        size_of::<Self>()
            + size_of::<Facts>()
            + size_of::<Envelope>()
            + bodies
            + etag.len()
            + size_of_val(&**bonds)
            + generations.len() * size_of::<Stamp>()
            + org.as_str().len()
    }

    fn twin(value: &Arc<Self>) -> Arc<Self> {
        let Self { facts, content, etag, envelope } = &**value;
        let content =
            Content { identity: apart(&content.identity), gzip: content.gzip.as_ref().map(apart) };
        let (facts, envelope) = (Arc::clone(facts), Arc::clone(envelope));
        Arc::new(Self { facts, content, etag: Arc::from(&**etag), envelope })
    }

    fn twin_weight(&self) -> usize {
        // The count stands on lines of its own in front of what is owned.
        let owners = 1 + usize::from(self.content.gzip.is_some());
        owners * 2 * size_of::<Apart>() + size_of::<Self>() + self.etag.len() + 2 * ALLOCATION_BYTES
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
                let Facts { org, bonds, aging_from, since, counters } = &*kept.facts;
                let is_good =
                    *org == *scope.org() && now < *aging_from && coherence.cells.holds(bonds, now);
                is_good.then(|| {
                    counters.hit_in_process();
                    let age = Duration::from_nanos(now.nanos().saturating_sub(since.nanos()));
                    answer(&kept.content, &kept.etag, Outcome::Hit, age)
                })
            })
            .flatten()
    }

    /// The same for whoever is no reader: it is counted as nobody's hit.
    pub(crate) fn peek(&self, place: &Place<'_>) -> Option<CachedAnswer> {
        let Inner { shelves, coherence, .. } = &**self.shared();
        let now = coherence.cells.now();
        let kept = shelves.get(place.key)?;
        let Facts { org, bonds, aging_from, since, .. } = &*kept.facts;
        let is_good = *org == *place.org && now < *aging_from && coherence.cells.holds(bonds, now);
        is_good.then(|| {
            let age = Duration::from_nanos(now.nanos().saturating_sub(since.nanos()));
            answer(&kept.content, &kept.etag, Outcome::Hit, age)
        })
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
        let Facts { org, bonds, .. } = &*kept.facts;
        (*org == *place.org && bonds.iter().all(Bond::may_hold)).then_some(kept)
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
        let facts = Arc::new(Facts {
            org: place.org.clone(),
            bonds,
            aging_from: now.after(left),
            since: now.before(age),
            counters: statistics.counters(place.org, place.operation),
        });
        let (content, etag) = (envelope.content.clone(), Arc::clone(&envelope.etag));
        let kept = Kept { facts, content, etag, envelope };
        shelves.put(place.org, place.key, Arc::new(kept));
        self.look_after();
    }
}

/// An envelope's answer.
pub(crate) fn answer_of(envelope: &Envelope, outcome: Outcome, age: Duration) -> CachedAnswer {
    answer(&envelope.content, &envelope.etag, outcome, age)
}

fn answer(content: &Content, etag: &Arc<str>, outcome: Outcome, age: Duration) -> CachedAnswer {
    CachedAnswer {
        body: content.identity.clone(),
        gzip: content.gzip.clone(),
        etag: Arc::clone(etag),
        outcome,
        age,
    }
}
