//! Events that left with a committed transaction, and what is still to be done about them.
//!
//! A row goes through two lanes. In the first, access is changed and cached answers are dropped: by
//! the request that caused it, and by a [`claim`] of what that left undone. In the second, people
//! are told ([`crate::feed::fan_out`]). Whichever is through last deletes the row.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;
use sqlx::{PgConnection, Postgres, Transaction};
use tenancy::{Change, EventKind, JobChange, OrgId, TenantId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// Where a payload says what is different about the job.
pub(crate) const CHANGE: &str = "change";
/// Where the payload of an application's event says which job it is for.
const JOB: &str = "job";

/// Something that happened in a tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEvent {
    /// Grows in the order of writing; of commits only nearly so.
    pub id: i64,
    /// Names the event for good: in inboxes, the log of events and messages.
    pub event_id: Uuid,
    /// Where it happened.
    pub tenant: TenantId,
    /// The tenant's organization, as cache keys print it.
    pub org: OrgId,
    /// What happened.
    pub kind: EventKind,
    /// What it happened to, where that is one thing.
    pub subject: Option<Uuid>,
    /// The person who did it, where there is one.
    pub actor: Option<UserId>,
    /// What else there is to say.
    pub payload: Value,
    /// When it was written.
    pub at: OffsetDateTime,
}

impl OutboxEvent {
    /// What the event says about what it changed. A row that does not say, as those of older
    /// versions, or says it in words that this version does not know, may have changed anything.
    pub fn change(&self) -> Change {
        let job = self.payload.get(CHANGE).and_then(|said| JobChange::deserialize(said).ok());
        let of_job = self.payload.get(JOB).and_then(|said| Uuid::deserialize(said).ok());
        Change { kind: self.kind, subject: self.subject, of_job, job }
    }
}

/// Events that one worker holds: no other claims them until this is finished or dropped.
#[derive(Debug)]
pub struct Claim {
    transaction: Transaction<'static, Postgres>,
    events: Vec<OutboxEvent>,
}

impl Claim {
    /// The events, oldest first.
    pub fn events(&self) -> &[OutboxEvent] {
        &self.events
    }

    /// The events have been acted on. Dropping the claim instead leaves them for the next one.
    pub async fn finish(self) -> Result<(), StoreError> {
        let ids: Vec<i64> = self.events.iter().map(|event| event.id).collect();
        self.finish_these(&ids).await
    }

    /// These of the events have been acted on; the others are left for the next claim.
    pub async fn finish_these(mut self, ids: &[i64]) -> Result<(), StoreError> {
        acted_on(&mut self.transaction, ids).await?;
        Ok(self.transaction.commit().await?)
    }
}

/// Takes up to `limit` events that are at least `min_age` old, that nobody has acted on and nobody
/// else holds. Kinds that this version does not know are left to one that does.
pub async fn claim(db: &WorkerDb, limit: i64, min_age: Duration) -> Result<Claim, StoreError> {
    let known: Vec<String> = EventKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    let mut transaction = db.pool().begin_with("BEGIN").await?;
    let rows = sqlx::query!(
        r#"SELECT o.tenant_id, t.org_id, o.id, o.event_id, o.kind, o.subject, o.actor,
                  o.payload, o.at
           FROM outbox o
           JOIN tenants t ON t.id = o.tenant_id
           WHERE NOT o.acted AND o.kind = ANY($1)
             AND o.at <= clock_timestamp() - make_interval(secs => $2)
           ORDER BY o.id
           LIMIT $3
           FOR UPDATE OF o SKIP LOCKED"#,
        &known,
        min_age.as_secs_f64(),
        limit,
    )
    .fetch_all(&mut *transaction)
    .await?;
    let events = rows
        .into_iter()
        .map(|row| {
            Ok(OutboxEvent {
                id: row.id,
                event_id: row.event_id,
                tenant: TenantId::from_uuid(row.tenant_id),
                org: read_org(&row.org_id)?,
                kind: row.kind.parse().map_err(|_| StoreError::inconsistent("kind of event"))?,
                subject: row.subject,
                actor: row.actor.map(UserId::from_uuid),
                payload: row.payload,
                at: row.at,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Claim { transaction, events })
}

/// These events have been acted on by the request that caused them. Returns which of them that is
/// written of now: one that another worker holds at the moment is not, and may be said again.
pub async fn acknowledge(db: &WorkerDb, ids: &[i64]) -> Result<Vec<i64>, StoreError> {
    let mut transaction = db.pool().begin_with("BEGIN").await?;
    let written = acted_on(&mut transaction, ids).await?;
    transaction.commit().await?;
    Ok(written)
}

/// Deletes of these rows those that people have been told of, and marks the others.
async fn acted_on(connection: &mut PgConnection, ids: &[i64]) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"WITH free AS MATERIALIZED (
               SELECT tenant_id, id, fanned_out FROM outbox
               WHERE id = ANY($1) AND NOT acted
               FOR UPDATE SKIP LOCKED
           ), deleted AS (
               DELETE FROM outbox o USING free
               WHERE o.tenant_id = free.tenant_id AND o.id = free.id AND free.fanned_out
           ), marked AS (
               UPDATE outbox o SET acted = true FROM free
               WHERE o.tenant_id = free.tenant_id AND o.id = free.id AND NOT free.fanned_out
           )
           SELECT id FROM free"#,
        ids,
    )
    .fetch_all(connection)
    .await?)
}

/// How the outbox is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How long the oldest event has been waiting to be acted on; none where none waits.
    pub to_act: Option<Duration>,
    /// The same of being told to people. What is parked does not count.
    pub to_tell: Option<Duration>,
    /// How many events have been given up.
    pub parked: u64,
}

/// What waits in the outbox.
pub async fn waiting(db: &WorkerDb) -> Result<Waiting, StoreError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM outbox
                   WHERE NOT acted ORDER BY id LIMIT 1) AS to_act,
                  (SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM outbox
                   WHERE NOT fanned_out AND parked_at IS NULL ORDER BY id LIMIT 1) AS to_tell,
                  (SELECT count(*) FROM outbox WHERE parked_at IS NOT NULL) AS "parked!""#
    )
    .fetch_one(db.pool())
    .await?;
    let age = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let (to_act, to_tell) = (row.to_act.map(age), row.to_tell.map(age));
    Ok(Waiting { to_act, to_tell, parked: u64::try_from(row.parked).unwrap_or_default() })
}

pub(crate) fn read_org(text: &str) -> Result<OrgId, StoreError> {
    text.parse().map_err(|_| StoreError::inconsistent("organization id"))
}
