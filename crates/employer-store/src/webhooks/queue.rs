//! What is due, over all tenants: taken for a while, tried, and written down.
//!
//! Whoever takes a delivery has it until its lease is over; then it is due again, for a process may
//! have died with it. What comes back later than that changes nothing. An endpoint has few of its
//! deliveries in hand at a time, and one when it fails, so that none takes the others' turns.

use std::fmt;
use std::time::Duration;

use serde_json::json;
use tenancy::{EventKind, TenantId, WebhookId};
use uuid::Uuid;

use super::endpoints::Disabled;
use crate::database::within_deadline;
use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// A delivery that nobody has finished with after this many attempts is left alone: whatever takes
/// it dies of it.
pub(super) const MOST_ATTEMPTS: i16 = 200;

/// Failures in a row after which an endpoint is asked for one delivery at a time.
const SEVERAL_FAILURES: i32 = 3;

/// How much is taken at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimBounds {
    /// Most deliveries.
    pub limit: i64,
    /// Most of one endpoint that are in hand at a time, those of others included.
    pub per_endpoint: i64,
    /// Most of one tenant that are in hand at a time, those of others included.
    pub per_tenant: i64,
    /// How long they are kept from others; more than an attempt may take.
    pub lease: Duration,
}

/// A delivery in hand.
#[derive(Clone, PartialEq, Eq)]
pub struct DueDelivery {
    /// Whose it is.
    pub tenant: TenantId,
    /// Where it goes.
    pub endpoint: WebhookId,
    /// The event.
    pub event: Uuid,
    /// What is sent.
    pub body: String,
    /// The how many-th attempt this is.
    pub attempt: i16,
    /// How many steps of the schedule have been taken.
    pub scheduled: i16,
    /// Where it goes, for the client.
    pub url: String,
    /// What it is signed with, sealed.
    pub sealed_secret: Vec<u8>,
    /// What it is signed with as well, sealed.
    pub sealed_old_secret: Option<Vec<u8>>,
    /// How often the endpoint has failed in a row.
    pub failures: i32,
}

/// Without the address, which may hold a secret of the receiver's, and without the secrets.
impl fmt::Debug for DueDelivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DueDelivery")
            .field("tenant", &self.tenant)
            .field("endpoint", &self.endpoint)
            .field("event", &self.event)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptResult {
    /// In one word.
    pub outcome: &'static str,
    /// The status that it was answered with.
    pub status_code: Option<u16>,
    /// The beginning of the answer.
    pub answer: String,
    /// How long it took.
    pub duration: Duration,
    /// What follows for the delivery.
    pub next: Next,
    /// How long the endpoint is left alone after a failure.
    pub rest: Duration,
    /// How long an endpoint may fail before it is given up.
    pub patience: Duration,
}

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It was taken.
    Delivered,
    /// It is tried again after this long.
    Retry(Duration),
    /// It is given up.
    GiveUp,
    /// It is given up, and so is the endpoint, which says that it is gone.
    Gone,
}

/// Takes deliveries that are due, for a while. None of an endpoint that is off or rests, and none
/// of a tenant that is suspended.
pub async fn claim(db: &WorkerDb, bounds: ClaimBounds) -> Result<Vec<DueDelivery>, StoreError> {
    let query = sqlx::query_file!(
        "src/webhooks/claim.sql",
        bounds.limit,
        bounds.per_endpoint,
        bounds.per_tenant,
        bounds.lease.as_secs_f64(),
        SEVERAL_FAILURES,
        MOST_ATTEMPTS,
    );
    let rows = within_deadline(query.fetch_all(db.pool())).await?;
    Ok(rows
        .into_iter()
        .map(|row| DueDelivery {
            tenant: TenantId::from_uuid(row.tenant_id),
            endpoint: WebhookId::from_uuid(row.endpoint_id),
            event: row.event_id,
            body: row.body,
            attempt: row.attempts,
            scheduled: row.scheduled,
            url: row.url,
            sealed_secret: row.secret,
            sealed_old_secret: row.old_secret,
            failures: row.failures,
        })
        .collect())
}

/// Writes down what came of an attempt, and what follows for the endpoint. Answers why the endpoint
/// was given up, where it was. Of a delivery that somebody else has in hand by now nothing changes.
pub async fn record(
    db: &WorkerDb,
    delivery: &DueDelivery,
    result: &AttemptResult,
) -> Result<Option<Disabled>, StoreError> {
    within_deadline(write(db, delivery, result)).await
}

async fn write(
    db: &WorkerDb,
    delivery: &DueDelivery,
    result: &AttemptResult,
) -> Result<Option<Disabled>, sqlx::Error> {
    let (tenant, endpoint) = (delivery.tenant.as_uuid(), delivery.endpoint.as_uuid());
    let (status, pause) = match result.next {
        Next::Delivered => ("delivered", Duration::ZERO),
        Next::Retry(after) => ("pending", after),
        Next::GiveUp | Next::Gone => ("failed", Duration::ZERO),
    };
    let mut transaction = db.pool().begin_with("BEGIN").await?;
    let is_ours = sqlx::query_scalar!(
        r#"WITH ours AS (
               UPDATE webhook_deliveries
               SET status = $5, in_hand = false, scheduled = scheduled + 1,
                   next_attempt_at = clock_timestamp() + make_interval(secs => $6),
                   finished_at = CASE WHEN $5 <> 'pending' THEN clock_timestamp() END
               WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3 AND attempts = $4
                 AND status = 'pending' AND in_hand
               RETURNING tenant_id, endpoint_id, event_id, attempts
           )
           INSERT INTO webhook_attempts (tenant_id, endpoint_id, event_id, number, duration_ms,
                                         outcome, status_code, answer)
           SELECT tenant_id, endpoint_id, event_id, attempts, $7, $8, $9, $10 FROM ours
           RETURNING true AS "is_ours!""#,
        tenant,
        endpoint,
        delivery.event,
        delivery.attempt,
        status,
        pause.as_secs_f64(),
        i32::try_from(result.duration.as_millis()).unwrap_or(i32::MAX),
        result.outcome,
        result.status_code.and_then(|code| i16::try_from(code).ok()),
        result.answer,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let mut disabled = None;
    if is_ours.is_some() {
        disabled = if result.next == Next::Delivered {
            succeeded(&mut transaction, tenant, endpoint).await?;
            None
        } else {
            failed(&mut transaction, tenant, endpoint, result).await?
        };
    }
    transaction.commit().await?;
    Ok(disabled)
}

async fn succeeded(
    transaction: &mut sqlx::PgConnection,
    tenant: Uuid,
    endpoint: Uuid,
) -> Result<(), sqlx::Error> {
    // Hardly ever changes anything: an endpoint that is well keeps its row as it is.
    sqlx::query!(
        "UPDATE webhook_endpoints
         SET failures = 0, failing_since = NULL, resting_until = '-infinity'
         WHERE tenant_id = $1 AND id = $2 AND failures > 0",
        tenant,
        endpoint,
    )
    .execute(transaction)
    .await
    .map(drop)
}

async fn failed(
    transaction: &mut sqlx::PgConnection,
    tenant: Uuid,
    endpoint: Uuid,
    result: &AttemptResult,
) -> Result<Option<Disabled>, sqlx::Error> {
    let failing = sqlx::query_scalar!(
        r#"UPDATE webhook_endpoints
           SET failures = failures + 1,
               failing_since = coalesce(failing_since, clock_timestamp()),
               resting_until =
                   greatest(resting_until, clock_timestamp() + make_interval(secs => $3))
           WHERE tenant_id = $1 AND id = $2 AND status = 'enabled'
           RETURNING failing_since <= clock_timestamp() - make_interval(secs => $4)
               AS "is_over!""#,
        tenant,
        endpoint,
        result.rest.as_secs_f64(),
        result.patience.as_secs_f64(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let disabled = match (failing, result.next) {
        (Some(_), Next::Gone) => Disabled::Gone,
        (Some(true), _) => Disabled::Failing,
        _ => return Ok(None),
    };
    sqlx::query!(
        "WITH off AS (
             UPDATE webhook_endpoints
             SET status = 'disabled', disabled_for = $3, disabled_at = clock_timestamp(),
                 version = version + 1, updated_at = clock_timestamp()
             WHERE tenant_id = $1 AND id = $2
             RETURNING tenant_id, id
         ), told AS (
             INSERT INTO outbox (tenant_id, kind, subject, payload)
             SELECT tenant_id, $6, id, $5 FROM off
         )
         INSERT INTO audit_log (tenant_id, id, actor, action, resource, detail)
         SELECT tenant_id, $4, 'system:webhooks', 'webhook_disabled', 'webhook:' || id, $5
         FROM off",
        tenant,
        endpoint,
        disabled.as_str(),
        Uuid::now_v7(),
        json!({ "reason": disabled.as_str() }),
        EventKind::WebhookDisabled.as_str(),
    )
    .execute(transaction)
    .await?;
    Ok(Some(disabled))
}
