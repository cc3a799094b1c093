//! Gives the answer of the first try to whoever repeats a POST with the same `Idempotency-Key`.
//!
//! [`begin`] and [`store`] belong into the transaction of the request itself: the answer is kept
//! exactly when what it tells has happened.

use sqlx::types::Json;
use time::OffsetDateTime;

use crate::error::StoreError;
use crate::tenant_db::TenantTx;
use crate::worker_db::WorkerDb;

/// Rows that one statement of the clean-up deletes.
const PURGE_BATCH: i64 = 5_000;

/// What is known about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Nothing: go ahead, and [`store`] the answer.
    Fresh,
    /// The request has been answered before, thus.
    Replay(StoredResponse),
    /// The key was used for another body.
    Mismatch,
    /// The same key is being worked on right now.
    InFlight,
}

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// HTTP status.
    pub status: u16,
    /// The headers that belong to the answer, not to its transport.
    pub headers: Vec<(String, String)>,
    /// The body, 1 MiB at most.
    pub body: Vec<u8>,
}

/// Looks the key up and, where it is fresh, holds it until the transaction ends.
pub async fn begin(
    tx: &mut TenantTx,
    route: &str,
    key: &str,
    body_sha256: &[u8; 32],
) -> Result<Idempotency, StoreError> {
    let tenant = tx.tenant();
    // The lock is held by the transaction, so a crashed holder leaves nothing behind. Two
    // different keys share a lock once in 2^64 pairs; the second is then told to come back.
    let is_ours = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(
               hashtextextended($1::uuid::text || E'\n' || $2::text || E'\n' || $3::text, 7)
           ) AS "is_ours!""#,
        tenant,
        route,
        key,
    )
    .fetch_one(tx.connection())
    .await?;
    if !is_ours {
        return Ok(Idempotency::InFlight);
    }
    // A statement of its own: its snapshot is younger than the lock, so it sees what the last
    // holder committed.
    let stored = sqlx::query!(
        r#"SELECT body_sha256, status, headers AS "headers: Json<Vec<(String, String)>>", body
           FROM idempotency_keys
           WHERE tenant_id = $1 AND route = $2 AND key = $3 AND expires_at > now()"#,
        tenant,
        route,
        key,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(match stored {
        None => Idempotency::Fresh,
        Some(stored) if stored.body_sha256 != body_sha256 => Idempotency::Mismatch,
        Some(stored) => Idempotency::Replay(StoredResponse {
            status: u16::try_from(stored.status)
                .map_err(|_| StoreError::inconsistent("HTTP status"))?,
            headers: stored.headers.0,
            body: stored.body,
        }),
    })
}

/// Keeps the answer to a key that [`begin`] found fresh in this transaction.
pub async fn store(
    tx: &mut TenantTx,
    route: &str,
    key: &str,
    body_sha256: &[u8; 32],
    response: &StoredResponse,
    expires_at: OffsetDateTime,
) -> Result<(), StoreError> {
    let tenant = tx.tenant();
    let status =
        i16::try_from(response.status).map_err(|_| StoreError::inconsistent("HTTP status"))?;
    sqlx::query!(
        "INSERT INTO idempotency_keys
             (tenant_id, route, key, body_sha256, status, headers, body, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant_id, route, key) DO UPDATE
         SET body_sha256 = excluded.body_sha256, status = excluded.status,
             headers = excluded.headers, body = excluded.body,
             created_at = now(), expires_at = excluded.expires_at",
        tenant,
        route,
        key,
        body_sha256.as_slice(),
        status,
        Json(&response.headers) as _,
        response.body,
        expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Deletes answers that have expired by `now`; returns how many. A batch a statement, so that it
/// holds few locks at a time.
pub async fn purge_expired(db: &WorkerDb, now: OffsetDateTime) -> Result<u64, StoreError> {
    let mut purged = 0;
    loop {
        let batch = sqlx::query!(
            "DELETE FROM idempotency_keys k
             USING (SELECT tenant_id, route, key FROM idempotency_keys
                    WHERE expires_at <= $1 LIMIT $2) old
             WHERE k.tenant_id = old.tenant_id AND k.route = old.route AND k.key = old.key
               AND k.expires_at <= $1",
            now,
            PURGE_BATCH,
        )
        .execute(db.pool())
        .await?
        .rows_affected();
        purged += batch;
        if batch < PURGE_BATCH.unsigned_abs() {
            return Ok(purged);
        }
    }
}
