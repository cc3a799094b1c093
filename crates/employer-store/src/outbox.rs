//! Events that left with a committed transaction and are not yet told to everybody.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;
use sqlx::{Postgres, Transaction};
use tenancy::{Change, EventKind, JobChange, OrgId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// Where a payload says what is different about the job.
pub(crate) const CHANGE: &str = "change";

/// Something that happened in a tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEvent {
    /// Grows in the order of writing; of commits only nearly so.
    pub id: i64,
    /// Where it happened.
    pub tenant: TenantId,
    /// The tenant's organization, as cache keys print it.
    pub org: OrgId,
    /// What happened.
    pub kind: EventKind,
    /// What it happened to, where that is one thing.
    pub subject: Option<Uuid>,
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
        Change { kind: self.kind, subject: self.subject, job }
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

    /// Deletes the events: everybody has been told. Dropping the claim instead leaves them for the
    /// next one.
    pub async fn finish(self) -> Result<(), StoreError> {
        let ids: Vec<i64> = self.events.iter().map(|event| event.id).collect();
        self.finish_these(&ids).await
    }

    /// Deletes these of the events, and leaves the others for the next claim.
    pub async fn finish_these(mut self, ids: &[i64]) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM outbox WHERE id = ANY($1)", ids)
            .execute(&mut *self.transaction)
            .await?;
        Ok(self.transaction.commit().await?)
    }
}

/// Takes up to `limit` events that are at least `min_age` old and that nobody else holds. Kinds
/// that this version does not know are left to one that does.
pub async fn claim(db: &WorkerDb, limit: i64, min_age: Duration) -> Result<Claim, StoreError> {
    let known: Vec<String> = EventKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    let mut transaction = db.pool().begin_with("BEGIN").await?;
    let rows = sqlx::query!(
        r#"SELECT o.tenant_id, t.org_id, o.id, o.kind, o.subject, o.payload, o.at
           FROM outbox o
           JOIN tenants t ON t.id = o.tenant_id
           WHERE o.kind = ANY($1) AND o.at <= clock_timestamp() - make_interval(secs => $2)
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
                tenant: TenantId::from_uuid(row.tenant_id),
                org: read_org(&row.org_id)?,
                kind: row.kind.parse().map_err(|_| StoreError::inconsistent("kind of event"))?,
                subject: row.subject,
                payload: row.payload,
                at: row.at,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Claim { transaction, events })
}

/// Deletes events that have been told already, but for those that a claim holds. Returns how many
/// were deleted.
pub async fn acknowledge(db: &WorkerDb, ids: &[i64]) -> Result<u64, StoreError> {
    let deleted = sqlx::query!(
        "DELETE FROM outbox o
         USING (SELECT tenant_id, id FROM outbox WHERE id = ANY($1) FOR UPDATE SKIP LOCKED) free
         WHERE o.tenant_id = free.tenant_id AND o.id = free.id",
        ids,
    )
    .execute(db.pool())
    .await?;
    Ok(deleted.rows_affected())
}

/// How long the oldest event has been waiting; none where nothing waits.
pub async fn oldest_age(db: &WorkerDb) -> Result<Option<Duration>, StoreError> {
    let seconds = sqlx::query_scalar!(
        r#"SELECT extract(epoch FROM clock_timestamp() - at)::float8 AS "seconds!"
           FROM outbox ORDER BY id LIMIT 1"#
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

pub(crate) fn read_org(text: &str) -> Result<OrgId, StoreError> {
    text.parse().map_err(|_| StoreError::inconsistent("organization id"))
}
