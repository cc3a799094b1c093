//! What platform operators do: they see which tenants there are, suspend and resume them, and look
//! at the portal as a member does. Rows of tenants they never get.

mod impersonation;
mod tenants;

use std::net::IpAddr;

use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use tenancy::{TenantId, UserId};
use uuid::Uuid;

pub use impersonation::{
    Impersonated, NewImpersonation, end_impersonation, find_impersonation, start_impersonation,
};
pub use tenants::{StatusChange, TenantSummary, change_status, list_tenants};

use crate::audit::{RequestOrigin, SecurityEvent};
use crate::database::{self, DatabaseSettings, PoolWatch};
use crate::error::StoreError;
use crate::verify;

/// The database in the role `portal_ops`. Cheap to clone; connects when it is first needed.
#[derive(Clone, Debug)]
pub struct OpsDb {
    pool: PgPool,
}

impl OpsDb {
    /// Prepares the pool; no connection is made yet.
    pub fn connect_lazily(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        Ok(Self { pool: database::pool(settings, "portal-ops")? })
    }

    /// Refuses a role or a table that would let rows out of their tenant, and a schema that is not
    /// this version's. To be called at start.
    pub async fn verify(&self) -> Result<(), StoreError> {
        verify::role_and_tables(&self.pool).await?;
        verify::schema(&self.pool).await
    }

    /// What tells how many connections there are.
    pub fn pool_watch(&self) -> PoolWatch {
        PoolWatch::of(&self.pool)
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// A row in the trail of the tenant that an operator does something to.
async fn tell(
    connection: &mut PgConnection,
    tenant: TenantId,
    operator: UserId,
    resource: String,
    detail: Value,
) -> Result<Uuid, StoreError> {
    let id = Uuid::now_v7();
    let origin = RequestOrigin::current();
    sqlx::query!(
        "INSERT INTO audit_log (tenant_id, id, actor, action, resource, detail, request_id, ip)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::inet)",
        tenant.as_uuid(),
        id,
        format!("operator:{operator}"),
        SecurityEvent::AuthzAdmin.as_str(),
        resource,
        detail,
        origin.map(|origin| origin.request_id),
        origin.and_then(|origin| origin.ip).as_ref().map(IpAddr::to_string),
    )
    .execute(connection)
    .await?;
    Ok(id)
}
