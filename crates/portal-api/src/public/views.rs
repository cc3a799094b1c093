//! Views of jobs, counted in process until they are written down.
//!
//! A batch that is taken gets an id, and the database adds a batch of one id once. So a batch whose
//! writer never heard that it had arrived is sent again, and counts once. What has not been written
//! down when the process dies is lost: the counts of one interval, and the batch under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tenancy::{JobId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

/// Figures are kept by the quarter of an hour.
const QUARTER_SECONDS: i64 = 900;

/// What is counted apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Subject {
    tenant: TenantId,
    job: JobId,
    source: String,
    /// The quarter of an hour, counted since 1970.
    quarter: i64,
}

/// Views that wait to be written down. Clones share them.
#[derive(Clone, Debug)]
pub struct ViewCounts(Arc<Mutex<Counts>>);

#[derive(Debug)]
struct Counts {
    most: usize,
    waiting: HashMap<Subject, u32>,
    sealed: Option<ViewBatch>,
    dropped: u64,
}

/// Views that are to be written down together, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewBatch {
    /// Names the batch.
    pub id: Uuid,
    /// How many views of which job, from where, in which quarter of an hour; in the order of these.
    pub rows: Vec<(TenantId, JobId, String, OffsetDateTime, u32)>,
}

impl ViewCounts {
    /// None yet; at most so many subjects wait at a time.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Counts {
            most,
            waiting: HashMap::new(),
            sealed: None,
            dropped: 0,
        })))
    }

    /// Counts a view. Where too many subjects wait already, it is not counted.
    pub(crate) fn count(&self, tenant: TenantId, job: JobId, source: &str, now: OffsetDateTime) {
        let quarter = now.unix_timestamp().div_euclid(QUARTER_SECONDS);
        let subject = Subject { tenant, job, source: source.to_owned(), quarter };
        let mut counts = self.lock();
        let has_room = counts.waiting.len() < counts.most;
        match counts.waiting.get_mut(&subject) {
            Some(count) => *count = count.saturating_add(1),
            None if has_room => {
                counts.waiting.insert(subject, 1);
            }
            None => counts.dropped += 1,
        }
    }

    /// The batch that is to be written down now: the one that was taken and not finished yet, with
    /// the same id, or a new one of all that waits.
    pub fn batch(&self) -> Option<ViewBatch> {
        let mut counts = self.lock();
        if counts.sealed.is_none() && !counts.waiting.is_empty() {
            let mut subjects: Vec<(Subject, u32)> = counts.waiting.drain().collect();
            // Whoever writes several figures writes them in the order of their keys.
            subjects.sort();
            let rows = subjects.into_iter().filter_map(|(subject, count)| {
                let bucket =
                    OffsetDateTime::from_unix_timestamp(subject.quarter * QUARTER_SECONDS).ok()?;
                Some((subject.tenant, subject.job, subject.source, bucket, count))
            });
            counts.sealed = Some(ViewBatch { id: Uuid::now_v7(), rows: rows.collect() });
        }
        counts.sealed.clone()
    }

    /// The batch of this id is written down.
    pub fn finish(&self, id: Uuid) {
        let mut counts = self.lock();
        if counts.sealed.as_ref().is_some_and(|batch| batch.id == id) {
            counts.sealed = None;
        }
    }

    /// How many views were not counted since this was asked last.
    pub fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn of(tenant: u128, job: u128) -> (TenantId, JobId) {
        (TenantId::from_uuid(Uuid::from_u128(tenant)), JobId::from_uuid(Uuid::from_u128(job)))
    }

    #[test]
    fn a_batch_keeps_its_name_until_it_is_written_down() {
        let views = ViewCounts::new(10);
        assert_eq!(views.batch(), None);
        let ((tenant, job), now) = (of(1, 2), datetime!(2026-11-22 10:59:59 UTC));
        views.count(tenant, job, "", now);
        views.count(tenant, job, "", now);
        views.count(tenant, job, "", now + std::time::Duration::from_secs(1));
        let first = views.batch().unwrap();
        let before = datetime!(2026-11-22 10:45 UTC);
        let after = datetime!(2026-11-22 11:00 UTC);
        let rows =
            [(tenant, job, String::new(), before, 2), (tenant, job, String::new(), after, 1)];
        assert_eq!(first.rows, rows);
        views.count(tenant, job, "x", now);
        assert_eq!(views.batch().as_ref(), Some(&first), "nothing joins a batch that has a name");
        views.finish(Uuid::nil());
        assert_eq!(views.batch().as_ref(), Some(&first), "another's end is not its own");
        views.finish(first.id);
        let second = views.batch().unwrap();
        assert_ne!(second.id, first.id);
        assert_eq!(second.rows, [(tenant, job, "x".to_owned(), before, 1)]);
        views.finish(second.id);
        assert_eq!(views.batch(), None);
    }

    #[test]
    fn a_flood_of_subjects_takes_no_more_memory() {
        let views = ViewCounts::new(2);
        let now = OffsetDateTime::UNIX_EPOCH;
        for job in 0..5 {
            let (tenant, job) = of(1, job);
            views.count(tenant, job, "", now);
            views.count(tenant, job, "", now);
        }
        assert_eq!(views.batch().unwrap().rows.len(), 2);
        assert_eq!(views.take_dropped(), 6);
        assert_eq!(views.take_dropped(), 0);
    }
}
