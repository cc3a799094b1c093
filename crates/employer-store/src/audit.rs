//! The trail of who did what; rows are added and never changed.

use std::net::IpAddr;

use serde_json::Value;
use uuid::Uuid;

use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Adds a row in the name of the transaction's actor. `action` is our own word, such as
/// `job_published`; `resource` names what it was done to, such as `job:<uuid>`. Answers the row's id.
pub async fn record(
    tx: &mut TenantTx,
    action: &str,
    resource: &str,
    detail: Value,
    ip: Option<IpAddr>,
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    let (tenant, actor) = (tx.tenant(), tx.actor().audit_name());
    sqlx::query!(
        "INSERT INTO audit_log (tenant_id, id, actor, action, resource, detail, ip)
         VALUES ($1, $2, $3, $4, $5, $6, $7::text::inet)",
        tenant,
        id,
        actor,
        action,
        resource,
        detail,
        ip.map(|ip| ip.to_string()),
    )
    .execute(tx.connection())
    .await?;
    Ok(id)
}
