//! What is to be made and what is to be removed, over all tenants.
//!
//! Whoever takes an export has it until its lease is over, and renews that while they live. Then it is
//! due again, for a process may have died with it; what comes back later changes nothing.

use std::collections::HashSet;
use std::time::Duration;

use tenancy::{ExportId, OrgId, TenantId, UserId};
use uuid::Uuid;

use super::order::{Wanted, WantedColumns};
use super::{FailedFor, storage_key};
use crate::database::within_deadline;
use crate::error::StoreError;
use crate::files::FileKey;
use crate::outbox::read_org;
use crate::worker_db::WorkerDb;

/// What is begun more often than this is given up: whatever takes it dies of it.
pub const MOST_ATTEMPTS: i16 = 5;

/// How long whoever removes an export has for it before others try.
const REMOVAL: Duration = Duration::from_secs(60);

/// What the audit trail calls the worker.
const ACTOR: &str = "system:exports";

/// An export in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Whose it is.
    pub tenant: TenantId,
    /// The tenant's organization.
    pub org: OrgId,
    /// The export.
    pub id: ExportId,
    /// Who asked for it.
    pub asker: UserId,
    /// The how many-th attempt this is.
    pub attempt: i16,
    /// What it is of.
    pub wanted: Wanted,
}

impl Claimed {
    /// Where the file of this attempt belongs.
    pub fn storage_key(&self) -> String {
        storage_key(self.tenant, self.id, self.attempt)
    }
}

/// An export whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose it was.
    pub tenant: TenantId,
    /// The export.
    pub id: ExportId,
    attempts: i16,
}

impl Ended {
    /// Where files of it may be: of each attempt one, most of them never.
    pub fn storage_keys(&self) -> impl Iterator<Item = String> + use<> {
        let Self { tenant, id, attempts } = *self;
        (1..=attempts).map(move |attempt| storage_key(tenant, id, attempt))
    }
}

/// Takes the next export for the time of the lease, where there is one. None of a tenant that is
/// suspended, or that has one in the making.
pub async fn claim(db: &WorkerDb, lease: Duration) -> Result<Option<Claimed>, StoreError> {
    let query = sqlx::query_file!("src/exports/claim.sql", lease.as_secs_f64(), MOST_ATTEMPTS);
    let row = within_deadline(query.fetch_optional(db.pool())).await?;
    let Some(row) = row else { return Ok(None) };
    let wanted = WantedColumns {
        first_day: row.first_day,
        last_day: row.last_day,
        time_zone: row.time_zone,
        grain: row.grain,
        job_id: row.job_id,
        source: row.source,
    };
    Ok(Some(Claimed {
        tenant: TenantId::from_uuid(row.tenant_id),
        org: read_org(&row.org_id)?,
        id: ExportId::from_uuid(row.id),
        asker: UserId::from_uuid(row.created_by),
        attempt: row.attempts,
        wanted: wanted.read()?,
    }))
}

/// Keeps an export for the time of another lease. False where it is somebody else's by now, or was
/// deleted.
pub async fn renew(db: &WorkerDb, claimed: &Claimed, lease: Duration) -> Result<bool, StoreError> {
    let renew = sqlx::query!(
        "UPDATE exports SET due_at = clock_timestamp() + make_interval(secs => $4)
         WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND state = 'running'
           AND deleted_at IS NULL",
        claimed.tenant.as_uuid(),
        claimed.id.as_uuid(),
        claimed.attempt,
        lease.as_secs_f64(),
    );
    Ok(within_deadline(renew.execute(db.pool())).await?.rows_affected() > 0)
}

/// Gives an export back, to be taken again after a while.
pub async fn put_back(db: &WorkerDb, claimed: &Claimed, after: Duration) -> Result<(), StoreError> {
    let put_back = sqlx::query!(
        "UPDATE exports
         SET state = 'queued', due_at = clock_timestamp() + make_interval(secs => $4)
         WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND state = 'running'",
        claimed.tenant.as_uuid(),
        claimed.id.as_uuid(),
        claimed.attempt,
        after.as_secs_f64(),
    );
    within_deadline(put_back.execute(db.pool())).await.map(drop)
}

/// Gives up one export that nobody finishes with, with its audit row. False where there is none.
pub async fn give_up_a_hopeless_one(db: &WorkerDb, keep: Duration) -> Result<bool, StoreError> {
    let reason = FailedFor::GaveUp.as_str();
    let give_up = sqlx::query!(
        "WITH hopeless AS (
             SELECT tenant_id, id FROM exports
             WHERE state IN ('queued', 'running') AND due_at <= now() AND attempts >= $1
               AND deleted_at IS NULL
             LIMIT 1
             FOR UPDATE SKIP LOCKED
         ), failed AS (
             UPDATE exports e
             SET state = 'failed', failed_for = $2, due_at = clock_timestamp(),
                 finished_at = clock_timestamp(),
                 expires_at = clock_timestamp() + make_interval(secs => $3)
             FROM hopeless h
             WHERE e.tenant_id = h.tenant_id AND e.id = h.id
             RETURNING e.tenant_id, e.id, e.created_by
         )
         INSERT INTO audit_log (tenant_id, id, actor, action, resource, result, detail)
         SELECT tenant_id, $4, $5, 'analytics_export_failed', 'export:' || id, 'failed',
                jsonb_build_object('result', 'failed', 'reason', $2::text, 'for', created_by)
         FROM failed",
        MOST_ATTEMPTS,
        reason,
        keep.as_secs_f64(),
        Uuid::now_v7(),
        ACTOR,
    );
    Ok(within_deadline(give_up.execute(db.pool())).await?.rows_affected() > 0)
}

/// Takes some exports whose time is over, or that people have deleted, and that nobody has in hand,
/// to be removed: first the files, then [`remove`].
pub async fn take_ended(db: &WorkerDb, limit: i64) -> Result<Vec<Ended>, StoreError> {
    let take = sqlx::query!(
        "UPDATE exports e SET due_at = clock_timestamp() + make_interval(secs => $1)
         FROM (
             SELECT tenant_id, id FROM exports
             WHERE (expires_at <= now() OR deleted_at IS NOT NULL) AND due_at <= now()
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         ) ended
         WHERE e.tenant_id = ended.tenant_id AND e.id = ended.id
         RETURNING e.tenant_id, e.id, e.attempts",
        REMOVAL.as_secs_f64(),
        limit,
    );
    let rows = within_deadline(take.fetch_all(db.pool())).await?;
    Ok(rows
        .into_iter()
        .map(|row| Ended {
            tenant: TenantId::from_uuid(row.tenant_id),
            id: ExportId::from_uuid(row.id),
            attempts: row.attempts,
        })
        .collect())
}

/// Removes the row of an export whose files are gone; the trail is told of one that nobody deleted.
pub async fn remove(db: &WorkerDb, ended: &Ended) -> Result<(), StoreError> {
    let remove = sqlx::query!(
        "WITH gone AS (
             DELETE FROM exports
             WHERE tenant_id = $1 AND id = $2 AND attempts = $3
               AND (expires_at <= now() OR deleted_at IS NOT NULL)
             RETURNING tenant_id, id, deleted_at
         )
         INSERT INTO audit_log (tenant_id, id, actor, action, resource, detail)
         SELECT tenant_id, $4, $5, 'analytics_export_expired', 'export:' || id, '{}'
         FROM gone WHERE deleted_at IS NULL",
        ended.tenant.as_uuid(),
        ended.id.as_uuid(),
        ended.attempts,
        Uuid::now_v7(),
        ACTOR,
    );
    within_deadline(remove.execute(db.pool())).await.map(drop)
}

/// Those of `keys` that belong to an attempt at an export that has a row, whichever attempt: a process
/// that was late may still be writing its file, and the row's end takes the files of all attempts
/// along.
pub async fn named(db: &WorkerDb, keys: &[FileKey]) -> Result<HashSet<String>, StoreError> {
    let (tenants, storage_keys): (Vec<Uuid>, Vec<String>) =
        keys.iter().map(|key| (key.tenant.as_uuid(), key.storage_key.clone())).unzip();
    // The names are those of `storage_key`.
    let named = sqlx::query_scalar!(
        r#"SELECT k.storage_key AS "storage_key!"
           FROM unnest($1::uuid[], $2::text[]) AS k (tenant_id, storage_key)
           JOIN exports e
               ON e.tenant_id = k.tenant_id
              AND starts_with(k.storage_key, 'exports/' || replace(e.tenant_id::text, '-', '')
                                             || '/' || replace(e.id::text, '-', '') || '-')"#,
        &tenants,
        &storage_keys,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(named.into_iter().collect())
}
