//! What happened long ago is forgotten by the log of events. The figures made from it stay.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::analytics::AUDITED;
use crate::chores::Turn;
use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// The fewest days that the log may be kept. Those who need it are the comparison of figures with it
/// (72 hours back); the look by which an event that comes twice is told once, to which one that came
/// 72 hours late is as old as that at once; and whoever mends figures that the comparison found wrong,
/// for which they have a week.
pub const LEAST_LOG_DAYS: i64 = 14;

const _: () = assert!(
    LEAST_LOG_DAYS * 24 >= AUDITED.whole_hours() + 72 + 7 * 24,
    "what still needs the log would not find it"
);

/// Most events deleted in one statement.
const STEP: i64 = 2_000;

const QUARTER_SECONDS: i64 = 900;

/// What a turn has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// Events that are gone.
    pub events: u64,
    /// Whether that was all there was to forget, of all tenants.
    pub is_all: bool,
}

/// Forgets events of longer than `keep` ago, one tenant after another, in at most `steps` short
/// steps. How far it has come stands in the turn.
///
/// An event's age is that of when it happened, rounded to quarters of an hour, so that no figure is
/// left with half of its events. Where the log begins is written down before anything is gone.
pub async fn forget_log(
    db: &WorkerDb,
    turn: &mut Turn,
    now: OffsetDateTime,
    keep: Duration,
    steps: u32,
) -> Result<Forgotten, StoreError> {
    let until = (now - keep).unix_timestamp();
    let until = until - until.rem_euclid(QUARTER_SECONDS);
    let until = OffsetDateTime::from_unix_timestamp(until)
        .map_err(|_| StoreError::inconsistent("age of events"))?;
    sqlx::query!(
        "UPDATE event_log_bounds SET complete_since = $1 WHERE complete_since < $1",
        until
    )
    .execute(db.pool())
    .await?;
    let mut events = 0;
    let mut after = turn.position().and_then(|text| text.parse().ok()).unwrap_or(Uuid::nil());
    let mut tenant = None;
    for _ in 0..steps {
        let current = match tenant {
            Some(current) => current,
            None => match next_tenant(db, after, until).await? {
                Some(next) => next,
                None => return Ok(Forgotten { events, is_all: true }),
            },
        };
        let gone = step(db, current, until).await?;
        events += gone.unsigned_abs();
        tenant = if gone < STEP {
            after = current;
            None
        } else {
            Some(current)
        };
        if !turn.reach(db, Some(after.to_string()), gone.unsigned_abs()).await? {
            break;
        }
    }
    Ok(Forgotten { events, is_all: false })
}

/// The next tenant with something to forget.
async fn next_tenant(
    db: &WorkerDb,
    after: Uuid,
    until: OffsetDateTime,
) -> Result<Option<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT t.id FROM tenants t
         CROSS JOIN LATERAL (
             SELECT l.event_id FROM event_log l
             WHERE l.tenant_id = t.id AND l.occurred_at < $2
             LIMIT 1
         ) old
         WHERE t.id > $1
         ORDER BY t.id LIMIT 1",
        after,
        until,
    )
    .fetch_optional(db.pool())
    .await?)
}

/// The oldest first. Nobody changes a row of the log, and nobody waits for one that is being deleted.
async fn step(db: &WorkerDb, tenant: Uuid, until: OffsetDateTime) -> Result<i64, StoreError> {
    let gone = sqlx::query!(
        "DELETE FROM event_log l
         USING (
             SELECT event_id FROM event_log
             WHERE tenant_id = $1 AND occurred_at < $2
             ORDER BY occurred_at LIMIT $3
         ) old
         WHERE l.tenant_id = $1 AND l.event_id = old.event_id",
        tenant,
        until,
        STEP,
    )
    .execute(db.pool())
    .await?;
    Ok(i64::try_from(gone.rows_affected()).unwrap_or(STEP))
}
