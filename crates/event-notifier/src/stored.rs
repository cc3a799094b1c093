//! What the hub asks, answered by Postgres.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use employer_store::analytics::{LiveOf, live};
use employer_store::feed::{self, Notification};
use employer_store::streams::{StreamCheck, check_streams};
use employer_store::{StoreError, TenantDb};
use serde_json::value::to_raw_value;
use tenancy::{ApplicationId, ExportId, JobId, TenantScope, UserId};

use crate::hub::{
    Figures, Head, Page, Sight, Snapshot, Standing, Subject, Truth, TruthUnavailable, Viewer,
};
use crate::stream::{Cursor, Notice};

/// Feeds and sessions as the database has them.
#[derive(Clone, Debug)]
pub struct StoredTruth {
    db: TenantDb,
    idle: Duration,
}

impl StoredTruth {
    /// Over `db`; sessions that were not in use for `idle` are over.
    pub fn new(db: TenantDb, idle: Duration) -> Self {
        Self { db, idle }
    }
}

impl From<StoreError> for TruthUnavailable {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl From<feed::Head> for Head {
    fn from(head: feed::Head) -> Self {
        Self { at: Cursor { epoch: head.epoch, seq: head.seq }, unread: head.unread }
    }
}

fn notice_of(row: &Notification) -> (i64, Notice) {
    let notice = Notice {
        event: row.event_id,
        kind: row.kind,
        job: row.job.map(JobId::as_uuid),
        application: row.application.map(ApplicationId::as_uuid),
        export: row.export().map(ExportId::as_uuid),
        actor: row.actor.map(UserId::as_uuid),
        occurred_at: row.created_at,
    };
    (row.seq, notice)
}

#[async_trait]
impl Truth for StoredTruth {
    async fn page(
        &self,
        viewer: &Viewer,
        after: Option<i64>,
        most: u16,
    ) -> Result<Page, TruthUnavailable> {
        let mut tx = self.db.begin_read(&viewer.scope).await?;
        // The end first: whatever has a number up to it is there when the notices are read.
        let head = feed::head(&mut tx, viewer.user).await?;
        let notices = match after {
            Some(after) if after < head.seq => {
                feed::since(&mut tx, viewer.user, after, i64::from(most)).await?
            }
            _ => Vec::new(),
        };
        Ok(Page { head: head.into(), notices: notices.iter().map(notice_of).collect() })
    }

    async fn standings(&self, viewers: &[Viewer]) -> Result<Vec<Standing>, TruthUnavailable> {
        let checks = viewers.iter().map(|viewer| StreamCheck {
            tenant: viewer.scope.tenant(),
            user: viewer.user,
            session: viewer.session,
        });
        let checks: Vec<StreamCheck> = checks.collect();
        let found = check_streams(&self.db, &checks, self.idle).await?;
        let standing = |found: Option<_>| match found {
            None => Standing::Ended,
            Some(employer_store::streams::OpenStream { role, jobs, head }) => Standing::Stands {
                sight: Sight { role, jobs: Arc::new(jobs.into_iter().collect()) },
                head: head.into(),
            },
        };
        Ok(found.into_iter().map(standing).collect())
    }
}

/// Figures as the database has them.
#[derive(Clone, Debug)]
pub struct StoredFigures {
    db: TenantDb,
}

impl StoredFigures {
    /// Over `db`.
    pub fn new(db: TenantDb) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Figures for StoredFigures {
    async fn snapshots(
        &self,
        scope: &TenantScope,
        subjects: &[Subject],
    ) -> Result<Vec<(Subject, Snapshot)>, TruthUnavailable> {
        let of = |subject: &Subject| match subject {
            Subject::Tenant => LiveOf::Tenant,
            Subject::Job(job) => LiveOf::Job(JobId::from_uuid(*job)),
        };
        let wanted: Vec<LiveOf> = subjects.iter().map(of).collect();
        let mut tx = self.db.begin_snapshot(scope).await?;
        let (as_of, version, found) = live(&mut tx, &wanted).await?;
        let version = u64::try_from(version).unwrap_or_default();
        let mut snapshots = Vec::with_capacity(found.len());
        for (of, figures) in found {
            let subject = match of {
                LiveOf::Tenant => Subject::Tenant,
                LiveOf::Job(job) => Subject::Job(job.as_uuid()),
            };
            let counters =
                to_raw_value(&figures).map_err(|error| TruthUnavailable(error.into()))?;
            snapshots.push((subject, Snapshot { as_of, version, counters }));
        }
        Ok(snapshots)
    }
}
