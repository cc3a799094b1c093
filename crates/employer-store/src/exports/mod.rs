//! Files of figures that are made in the background: asked for, made, kept for a while.
//!
//! Members ask for them and look after them in a [`TenantTx`] ([`create`], [`list`], …). Whoever makes
//! them takes them from the [`queue`] over all tenants, and writes down what came of it in a
//! transaction of the tenant ([`finish`], [`fail`]). An attempt has a number, and the file that it
//! makes is named by it: of two attempts at one export neither touches the other's file, and only
//! the newest is believed.

mod order;
pub mod queue;
mod settle;

use std::time::Duration;

use serde_json::json;
use tenancy::{ExportId, TenantId, UserId};

pub use self::order::{ExportState, FailedFor, Order, Wanted};
pub use self::settle::{Made, Settled, fail, finish};
use crate::audit;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;
use order::Row;

/// The lock under which a tenant's exports are counted.
const COUNTING: i32 = 31;

/// Most that a list shows; more are never kept.
const MAX_LISTED: i64 = 200;

/// How many exports one tenant may have, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportBounds {
    /// Most that wait or are being made.
    pub open: u32,
    /// Most in all.
    pub kept: u32,
    /// How long they are kept.
    pub keep: Duration,
}

/// What became of asking for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is in the queue.
    Queued(Order),
    /// As many are open as may be.
    TooManyOpen,
    /// As many are kept as may be.
    TooManyKept,
}

/// Where the file of an attempt is kept.
pub fn storage_key(tenant: TenantId, id: ExportId, attempt: i16) -> String {
    format!("exports/{}/{}-{attempt}", tenant.as_uuid().simple(), id.as_uuid().simple())
}

/// Puts an export into the queue, with its audit row.
pub async fn create(
    tx: &mut TenantTx,
    asker: UserId,
    wanted: &Wanted,
    bounds: &ExportBounds,
) -> Result<Created, StoreError> {
    let tenant = tx.tenant();
    // Two at once must not both find the last free place.
    sqlx::query!("SELECT pg_advisory_xact_lock($1, hashtext($2))", COUNTING, tenant.to_string())
        .execute(tx.connection())
        .await?;
    let counts = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE state IN ('queued', 'running')) AS "open!",
                  count(*) AS "kept!"
           FROM exports
           WHERE tenant_id = $1 AND deleted_at IS NULL AND expires_at > clock_timestamp()"#,
        tenant,
    )
    .fetch_one(tx.connection())
    .await?;
    if counts.open >= i64::from(bounds.open) {
        return Ok(Created::TooManyOpen);
    }
    if counts.kept >= i64::from(bounds.kept) {
        return Ok(Created::TooManyKept);
    }
    let id = ExportId::from_uuid(uuid::Uuid::now_v7());
    sqlx::query!(
        "INSERT INTO exports (tenant_id, id, created_by, first_day, last_day, time_zone, grain,
                              job_id, source, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
                 clock_timestamp() + make_interval(secs => $10))",
        tenant,
        id.as_uuid(),
        asker.as_uuid(),
        wanted.first,
        wanted.last,
        wanted.zone.name(),
        wanted.grain.as_str(),
        wanted.job.map(tenancy::JobId::as_uuid),
        wanted.source_column(),
        bounds.keep.as_secs_f64(),
    )
    .execute(tx.connection())
    .await?;
    audit::record(tx, "analytics_export_asked", &resource(id), wanted.told().into(), None).await?;
    let made = find(tx, id).await?.ok_or_else(|| StoreError::inconsistent("export"))?;
    Ok(Created::Queued(made))
}

/// The tenant's exports, newest first.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<Order>, StoreError> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT id, created_by, state, failed_for, first_day, last_day, time_zone, grain, job_id,
                  source, attempts, bytes, lines, as_of, created_at, finished_at, expires_at,
                  expires_at <= clock_timestamp() AS "is_over!"
           FROM exports
           WHERE tenant_id = $1 AND deleted_at IS NULL
           ORDER BY id DESC
           LIMIT $2"#,
        tenant,
        MAX_LISTED,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// One of the tenant's exports.
pub async fn find(tx: &mut TenantTx, id: ExportId) -> Result<Option<Order>, StoreError> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, created_by, state, failed_for, first_day, last_day, time_zone, grain, job_id,
                  source, attempts, bytes, lines, as_of, created_at, finished_at, expires_at,
                  expires_at <= clock_timestamp() AS "is_over!"
           FROM exports
           WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL"#,
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::read).transpose()
}

/// One of the tenant's exports, for whoever takes a copy of its file. That a file that is there is
/// taken leaves a row in the audit trail of the same transaction.
pub async fn take(tx: &mut TenantTx, id: ExportId) -> Result<Option<Order>, StoreError> {
    let found = find(tx, id).await?;
    if found.as_ref().is_some_and(|order| order.state == ExportState::Ready) {
        audit::record(tx, "analytics_export_read", &resource(id), json!({}), None).await?;
    }
    Ok(found)
}

/// Takes an export out of everybody's sight, with its audit row; the file follows. False where there
/// is none.
pub async fn delete(tx: &mut TenantTx, id: ExportId) -> Result<bool, StoreError> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "UPDATE exports SET deleted_at = clock_timestamp()
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
        tenant,
        id.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    if deleted.rows_affected() == 0 {
        return Ok(false);
    }
    audit::record(tx, "analytics_export_deleted", &resource(id), json!({}), None).await?;
    Ok(true)
}

/// Lets each statement of this transaction take so long: nobody waits for an answer meanwhile.
pub async fn allow_time(tx: &mut TenantTx, limit: Duration) -> Result<(), StoreError> {
    let limit = limit.as_millis().to_string();
    sqlx::query_scalar!("SELECT set_config('statement_timeout', $1, true)", limit)
        .fetch_one(tx.connection())
        .await?;
    Ok(())
}

fn resource(id: ExportId) -> String {
    format!("export:{id}")
}
