//! Values that are kept in the process, ready to be sent.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenancy::{OrgId, TenantKey, TenantScope};
use tokio::time::Instant;

use crate::answer::{CachedAnswer, Content, Outcome};
use crate::cache::{Inner, TenantCache};
use crate::coherence::{Bond, Cell, Moment, Stamp};
use crate::envelope::{Envelope, Place};
use crate::freshness;
use crate::shelves::Weighed;
use crate::statistics::Counters;
use crate::sync::locked;

const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What allocators add to an allocation, and a count of references with its neighbours.
const ALLOCATION_BYTES: usize = 32;

/// A value as hits are answered with it: what they clone is counted for the threads of one core,
/// and all else is only read.
#[derive(Debug)]
pub(crate) struct Kept {
    bonds: Arc<[Bond]>,
    /// From then on somebody should think of loading it anew.
    aging_from: Moment,
    /// When it was made, for its age.
    since: Moment,
    counters: Arc<Counters>,
    content: Arc<Content>,
    pub(crate) envelope: Arc<Envelope>,
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
        let Content { body, gzip, etag } = &*self.envelope.content;
        size_of::<Self>()
            + size_of::<Envelope>()
            + size_of::<Content>()
            + body.len()
            + gzip.as_ref().map_or(0, Bytes::len)
            + etag.len()
            + size_of_val(&*self.bonds)
            + self.envelope.generations.len() * size_of::<Stamp>()
    }

    fn twin(value: &Arc<Self>) -> Arc<Self> {
        let Self { bonds, aging_from, since, counters, content, envelope } = &**value;
        let Content { body, gzip, etag } = &**content;
        let content =
            Content { body: apart(body), gzip: gzip.as_ref().map(apart), etag: Arc::from(&**etag) };
        Arc::new(Self {
            bonds: Arc::clone(bonds),
            aging_from: *aging_from,
            since: *since,
            counters: Arc::clone(counters),
            content: Arc::new(content),
            envelope: Arc::clone(envelope),
        })
    }

    fn twin_weight(&self) -> usize {
        // The count stands on lines of its own in front of what is owned.
        let Content { gzip, etag, .. } = &*self.content;
        let owners = 1 + usize::from(gzip.is_some());
        owners * 2 * size_of::<Apart>()
            + size_of::<Self>()
            + size_of::<Content>()
            + etag.len()
            + 3 * ALLOCATION_BYTES
    }
}

impl TenantCache {
    /// The answer that is kept in this process, if it may be given without asking anybody: its
    /// generations are leased and the ones it was made under, and its time is not over. Takes no
    /// lock that other readers wait for, and allocates nothing.
    pub fn cached(&self, scope: &TenantScope, key: &TenantKey) -> Option<CachedAnswer> {
        self.look_in_process(scope.org(), key, Counters::hit_in_process)
    }

    /// The same for whoever is no reader: it is counted as nobody's hit.
    pub(crate) fn peek(&self, place: &Place<'_>) -> Option<CachedAnswer> {
        self.look_in_process(place.org, place.key, |_| ())
    }

    #[inline]
    fn look_in_process(
        &self,
        org: &OrgId,
        key: &TenantKey,
        count: impl FnOnce(&Counters),
    ) -> Option<CachedAnswer> {
        let Inner { shelves, coherence, .. } = &**self.shared();
        // What is kept under a key is of the tenant whose key it is.
        if !key.is_of(org) {
            return None;
        }
        let now = coherence.cells.now();
        shelves
            .with(key, |kept| {
                let Kept { bonds, aging_from, since, counters, content, .. } = &**kept;
                let is_good = now < *aging_from && coherence.cells.holds(bonds, now);
                is_good.then(|| {
                    count(counters);
                    let age = Duration::from_nanos(now.nanos().saturating_sub(since.nanos()));
                    CachedAnswer { content: Arc::clone(content), outcome: Outcome::Hit, age }
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
        (place.key.is_of(place.org) && kept.bonds.iter().all(Bond::may_hold)).then_some(kept)
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
        let is_kept = place.operation.policy().class.is_kept_in_process()
            && place.key.is_of(place.org)
            && !envelope.is_nothing();
        if !is_kept {
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
            bonds: bonds.into(),
            aging_from: now.after(left),
            since: now.before(age),
            counters: statistics.counters(place.org, place.operation),
            content: Arc::clone(&envelope.content),
            envelope,
        };
        shelves.put(place.org, place.key, Arc::new(kept));
        self.look_after();
    }
}

/// An envelope's answer.
pub(crate) fn answer_of(envelope: &Envelope, outcome: Outcome, age: Duration) -> CachedAnswer {
    CachedAnswer { content: Arc::clone(&envelope.content), outcome, age }
}
