//! What came of an attempt, written down by whoever made it, if the export is still theirs.

use std::time::Duration;

use serde_json::json;
use tenancy::{EventKind, Grant, Permission, Role};
use time::OffsetDateTime;

use super::order::FailedFor;
use super::queue::Claimed;
use super::resource;
use crate::audit;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// A file that is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its size.
    pub bytes: i64,
    /// How many lines of figures it has.
    pub lines: i64,
    /// When the figures were taken.
    pub as_of: OffsetDateTime,
}

/// What became of finishing an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The file can be fetched, and whoever asked for it will hear of it.
    Ready,
    /// Whoever asked for it may not have it any more: it has failed.
    NotAllowed,
    /// It is somebody else's by now, or was deleted: nothing changed.
    Lost,
}

/// The file of an attempt is whole. The state, the event that tells of it and the audit row belong to
/// this transaction.
pub async fn finish(
    tx: &mut TenantTx,
    claimed: &Claimed,
    made: &Made,
    keep: Duration,
) -> Result<Settled, StoreError> {
    if !is_ours(tx, claimed).await? {
        return Ok(Settled::Lost);
    }
    if !asker_may_have_it(tx, claimed).await? {
        mark_failed(tx, claimed, FailedFor::NotAllowed, keep).await?;
        return Ok(Settled::NotAllowed);
    }
    let (tenant, id) = (tx.tenant(), claimed.id.as_uuid());
    sqlx::query!(
        "UPDATE exports
         SET state = 'ready', bytes = $3, lines = $4, as_of = $5, due_at = clock_timestamp(),
             finished_at = clock_timestamp(),
             expires_at = clock_timestamp() + make_interval(secs => $6)
         WHERE tenant_id = $1 AND id = $2",
        tenant,
        id,
        made.bytes,
        made.lines,
        made.as_of,
        keep.as_secs_f64(),
    )
    .execute(tx.connection())
    .await?;
    let payload = json!({ "v": 1, "user": claimed.asker, "export": claimed.id });
    tx.emit(EventKind::ExportReady, Some(id), payload).await?;
    let mut detail = claimed.wanted.told();
    detail.extend([
        ("bytes".to_owned(), json!(made.bytes)),
        ("for".to_owned(), json!(claimed.asker)),
    ]);
    audit::record(tx, "analytics_exported", &resource(claimed.id), detail.into(), None).await?;
    Ok(Settled::Ready)
}

/// The export will not come, with its audit row. False where it is somebody else's by now.
pub async fn fail(
    tx: &mut TenantTx,
    claimed: &Claimed,
    reason: FailedFor,
    keep: Duration,
) -> Result<bool, StoreError> {
    if !is_ours(tx, claimed).await? {
        return Ok(false);
    }
    mark_failed(tx, claimed, reason, keep).await?;
    Ok(true)
}

/// Whether the attempt is the newest and nobody has deleted the export; it stays so until the
/// transaction ends.
async fn is_ours(tx: &mut TenantTx, claimed: &Claimed) -> Result<bool, StoreError> {
    let tenant = tx.tenant();
    let found = sqlx::query_scalar!(
        r#"SELECT true AS "is_ours!" FROM exports
           WHERE tenant_id = $1 AND id = $2 AND attempts = $3 AND state = 'running'
             AND deleted_at IS NULL
           FOR NO KEY UPDATE"#,
        tenant,
        claimed.id.as_uuid(),
        claimed.attempt,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(found.unwrap_or_default())
}

/// Whether whoever asked for it may still have it. Their role stays as it is until the transaction
/// ends: whoever takes it from them meanwhile comes after this.
async fn asker_may_have_it(tx: &mut TenantTx, claimed: &Claimed) -> Result<bool, StoreError> {
    let tenant = tx.tenant();
    let role = sqlx::query_scalar!(
        "SELECT role FROM memberships WHERE tenant_id = $1 AND user_id = $2 FOR SHARE",
        tenant,
        claimed.asker.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(role) = role else { return Ok(false) };
    let role: Role = role.parse().map_err(|_| StoreError::inconsistent("role"))?;
    Ok(role.grant(Permission::AnalyticsExport) != Grant::None)
}

async fn mark_failed(
    tx: &mut TenantTx,
    claimed: &Claimed,
    reason: FailedFor,
    keep: Duration,
) -> Result<(), StoreError> {
    let tenant = tx.tenant();
    sqlx::query!(
        "UPDATE exports
         SET state = 'failed', failed_for = $3, due_at = clock_timestamp(),
             finished_at = clock_timestamp(),
             expires_at = clock_timestamp() + make_interval(secs => $4)
         WHERE tenant_id = $1 AND id = $2",
        tenant,
        claimed.id.as_uuid(),
        reason.as_str(),
        keep.as_secs_f64(),
    )
    .execute(tx.connection())
    .await?;
    let detail = json!({ "result": "failed", "reason": reason.as_str(), "for": claimed.asker });
    audit::record(tx, "analytics_export_failed", &resource(claimed.id), detail, None).await?;
    Ok(())
}
