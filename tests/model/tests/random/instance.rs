//! The two instances, and what they are about.

use tenancy::{Evidence, ManualClock, TenantId, TenantScope};

use crate::coherence::{Bond, Coherence, Interruptions, Stamp};
use crate::ledger::INSTANCES;
use crate::service::{DEPENDENCIES, GENERATIONS, Sealed, VALUES};
use crate::sync::{Arc, AtomicU64, Ordering};

/// How far their clocks are behind.
const SKEWS: [time::Duration; INSTANCES] =
    [time::Duration::ZERO, time::Duration::milliseconds(700)];

/// What is the same in all runs.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) scope: TenantScope,
    pub(crate) keys: [String; GENERATIONS],
    pub(crate) dependencies: [[String; 2]; VALUES],
}

impl Fixture {
    #[expect(clippy::disallowed_methods, reason = "a tenant that does not exist")]
    pub(crate) fn new() -> Self {
        let tenant = TenantId::from_uuid(uuid::Uuid::nil());
        let evidence = Evidence::SystemTask("model");
        let scope = TenantScope::from_verified(tenant, "org_a".parse().unwrap(), evidence);
        let keys = [scope.tenant_generation_key(), "list".to_owned(), "job".to_owned()];
        let dependencies = DEPENDENCIES.map(|of| of.map(|generation| keys[generation].clone()));
        Self { scope, keys, dependencies }
    }

    pub(crate) fn generation(&self, key: &str) -> usize {
        self.keys.iter().position(|known| known == key).unwrap()
    }
}

/// What one instance's connections know.
#[derive(Debug, Default)]
pub(crate) struct Way(AtomicU64);

impl Way {
    /// Something acknowledged may have been lost.
    pub(crate) fn interrupt(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Interruptions for Way {
    fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(crate) struct Instance<'a> {
    pub(crate) coherence: &'a Coherence,
    way: Arc<Way>,
    /// The failovers that its connections have met.
    epoch: u64,
    /// How far the service had come in what it has seen.
    pub(crate) seen: usize,
    pub(crate) clock: ManualClock,
    pub(crate) kept: [Option<(Box<[Bond]>, Sealed)>; VALUES],
    /// The stamps that it was the first to write, for the rule that is wrong.
    pub(crate) written: [Option<Stamp>; GENERATIONS],
}

impl<'a> Instance<'a> {
    pub(crate) fn new(at: usize, coherence: &'a Coherence, way: &Arc<Way>) -> Self {
        let epoch = time::macros::datetime!(2020-01-01 0:00 UTC);
        Self {
            coherence,
            way: Arc::clone(way),
            epoch: 0,
            seen: 0,
            // Clocks are never quite the same.
            clock: ManualClock::at(epoch - SKEWS[at]),
            kept: [const { None }; VALUES],
            written: [None; GENERATIONS],
        }
    }

    /// Its call has arrived at a service over which copies have taken so many times.
    pub(crate) fn meets(&mut self, epoch: u64) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.way.interrupt();
        }
    }

    pub(crate) fn has_seen(&mut self, position: usize) {
        self.seen = self.seen.max(position);
    }
}
