//! Views of jobs, counted in process until they are written down.
//!
//! A batch that is taken gets an id, and the database adds a batch of one id once. So a batch whose
//! writer never heard that it had arrived is sent again, and counts once. What has not been written
//! down when the process dies is lost: the counts of one interval, and the batch under way.
//!
//! Where people came from is a text that anybody may make up, and each one is a row for good. So a
//! job has only so many in an hour; views from others count as from nowhere.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tenancy::{JobId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

/// Figures are kept by the quarter of an hour.
const QUARTER_SECONDS: i64 = 900;
const QUARTERS_OF_AN_HOUR: i64 = 4;
/// Most sources of a job that are told apart in an hour.
const MAX_SOURCES: usize = 50;
/// One tenant fills at most this part of what may wait.
const TENANT_PART: usize = 4;

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
    /// How many of those that wait are a tenant's.
    of_tenants: HashMap<TenantId, usize>,
    sources: Sources,
    sealed: Option<ViewBatch>,
    dropped: u64,
}

/// Which sources are told apart in this hour, by their hashes: what they say is not needed.
#[derive(Debug, Default)]
struct Sources {
    hour: i64,
    of_jobs: HashMap<(TenantId, JobId), Vec<u64>>,
    hasher: RandomState,
}

impl Sources {
    /// Whether this one is told apart from no source at all. At most `most` jobs have any.
    fn admit(&mut self, subject: &Subject, most: usize) -> bool {
        if subject.source.is_empty() {
            return true;
        }
        let hour = subject.quarter.div_euclid(QUARTERS_OF_AN_HOUR);
        if self.hour < hour {
            self.hour = hour;
            self.of_jobs.clear();
        }
        let job = (subject.tenant, subject.job);
        if self.of_jobs.len() >= most && !self.of_jobs.contains_key(&job) {
            return false;
        }
        let hash = self.hasher.hash_one(&subject.source);
        let known = self.of_jobs.entry(job).or_default();
        if known.contains(&hash) {
            return true;
        }
        let has_room = known.len() < MAX_SOURCES;
        if has_room {
            known.push(hash);
        }
        has_room
    }
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
    /// None yet; at most so many subjects wait at a time, and of one tenant a part of them.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Counts {
            most,
            waiting: HashMap::new(),
            of_tenants: HashMap::new(),
            sources: Sources::default(),
            sealed: None,
            dropped: 0,
        })))
    }

    /// Counts a view. Where too many subjects wait already, it is not counted.
    pub(crate) fn count(&self, tenant: TenantId, job: JobId, source: &str, now: OffsetDateTime) {
        let quarter = now.unix_timestamp().div_euclid(QUARTER_SECONDS);
        let mut subject = Subject { tenant, job, source: source.to_owned(), quarter };
        let mut counts = self.lock();
        let Counts { most, waiting, of_tenants, sources, dropped, .. } = &mut *counts;
        if !sources.admit(&subject, *most) {
            subject.source.clear();
        }
        if let Some(count) = waiting.get_mut(&subject) {
            *count = count.saturating_add(1);
            return;
        }
        let of_tenant = of_tenants.entry(tenant).or_default();
        if waiting.len() >= *most || *of_tenant >= most.div_ceil(TENANT_PART) {
            *dropped += 1;
            return;
        }
        *of_tenant += 1;
        waiting.insert(subject, 1);
    }

    /// The batch that is to be written down now: the one that was taken and not finished yet, with
    /// the same id, or a new one of all that waits.
    pub fn batch(&self) -> Option<ViewBatch> {
        let mut counts = self.lock();
        if counts.sealed.is_none() && !counts.waiting.is_empty() {
            let mut subjects: Vec<(Subject, u32)> = counts.waiting.drain().collect();
            counts.of_tenants.clear();
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
    fn a_flood_of_subjects_takes_no_more_memory_and_not_the_others_place() {
        let views = ViewCounts::new(4);
        let now = OffsetDateTime::UNIX_EPOCH;
        for job in 0..3 {
            let (tenant, job) = of(1, job);
            views.count(tenant, job, "", now);
            views.count(tenant, job, "", now);
        }
        assert_eq!(views.take_dropped(), 4, "a tenant has a quarter of the places");
        for tenant in 2..7 {
            let (tenant, job) = of(tenant, 0);
            views.count(tenant, job, "", now);
        }
        assert_eq!(views.take_dropped(), 2, "and all together have four");
        let batch = views.batch().unwrap();
        let counts: Vec<u32> = batch.rows.iter().map(|(.., count)| *count).collect();
        assert_eq!(counts, [2, 1, 1, 1]);
        let (tenant, job) = of(1, 9);
        views.count(tenant, job, "", now);
        assert_eq!(views.take_dropped(), 0, "the places are free again");
    }

    #[test]
    fn a_job_has_so_many_sources_an_hour_and_no_view_is_lost() {
        let views = ViewCounts::new(10_000);
        let ((tenant, job), now) = (of(1, 2), datetime!(2026-11-22 10:00 UTC));
        let mut written = std::collections::BTreeSet::new();
        let mut total = 0;
        // Batch after batch: what was written down already counts too.
        for round in 0..4_u32 {
            for source in 0..30 {
                views.count(tenant, job, &format!("x{}", round * 30 + source), now);
            }
            views.count(tenant, job, "x0", now);
            let batch = views.batch().unwrap();
            views.finish(batch.id);
            total += batch.rows.iter().map(|(.., count)| count).sum::<u32>();
            written.extend(batch.rows.into_iter().map(|(_, _, source, ..)| source));
        }
        assert_eq!(total, 4 * 31);
        assert_eq!(written.len(), MAX_SOURCES + 1, "and one of those that are not told apart");
        let (_, other) = of(1, 3);
        views.count(tenant, other, "y", now);
        views.count(tenant, job, "y", now + std::time::Duration::from_secs(3_600));
        let rows = views.batch().unwrap().rows;
        assert!(rows.iter().all(|(_, _, source, ..)| source == "y"), "{rows:?}");
    }
}
