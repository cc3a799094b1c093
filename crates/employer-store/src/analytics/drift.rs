//! Whether the roll-ups are what the log of events comes to, and days what their quarters do.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::StoreError;
use crate::tenant_db::TenantTx;
use crate::worker_db::WorkerDb;

/// How long an event may be told late, and so how far back figures may still change.
pub(crate) const AUDITED: time::Duration = time::Duration::hours(72);
/// How far ahead an event may lie, and the rest of its quarter of an hour.
const AHEAD: time::Duration = time::Duration::minutes(20);

const QUARTER_SECONDS: i64 = 900;

/// Built days that are compared by one statement.
const DAYS_AT_A_TIME: i64 = 31;

/// The kinds of events that roll-ups are made from.
const KINDS: [&str; 3] =
    ["application.submitted", "application.resubmitted", "application.stage_changed"];

/// Roll-ups beside the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drift {
    /// From when on they were compared with the log.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// When they were compared.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
    /// Events in the log.
    pub events: i64,
    /// Days whose sums were compared with their quarters of an hour: all that are built.
    pub days: i64,
    /// Roll-ups that were compared, sums of days among them.
    pub compared: i64,
    /// Those of them that are not what the log, or a day's quarters, come to. Anything but 0 is a fault
    /// of the portal.
    pub drifting: i64,
}

/// Built days beside their quarters of an hour.
#[derive(Clone, Copy, Debug, Default)]
struct DayDrift {
    days: i64,
    compared: i64,
    drifting: i64,
}

fn bounds(as_of: OffsetDateTime) -> (OffsetDateTime, OffsetDateTime) {
    let since = (as_of - AUDITED).unix_timestamp();
    let since = since - since.rem_euclid(QUARTER_SECONDS);
    let since = OffsetDateTime::from_unix_timestamp(since).unwrap_or(as_of);
    (since, as_of + AHEAD)
}

fn kinds() -> Vec<String> {
    KINDS.map(str::to_owned).to_vec()
}

/// Compares the tenant's roll-ups of the last 72 hours with its log, and its days with their quarters
/// of an hour. In a transaction that sees one moment.
pub async fn drift(tx: &mut TenantTx, as_of: OffsetDateTime) -> Result<Drift, StoreError> {
    let tenant = tx.tenant();
    let (since, until) = bounds(as_of);
    let row = sqlx::query_file!("src/analytics/drift.sql", tenant, &kinds(), since, until)
        .fetch_one(tx.connection())
        .await?;
    let mut days = DayDrift::default();
    let mut after = None;
    while let Some(last) = compare_days(tx.connection(), tenant, after, &mut days).await? {
        after = Some(last);
    }
    Ok(Drift {
        since,
        as_of,
        events: row.events,
        days: days.days,
        compared: row.compared + days.compared,
        drifting: row.drifting + days.drifting,
    })
}

/// Compares some more days and adds what came of it; answers where to go on.
async fn compare_days(
    connection: &mut PgConnection,
    tenant: Uuid,
    after: Option<OffsetDateTime>,
    found: &mut DayDrift,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let row = sqlx::query_file!("src/analytics/day_drift.sql", tenant, after, DAYS_AT_A_TIME)
        .fetch_one(connection)
        .await?;
    found.days += row.days;
    found.compared += row.compared;
    found.drifting += row.drifting;
    Ok(row.last.filter(|_| row.days == DAYS_AT_A_TIME))
}

/// An audit of all tenants, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audited {
    /// When it was due.
    pub due_at: OffsetDateTime,
    /// When it ended.
    pub finished_at: OffsetDateTime,
    /// Roll-ups that were compared.
    pub compared: i64,
    /// Those that are not what the log comes to.
    pub drifting: i64,
}

/// Takes over the audit that is due, where nobody has: `every` so often one is. One that was begun
/// and not finished within `patience` is anybody's again. Answers when it was due.
pub async fn claim_audit(
    db: &WorkerDb,
    every: Duration,
    patience: Duration,
) -> Result<Option<OffsetDateTime>, StoreError> {
    Ok(sqlx::query_scalar!(
        "INSERT INTO rollup_audits AS a (due_at)
         VALUES (date_bin(make_interval(secs => $1), now(), '2000-01-01 02:00+00'))
         ON CONFLICT (due_at) DO UPDATE SET started_at = now()
         WHERE a.finished_at IS NULL AND a.started_at < now() - make_interval(secs => $2)
         RETURNING due_at",
        every.as_secs_f64(),
        patience.as_secs_f64(),
    )
    .fetch_optional(db.pool())
    .await?)
}

/// Compares the roll-ups of every tenant with their logs, and all days with their quarters of an hour,
/// one tenant after another, and writes down
/// what came of it under the time that it was due. Answers how many roll-ups drift.
pub async fn audit(
    db: &WorkerDb,
    due_at: OffsetDateTime,
    as_of: OffsetDateTime,
) -> Result<i64, StoreError> {
    let (since, until) = bounds(as_of);
    let kinds = kinds();
    let (mut compared, mut drifting) = (0, 0);
    let mut after = Uuid::nil();
    while let Some(tenant) = next_tenant(db, after).await? {
        let row = sqlx::query_file!("src/analytics/drift.sql", tenant, &kinds, since, until)
            .fetch_one(db.pool())
            .await?;
        if row.drifting > 0 {
            tracing::error!(tenant.id = %tenant, rollups = row.drifting, "figures have drifted");
        }
        let days = audit_days(db, tenant).await?;
        if days.drifting > 0 {
            tracing::error!(tenant.id = %tenant, rollups = days.drifting, "days have drifted");
        }
        compared += row.compared + days.compared;
        drifting += row.drifting + days.drifting;
        after = tenant;
    }
    sqlx::query!(
        "WITH forgotten AS (
             DELETE FROM rollup_audits WHERE due_at < $1::timestamptz - interval '90 days'
         )
         UPDATE rollup_audits SET finished_at = now(), compared = $2, drifting = $3
         WHERE due_at = $1",
        due_at,
        compared,
        drifting,
    )
    .execute(db.pool())
    .await?;
    Ok(drifting)
}

/// Each statement sees a moment of its own; a day and its quarters are always read at the same one.
async fn audit_days(db: &WorkerDb, tenant: Uuid) -> Result<DayDrift, StoreError> {
    let mut found = DayDrift::default();
    let mut transaction = db.pool().begin_with("BEGIN READ ONLY").await?;
    let mut after = None;
    while let Some(last) = compare_days(&mut transaction, tenant, after, &mut found).await? {
        after = Some(last);
    }
    transaction.commit().await?;
    Ok(found)
}

async fn next_tenant(db: &WorkerDb, after: Uuid) -> Result<Option<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!("SELECT id FROM tenants WHERE id > $1 ORDER BY id LIMIT 1", after)
        .fetch_optional(db.pool())
        .await?)
}

/// The last audit that ended, whoever made it.
pub async fn last_audit(db: &WorkerDb) -> Result<Option<Audited>, StoreError> {
    Ok(sqlx::query_as!(
        Audited,
        r#"SELECT due_at, finished_at AS "finished_at!", compared AS "compared!",
                  drifting AS "drifting!"
           FROM rollup_audits WHERE finished_at IS NOT NULL
           ORDER BY due_at DESC LIMIT 1"#
    )
    .fetch_optional(db.pool())
    .await?)
}
