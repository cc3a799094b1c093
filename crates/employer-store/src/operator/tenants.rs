//! Which tenants there are, and whether they may work.

use serde_json::json;
use tenancy::{EventKind, OrgId, TenantId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{OpsDb, tell};
use crate::database::within_deadline;
use crate::error::StoreError;
use crate::identity::TenantStatus;
use crate::outbox::{OutboxEvent, read_org};

/// A tenant, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSummary {
    /// Our id.
    pub id: TenantId,
    /// Its organization at the identity provider.
    pub org: OrgId,
    /// It in addresses.
    pub slug: String,
    /// What it is called.
    pub name: String,
    /// Whether it may work.
    pub status: TenantStatus,
    /// What it pays for.
    pub plan: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// The tenants after `after`, newest first by id; of one status only where one is named.
pub async fn list_tenants(
    db: &OpsDb,
    status: Option<TenantStatus>,
    after: Option<TenantId>,
    limit: i64,
) -> Result<Vec<TenantSummary>, StoreError> {
    let query = sqlx::query!(
        r#"SELECT id, org_id, slug, name, status, plan, created_at
           FROM tenants
           WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR status = $2)
           ORDER BY id DESC
           LIMIT $3"#,
        after.map(TenantId::as_uuid),
        status.map(TenantStatus::as_str),
        limit,
    );
    let rows = within_deadline(query.fetch_all(db.pool())).await?;
    rows.into_iter()
        .map(|row| {
            Ok(TenantSummary {
                id: TenantId::from_uuid(row.id),
                org: read_org(&row.org_id)?,
                slug: row.slug,
                name: row.name,
                status: row
                    .status
                    .parse()
                    .map_err(|_| StoreError::inconsistent("status of a tenant"))?,
                plan: row.plan,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// What became of a change of status.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusChange {
    /// It was changed, and this is what the others are to be told.
    Changed {
        /// The event.
        event: OutboxEvent,
        /// The row in the tenant's trail.
        audit_id: Uuid,
    },
    /// It was so already.
    Unchanged,
    /// There is no such tenant, it is archived, or it is the operators' own.
    NotFound,
}

/// Suspends a tenant, or lets it work again, with the event and the row in its trail that belong to
/// it: all or nothing. `platform`, the operators' own organization, is none of those.
pub async fn change_status(
    db: &OpsDb,
    operator: UserId,
    tenant: TenantId,
    is_suspended: bool,
    reason: &str,
    platform: &OrgId,
) -> Result<StatusChange, StoreError> {
    let (to, kind, deed) = if is_suspended {
        (TenantStatus::Suspended, EventKind::TenantSuspended, "tenant_suspended")
    } else {
        (TenantStatus::Active, EventKind::TenantResumed, "tenant_resumed")
    };
    let mut transaction = db.pool().begin_with("BEGIN").await?;
    let changed = sqlx::query_scalar!(
        "UPDATE tenants SET status = $2, updated_at = now()
         WHERE id = $1 AND status <> $2 AND status <> 'archived' AND org_id <> $3
         RETURNING org_id",
        tenant.as_uuid(),
        to.as_str(),
        platform.as_str(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(org) = changed else {
        let is_there = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM tenants WHERE id = $1 AND status = $2) AS "is_there!""#,
            tenant.as_uuid(),
            to.as_str(),
        )
        .fetch_one(&mut *transaction)
        .await?;
        return Ok(if is_there { StatusChange::Unchanged } else { StatusChange::NotFound });
    };
    let (event_id, payload) = (Uuid::now_v7(), json!({}));
    let row = sqlx::query!(
        "INSERT INTO outbox (tenant_id, kind, payload, event_id) VALUES ($1, $2, $3, $4)
         RETURNING id, at",
        tenant.as_uuid(),
        kind.as_str(),
        payload,
        event_id,
    )
    .fetch_one(&mut *transaction)
    .await?;
    let detail = json!({ "deed": deed, "reason": reason, "result": "done" });
    let audit_id =
        tell(&mut transaction, tenant, operator, format!("tenant:{tenant}"), detail).await?;
    transaction.commit().await?;
    let org = read_org(&org)?;
    let (id, at) = (row.id, row.at);
    let (subject, actor) = (None, None);
    let event = OutboxEvent { id, event_id, tenant, org, kind, subject, actor, payload, at };
    Ok(StatusChange::Changed { event, audit_id })
}
