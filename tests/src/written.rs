//! Events that are written for certain, and what became of them, while the database crashes.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::tenant::Tenant;
use crate::waiting::eventually;

const SOON: Duration = Duration::from_secs(20);

/// Writes applications to one job, so many in a transaction, each once, whatever becomes of the connection: what is not known to be
/// committed is looked for before it is written again.
pub async fn writes_all(url: &str, tenant: &Tenant, events: &[Uuid], at_a_time: usize) {
    let job = Uuid::now_v7();
    for part in events.chunks(at_a_time) {
        eventually("a part is written", SOON, async || {
            let mut connection = connects(url).await?;
            sqlx::query(
                "INSERT INTO outbox (tenant_id, event_id, kind, subject, payload)
                 SELECT $1, event, 'application.submitted', event, jsonb_build_object(
                     'v', 1, 'job', $3::uuid, 'application', event, 'source', 'board',
                     'from', NULL, 'to', 'applied')
                 FROM unnest($2::uuid[]) AS event
                 WHERE NOT EXISTS (SELECT 1 FROM event_log WHERE event_id = event)
                   AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.event_id = event)",
            )
            .bind(tenant.id)
            .bind(part)
            .bind(job)
            .execute(&mut connection)
            .await
            .ok()
        })
        .await;
    }
}

/// A connection, where there is a server.
pub async fn connects(url: &str) -> Option<PgConnection> {
    PgConnection::connect_with(&url.parse::<PgConnectOptions>().unwrap()).await.ok()
}

/// What a query counts, where it is answered.
pub async fn count(connection: &mut PgConnection, sql: &'static str) -> Option<usize> {
    let count: Option<i64> = sqlx::query_scalar(sql).fetch_one(connection).await.ok()?;
    usize::try_from(count.unwrap_or_default()).ok()
}
