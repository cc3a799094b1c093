//! The trail of what is refused, and of what happens where there is no transaction to tell of it.
//!
//! A request notes what it saw ([`AuditTrail::note`]) and goes on; a task of its own writes the
//! rows. Whoever is refused again and again gets one row at once and one a minute that counts the
//! rest, and all strangers together a bounded number of rows: nobody fills the disk by knocking.
//! While Postgres is away rows wait, up to a bound; what is lost is counted and told afterwards.

mod digest;
mod known;
mod outcome;
mod writer;

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use employer_store::WorkerDb;
use employer_store::audit::{Finding, RequestOrigin, SecurityEvent};
use serde_json::Value;
use tenancy::{Clock, TenantId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use digest::Digest;
pub(crate) use known::Known;
pub(crate) use outcome::{Refused, note_refusal};

/// Rows that wait to be written.
const QUEUE: usize = 4_096;

/// `work` with the request that it is done for, for tasks of its own.
pub(crate) fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let origin = RequestOrigin::current();
    async move {
        match origin {
            Some(origin) => origin.scope(work).await,
            None => work.await,
        }
    }
}

/// How much the trail takes.
#[derive(Clone, Copy, Debug)]
pub struct AuditSettings {
    /// Rows of refusals that an instance writes in a minute; the rest is counted.
    pub rows_per_minute: u32,
}

/// Something that a request saw.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) event: SecurityEvent,
    /// Whose trail it belongs to; the platform's where nobody's.
    pub(crate) tenant: Option<TenantId>,
    pub(crate) actor: String,
    pub(crate) resource: String,
    pub(crate) result: &'static str,
    pub(crate) request_id: Option<Uuid>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) detail: Value,
}

/// Takes note of what requests see. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct AuditTrail(Arc<Inner>);

struct Inner {
    digest: Mutex<Digest>,
    rows: mpsc::Sender<Finding>,
    clock: Arc<dyn Clock>,
    written: AtomicU64,
    lost: AtomicU64,
}

/// What writes the rows; run it beside the server.
#[derive(Debug)]
pub struct AuditWriter {
    trail: AuditTrail,
    rows: mpsc::Receiver<Finding>,
    db: WorkerDb,
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuditTrail")
            .field("written", &self.written())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

impl AuditTrail {
    /// A trail, and what writes it to `db`.
    pub fn new(
        settings: AuditSettings,
        db: WorkerDb,
        clock: Arc<dyn Clock>,
    ) -> (Self, AuditWriter) {
        let (sender, rows) = mpsc::channel(QUEUE);
        let trail = Self(Arc::new(Inner {
            digest: Mutex::new(Digest::new(settings.rows_per_minute, Instant::now())),
            rows: sender,
            clock,
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }));
        (trail.clone(), AuditWriter { trail, rows, db })
    }

    /// Rows that were written since the start.
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Rows that were lost since the start.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Takes note of something that may happen as often as a stranger likes.
    pub(crate) fn note(&self, sighting: Sighting) {
        let first = self.digest().take(sighting, Instant::now());
        if let Some(first) = first {
            self.send(first, 1);
        }
    }

    /// Takes note of something that cannot happen often, such as a sign-in that succeeded.
    pub(crate) fn tell(&self, sighting: Sighting) {
        self.send(sighting, 1);
    }

    /// Sends the counts of the minute that is over.
    fn close_minute(&self, now: Instant, is_last: bool) {
        let counted = self.digest().close(now, is_last);
        for (sighting, repeats) in counted {
            self.send(sighting, repeats);
        }
    }

    fn send(&self, sighting: Sighting, repeats: u32) {
        let finding = Finding {
            id: Uuid::now_v7(),
            at: self.0.clock.now(),
            tenant: sighting.tenant,
            actor: sighting.actor,
            event: sighting.event,
            resource: sighting.resource,
            result: sighting.result,
            repeats: i32::try_from(repeats).unwrap_or(i32::MAX),
            request_id: sighting.request_id,
            ip: sighting.ip,
            detail: sighting.detail,
        };
        if self.0.rows.try_send(finding).is_err() {
            self.lose(1);
        }
    }

    fn lose(&self, rows: u64) {
        self.0.lost.fetch_add(rows, Ordering::Relaxed);
    }

    fn digest(&self) -> MutexGuard<'_, Digest> {
        self.0.digest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
