//! Builds the days of tenants from their quarters of an hour.
//!
//! A day is built when nothing should be added to it any more. Whoever adds something nevertheless
//! opens it again in the same transaction (`migrations/0030_days.sql`), so that there is never a day
//! whose sums are not those of its quarters.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::ToSpan as _;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::calendar::{Zone, instant};
use super::days::Day;
use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// How long after its end a day is built. Events count 72 hours back at most; from 73 hours on the
/// database opens days again; the rest is for transactions that were begun before that.
const SETTLED: time::Duration = time::Duration::hours(74);

/// How long a tenant is left to whoever took it up. After a failure it waits so long as well, and
/// others go on.
const LEASE: Duration = Duration::from_secs(600);

/// When a tenant that nothing was counted for is looked at again.
const EMPTY: time::Duration = time::Duration::days(1);

/// Each sum looks up its day, by a plan that is made once and not once a sum. Days of a tenant with very
/// many sums take longer than a request may.
const BEGIN: &str = "BEGIN; SET LOCAL plan_cache_mode = auto; SET LOCAL statement_timeout = 50000";

/// What was done for one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaysBuilt {
    /// Whose days.
    pub tenant: Uuid,
    /// Days that were built.
    pub built: usize,
    /// Days that were given up, since they are none in the tenant's zone.
    pub removed: usize,
}

/// Notices tenants that are new and zones that have changed; their days are due at once.
pub async fn notice_zones(db: &WorkerDb) -> Result<(), StoreError> {
    // In the order of the key, as several instances may do so at the same time.
    sqlx::query!(
        "WITH added AS (
             INSERT INTO metric_day_work (tenant_id)
             SELECT t.id FROM tenants t
             WHERE NOT EXISTS (SELECT 1 FROM metric_day_work w WHERE w.tenant_id = t.id)
             ORDER BY t.id
             ON CONFLICT (tenant_id) DO NOTHING
         ), changed AS MATERIALIZED (
             SELECT w.tenant_id, t.time_zone
             FROM metric_day_work w JOIN tenants t ON t.id = w.tenant_id
             WHERE w.time_zone <> t.time_zone
             ORDER BY w.tenant_id
             FOR UPDATE OF w SKIP LOCKED
         )
         UPDATE metric_day_work w SET time_zone = c.time_zone, due_at = now()
         FROM changed c WHERE w.tenant_id = c.tenant_id"
    )
    .execute(db.pool())
    .await?;
    Ok(())
}

/// Takes the next tenant that is due a step further: at most `most` days are built, the newest first,
/// or given up. Any number of instances may do so at the same time. None where nobody is due.
pub async fn build_days(db: &WorkerDb, most: usize) -> Result<Option<DaysBuilt>, StoreError> {
    let claimed = sqlx::query_scalar!(
        "WITH due AS (
             SELECT w.tenant_id FROM metric_day_work w
             WHERE w.due_at <= now()
             ORDER BY w.due_at, w.tenant_id
             LIMIT 1
             FOR UPDATE SKIP LOCKED
         )
         UPDATE metric_day_work w SET due_at = now() + make_interval(secs => $1)
         FROM due WHERE w.tenant_id = due.tenant_id
         RETURNING w.tenant_id",
        LEASE.as_secs_f64(),
    )
    .fetch_optional(db.pool())
    .await?;
    let Some(tenant) = claimed else { return Ok(None) };
    let mut transaction = db.pool().begin_with(BEGIN).await?;
    let done = step(&mut transaction, tenant, most).await?;
    transaction.commit().await?;
    Ok(Some(done))
}

async fn step(
    connection: &mut PgConnection,
    tenant: Uuid,
    most: usize,
) -> Result<DaysBuilt, StoreError> {
    // Locks out whoever adds to a day that may be built; each statement from here on sees what they
    // have added before.
    let locked = sqlx::query!(
        r#"SELECT t.time_zone, now() AS "now!"
           FROM metric_day_work w JOIN tenants t ON t.id = w.tenant_id
           WHERE w.tenant_id = $1
           FOR UPDATE OF w"#,
        tenant,
    )
    .fetch_one(&mut *connection)
    .await?;
    let zone = Zone::find(&locked.time_zone).unwrap_or_else(Zone::utc);
    let first = first_quarter(connection, tenant).await?;
    let built = built(connection, tenant).await?;
    let plan = Plan::of(&zone, first, locked.now, &built, most);
    if !plan.wrong.is_empty() {
        sqlx::query!(
            "DELETE FROM metric_built_days WHERE tenant_id = $1 AND starts_at = ANY($2)",
            tenant,
            &plan.wrong,
        )
        .execute(&mut *connection)
        .await?;
    }
    if !plan.missing.is_empty() {
        let starts: Vec<_> = plan.missing.iter().map(|day| day.starts_at).collect();
        let ends: Vec<_> = plan.missing.iter().map(|day| day.ends_at).collect();
        sqlx::query_file!("src/analytics/build_days.sql", tenant, &starts, &ends)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query!(
        "UPDATE metric_day_work SET time_zone = $2, due_at = $3 WHERE tenant_id = $1",
        tenant,
        locked.time_zone,
        plan.due_at,
    )
    .execute(&mut *connection)
    .await?;
    Ok(DaysBuilt { tenant, built: plan.missing.len(), removed: plan.wrong.len() })
}

async fn first_quarter(
    connection: &mut PgConnection,
    tenant: Uuid,
) -> Result<Option<OffsetDateTime>, StoreError> {
    Ok(sqlx::query_scalar!(
        "WITH RECURSIVE kinds AS (
             (SELECT m.kind FROM metric_hours m WHERE m.tenant_id = $1 ORDER BY m.kind LIMIT 1)
             UNION ALL
             SELECT (SELECT m.kind FROM metric_hours m
                     WHERE m.tenant_id = $1 AND m.kind > k.kind ORDER BY m.kind LIMIT 1)
             FROM kinds k WHERE k.kind IS NOT NULL
         )
         SELECT min((SELECT m.bucket FROM metric_hours m
                     WHERE m.tenant_id = $1 AND m.kind = k.kind ORDER BY m.bucket LIMIT 1))
         FROM kinds k",
        tenant,
    )
    .fetch_one(connection)
    .await?)
}

async fn built(
    connection: &mut PgConnection,
    tenant: Uuid,
) -> Result<BTreeMap<OffsetDateTime, OffsetDateTime>, StoreError> {
    let days = sqlx::query_as!(
        Day,
        "SELECT starts_at, ends_at FROM metric_built_days WHERE tenant_id = $1",
        tenant,
    )
    .fetch_all(connection)
    .await?;
    Ok(days.into_iter().map(|day| (day.starts_at, day.ends_at)).collect())
}

/// What a step does.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Where days begin that are none in this zone.
    wrong: Vec<OffsetDateTime>,
    missing: Vec<Day>,
    /// When there is something to do again.
    due_at: OffsetDateTime,
}

impl Plan {
    /// First the wrong days go; none is built while one of them might lie across it.
    fn of(
        zone: &Zone,
        first: Option<OffsetDateTime>,
        now: OffsetDateTime,
        built: &BTreeMap<OffsetDateTime, OffsetDateTime>,
        most: usize,
    ) -> Self {
        let (days, open_until) =
            first.map_or_else(|| (Vec::new(), None), |first| settled(zone, first, now - SETTLED));
        let right: BTreeMap<_, _> = days.iter().map(|day| (day.starts_at, day.ends_at)).collect();
        let mut wrong: Vec<_> = built
            .iter()
            .filter(|(start, end)| right.get(*start) != Some(*end))
            .map(|(start, _)| *start)
            .collect();
        let mut missing: Vec<Day> = days
            .into_iter()
            .rev()
            .filter(|day| wrong.is_empty() && !built.contains_key(&day.starts_at))
            .collect();
        let is_all = wrong.len().max(missing.len()) <= most && wrong.is_empty();
        wrong.truncate(most);
        missing.truncate(most);
        let due_at = if is_all { open_until.map_or(now + EMPTY, |end| end + SETTLED) } else { now };
        Self { wrong, missing, due_at }
    }
}

/// The zone's days from that of `first` to the last that has ended by `until`, and the end of the one
/// after it.
fn settled(
    zone: &Zone,
    first: OffsetDateTime,
    until: OffsetDateTime,
) -> (Vec<Day>, Option<OffsetDateTime>) {
    let mut days = Vec::new();
    let mut date = zone.date_of(first);
    loop {
        let next = date.saturating_add(1.day());
        let day =
            Day { starts_at: instant(zone.start_of(date)), ends_at: instant(zone.start_of(next)) };
        if day.ends_at > until || next <= date {
            return (days, Some(day.ends_at));
        }
        // A calendar that leaves out a date has a day without a moment.
        if day.starts_at < day.ends_at {
            days.push(day);
        }
        date = next;
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn berlin() -> Zone {
        Zone::find("Europe/Berlin").unwrap()
    }

    #[test]
    fn a_day_is_built_when_nothing_can_be_late_any_more_the_newest_first() {
        let first = datetime!(2026-10-24 10:15 UTC);
        let plan = |now, most| Plan::of(&berlin(), Some(first), now, &BTreeMap::new(), most);
        let early = plan(datetime!(2026-10-27 23:59 UTC), 8);
        let due_at = datetime!(2026-10-24 22:00 UTC) + SETTLED;
        assert_eq!(early, Plan { wrong: vec![], missing: vec![], due_at });
        let days = plan(datetime!(2026-10-29 01:00 UTC), 8);
        let saturday = Day {
            starts_at: datetime!(2026-10-23 22:00 UTC),
            ends_at: datetime!(2026-10-24 22:00 UTC),
        };
        // The clocks go back: 25 hours.
        let sunday = Day { starts_at: saturday.ends_at, ends_at: datetime!(2026-10-25 23:00 UTC) };
        assert_eq!(days.missing, [sunday, saturday]);
        assert_eq!(days.due_at, datetime!(2026-10-26 23:00 UTC) + SETTLED);
        let now = datetime!(2026-10-29 01:00 UTC);
        let some = plan(now, 1);
        assert_eq!((some.missing, some.due_at), (vec![sunday], now), "and then the next");
    }

    #[test]
    fn days_of_another_zone_go_before_any_is_built() {
        let first = datetime!(2026-10-20 10:15 UTC);
        let now = datetime!(2026-10-29 01:00 UTC);
        let other: BTreeMap<_, _> = settled(&Zone::utc(), first, now - SETTLED)
            .0
            .iter()
            .map(|day| (day.starts_at, day.ends_at))
            .collect();
        let plan = Plan::of(&berlin(), Some(first), now, &other, 3);
        assert_eq!((plan.wrong.len(), plan.missing.len(), plan.due_at), (3, 0, now));
        let last = Plan::of(&berlin(), Some(first), now, &other, 30);
        assert_eq!((last.wrong.len(), last.missing.len(), last.due_at), (other.len(), 0, now));
    }

    #[test]
    fn a_tenant_without_figures_is_looked_at_tomorrow() {
        let now = datetime!(2026-10-29 01:00 UTC);
        let plan = Plan::of(&berlin(), None, now, &BTreeMap::new(), 3);
        assert_eq!(plan, Plan { wrong: vec![], missing: vec![], due_at: now + EMPTY });
    }
}
