//! What became of telling an endpoint: the log, and asking for more.

use std::fmt;
use std::str::FromStr;

use tenancy::WebhookId;
use time::OffsetDateTime;
use uuid::Uuid;

use super::endpoints::note;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// The kind of the message that a ping is.
pub const PING: &str = "webhook.ping";

/// Beyond this many attempts nobody may ask for another one.
const MAX_ATTEMPTS: i16 = 150;

/// More than any schedule has: what people ask for is tried once.
const OUTSIDE_SCHEDULE: i16 = 1_000;

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// To be tried, for the first time or again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Failed,
}

/// The text names no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of pending, delivered, failed")]
pub struct UnknownDeliveryStatus;

impl DeliveryStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    /// The word in rows and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for DeliveryStatus {
    type Err = UnknownDeliveryStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownDeliveryStatus)
    }
}

impl fmt::Display for DeliveryStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One event at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The event; at this endpoint it is the delivery's name.
    pub event: Uuid,
    /// Its kind.
    pub kind: String,
    /// What is sent.
    pub body: String,
    /// Where it is.
    pub status: DeliveryStatus,
    /// How often it was tried.
    pub attempts: i16,
    /// When it is tried next.
    pub next_attempt_at: Option<OffsetDateTime>,
    /// When it was queued.
    pub created_at: OffsetDateTime,
    /// When it was taken or given up.
    pub finished_at: Option<OffsetDateTime>,
    /// What came of the last attempt that ended, and the status that it was answered with.
    pub last_outcome: Option<(String, Option<i16>)>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The how many-th it was; one of a process that died has left no row.
    pub number: i16,
    /// When it ended.
    pub at: OffsetDateTime,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// What came of it, in one word.
    pub outcome: String,
    /// The status that it was answered with.
    pub status_code: Option<i16>,
    /// The beginning of the answer.
    pub answer: String,
}

/// Which deliveries a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only these.
    pub status: Option<DeliveryStatus>,
    /// Only those of events before this one.
    pub before: Option<Uuid>,
    /// Only the one of this event.
    pub event: Option<Uuid>,
    /// How many at most.
    pub limit: i64,
}

/// What came of asking for a delivery once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// It is due.
    Due,
    /// There is no such delivery.
    NotFound,
    /// The endpoint is told of nothing.
    EndpointOff,
    /// It was tried too often.
    TooOften,
}

/// An endpoint's deliveries, those of the newest events first.
pub async fn list_deliveries(
    tx: &mut TenantTx,
    endpoint: WebhookId,
    filter: &DeliveryFilter,
) -> Result<Vec<Delivery>, StoreError> {
    let tenant = tx.tenant();
    let rows = sqlx::query!(
        r#"SELECT d.event_id, d.kind, d.body, d.status, d.attempts, d.next_attempt_at,
                  d.created_at, d.finished_at, a.outcome AS "outcome?", a.status_code
           FROM webhook_deliveries d
           LEFT JOIN LATERAL (
               SELECT outcome, status_code FROM webhook_attempts a
               WHERE a.tenant_id = d.tenant_id AND a.endpoint_id = d.endpoint_id
                 AND a.event_id = d.event_id
               ORDER BY a.number DESC LIMIT 1
           ) a ON true
           WHERE d.tenant_id = $1 AND d.endpoint_id = $2
             AND ($3::text IS NULL OR d.status = $3)
             AND ($4::uuid IS NULL OR d.event_id < $4)
             AND ($5::uuid IS NULL OR d.event_id = $5)
           ORDER BY d.event_id DESC
           LIMIT $6"#,
        tenant,
        endpoint.as_uuid(),
        filter.status.map(DeliveryStatus::as_str),
        filter.before,
        filter.event,
        filter.limit,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter()
        .map(|row| {
            let status: DeliveryStatus = row
                .status
                .parse()
                .map_err(|_| StoreError::inconsistent("status of a webhook delivery"))?;
            let is_pending = status == DeliveryStatus::Pending;
            Ok(Delivery {
                event: row.event_id,
                kind: row.kind,
                body: row.body,
                status,
                attempts: row.attempts,
                next_attempt_at: is_pending.then_some(row.next_attempt_at),
                created_at: row.created_at,
                finished_at: row.finished_at,
                last_outcome: row.outcome.map(|outcome| (outcome, row.status_code)),
            })
        })
        .collect()
}

/// One of an endpoint's deliveries.
pub async fn find_delivery(
    tx: &mut TenantTx,
    endpoint: WebhookId,
    event: Uuid,
) -> Result<Option<Delivery>, StoreError> {
    let filter = DeliveryFilter { event: Some(event), limit: 1, ..DeliveryFilter::default() };
    Ok(list_deliveries(tx, endpoint, &filter).await?.pop())
}

/// The attempts of a delivery, in their order.
pub async fn list_attempts(
    tx: &mut TenantTx,
    endpoint: WebhookId,
    event: Uuid,
) -> Result<Vec<Attempt>, StoreError> {
    let tenant = tx.tenant();
    Ok(sqlx::query_as!(
        Attempt,
        "SELECT number, at, duration_ms, outcome, status_code, answer FROM webhook_attempts
         WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3
         ORDER BY number",
        tenant,
        endpoint.as_uuid(),
        event,
    )
    .fetch_all(tx.connection())
    .await?)
}

/// Queues a message that says nothing but that it arrives; tried once. None where there is no such
/// endpoint, or it is told of nothing.
pub async fn ping(tx: &mut TenantTx, endpoint: WebhookId) -> Result<Option<Uuid>, StoreError> {
    let (tenant, event) = (tx.tenant(), Uuid::now_v7());
    let queued = sqlx::query!(
        "INSERT INTO webhook_deliveries (tenant_id, endpoint_id, event_id, kind, body, scheduled)
         SELECT tenant_id, id, $3, $4, webhook_body($4, NULL, '{}', clock_timestamp()), $5
         FROM webhook_endpoints
         WHERE tenant_id = $1 AND id = $2 AND status = 'enabled'",
        tenant,
        endpoint.as_uuid(),
        event,
        PING,
        OUTSIDE_SCHEDULE,
    )
    .execute(tx.connection())
    .await?;
    Ok((queued.rows_affected() > 0).then_some(event))
}

/// Makes a delivery due at once, with its audit row: for one attempt where it was finished, ahead
/// of its time where it waits. One that is being tried right now stays as it is.
pub async fn redeliver(
    tx: &mut TenantTx,
    endpoint: WebhookId,
    event: Uuid,
) -> Result<Redelivery, StoreError> {
    let tenant = tx.tenant();
    let found = sqlx::query!(
        r#"SELECT d.attempts, w.status = 'enabled' AS "is_enabled!"
           FROM webhook_deliveries d
           JOIN webhook_endpoints w ON w.tenant_id = d.tenant_id AND w.id = d.endpoint_id
           WHERE d.tenant_id = $1 AND d.endpoint_id = $2 AND d.event_id = $3
             AND w.deleted_at IS NULL
           FOR UPDATE OF d"#,
        tenant,
        endpoint.as_uuid(),
        event,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(found) = found else { return Ok(Redelivery::NotFound) };
    if !found.is_enabled {
        return Ok(Redelivery::EndpointOff);
    }
    if found.attempts >= MAX_ATTEMPTS {
        return Ok(Redelivery::TooOften);
    }
    sqlx::query!(
        "UPDATE webhook_deliveries
         SET scheduled = CASE WHEN status = 'pending' THEN scheduled ELSE $4 END,
             status = 'pending', in_hand = false, next_attempt_at = now(), finished_at = NULL
         WHERE tenant_id = $1 AND endpoint_id = $2 AND event_id = $3
           AND NOT (in_hand AND next_attempt_at > clock_timestamp())",
        tenant,
        endpoint.as_uuid(),
        event,
        OUTSIDE_SCHEDULE,
    )
    .execute(tx.connection())
    .await?;
    note(tx, "webhook_redelivered", endpoint).await?;
    Ok(Redelivery::Due)
}
