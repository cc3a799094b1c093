//! API keys: their public beginnings, their hashes, and what they are good for.
//!
//! A key is found before its tenant is known, by a function that answers this one question;
//! everything else works in a [`TenantTx`].

use std::fmt;

use serde_json::json;
use tenancy::{ApiKeyId, EventKind, OrgId, Role, TenantId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::audit;
use crate::database::within_deadline;
use crate::error::StoreError;
use crate::identity::{TenantStatus, read_role, read_status};
use crate::outbox::read_org;
use crate::tenant_db::{TenantDb, TenantTx};
use crate::worker_db::WorkerDb;

/// Names the advisory lock under which a tenant's keys are counted.
const COUNTING: i32 = 14;

/// Most keys that a list shows; revoked ones are among them.
const MAX_LISTED: i64 = 500;

/// A key as it is made.
pub struct NewApiKey<'a> {
    /// Its public beginning.
    pub prefix: &'a str,
    /// SHA-256 of the whole key.
    pub sha256: [u8; 32],
    /// What people call it.
    pub name: &'a str,
    /// The names of its scopes.
    pub scopes: &'a [String],
    /// Who makes it, and whose power it is a part of.
    pub creator: UserId,
    /// When it ends by itself.
    pub expires_at: Option<OffsetDateTime>,
}

impl fmt::Debug for NewApiKey<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NewApiKey").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// What is known of a key, which is not the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// What it is called by in requests about it.
    pub id: ApiKeyId,
    /// Its public beginning.
    pub prefix: String,
    /// What people call it.
    pub name: String,
    /// The names of its scopes.
    pub scopes: Vec<String>,
    /// Who made it.
    pub creator: UserId,
    /// Their name.
    pub creator_name: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it ends by itself.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was used last, coarsely.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

/// A key that is in force but for its expiry, with what stands behind it right now.
#[derive(Clone, PartialEq, Eq)]
pub struct ResolvedApiKey {
    /// The tenant.
    pub tenant: TenantId,
    /// Its organization at the identity provider.
    pub org: OrgId,
    /// Whether the tenant may be worked in.
    pub tenant_status: TenantStatus,
    /// The key.
    pub id: ApiKeyId,
    /// SHA-256 of the whole key, to compare with.
    pub sha256: Vec<u8>,
    /// The names of its scopes.
    pub scopes: Vec<String>,
    /// Who made it.
    pub creator: UserId,
    /// What they are now.
    pub creator_role: Role,
    /// When it ends by itself.
    pub expires_at: Option<OffsetDateTime>,
}

impl fmt::Debug for ResolvedApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ResolvedApiKey")
            .field("tenant", &self.tenant)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The keys in force that begin with `prefix`: hardly ever more than one, of whatever tenant. None
/// of which the creator is no member any more.
pub async fn resolve(db: &TenantDb, prefix: &str) -> Result<Vec<ResolvedApiKey>, StoreError> {
    let query = sqlx::query!(
        r#"SELECT tenant_id AS "tenant_id!", org_id AS "org_id!",
                  tenant_status AS "tenant_status!", key_id AS "key_id!",
                  key_sha256 AS "key_sha256!", scopes AS "scopes!", creator AS "creator!",
                  creator_role AS "creator_role!", expires_at
           FROM resolve_api_keys($1)"#,
        prefix,
    );
    let rows = within_deadline(query.fetch_all(db.pool())).await?;
    rows.into_iter()
        .map(|row| {
            Ok(ResolvedApiKey {
                tenant: TenantId::from_uuid(row.tenant_id),
                org: read_org(&row.org_id)?,
                tenant_status: read_status(&row.tenant_status)?,
                id: ApiKeyId::from_uuid(row.key_id),
                sha256: row.key_sha256,
                scopes: row.scopes,
                creator: UserId::from_uuid(row.creator),
                creator_role: read_role(&row.creator_role)?,
                expires_at: row.expires_at,
            })
        })
        .collect()
}

/// Makes a key, with its audit row. None where the tenant has `most` keys in force already.
pub async fn create(
    tx: &mut TenantTx,
    new: &NewApiKey<'_>,
    most: u32,
) -> Result<Option<ApiKey>, StoreError> {
    let tenant = tx.tenant();
    // Two at once must not both find the last free place.
    sqlx::query!("SELECT pg_advisory_xact_lock($1, hashtext($2))", COUNTING, tenant.to_string())
        .execute(tx.connection())
        .await?;
    let in_force = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM api_keys
           WHERE tenant_id = $1 AND revoked_at IS NULL
             AND (expires_at IS NULL OR expires_at > now())"#,
        tenant,
    )
    .fetch_one(tx.connection())
    .await?;
    if in_force >= i64::from(most) {
        return Ok(None);
    }
    let id = Uuid::now_v7();
    sqlx::query!(
        "INSERT INTO api_keys
             (tenant_id, id, prefix, key_sha256, name, scopes, created_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        tenant,
        id,
        new.prefix,
        new.sha256.as_slice(),
        new.name,
        new.scopes,
        new.creator.as_uuid(),
        new.expires_at,
    )
    .execute(tx.connection())
    .await?;
    let detail = json!({ "prefix": new.prefix, "scopes": new.scopes });
    audit::record(tx, "api_key_created", &resource(id), detail, None).await?;
    find(tx, ApiKeyId::from_uuid(id)).await
}

/// The tenant's keys, newest first; those that are over are among them.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<ApiKey>, StoreError> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT k.id, k.prefix, k.name, k.scopes, k.created_by, u.name AS "creator_name?",
                  k.created_at, k.expires_at, k.last_used_at, k.revoked_at
           FROM api_keys k LEFT JOIN users u ON u.id = k.created_by
           WHERE k.tenant_id = $1
           ORDER BY (k.revoked_at IS NULL AND k.expires_at > now()) DESC, k.created_at DESC, k.id DESC
           LIMIT $2"#,
        tenant,
        MAX_LISTED,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(Row::read).collect())
}

/// One of the tenant's keys.
pub async fn find(tx: &mut TenantTx, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        r#"SELECT k.id, k.prefix, k.name, k.scopes, k.created_by, u.name AS "creator_name?",
                  k.created_at, k.expires_at, k.last_used_at, k.revoked_at
           FROM api_keys k LEFT JOIN users u ON u.id = k.created_by
           WHERE k.tenant_id = $1 AND k.id = $2"#,
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(Row::read))
}

/// Revokes a key, with its event and its audit row. False where there is none, or not any more.
pub async fn revoke(tx: &mut TenantTx, id: ApiKeyId) -> Result<bool, StoreError> {
    let tenant = tx.tenant();
    let prefix = sqlx::query_scalar!(
        "UPDATE api_keys SET revoked_at = now()
         WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL
         RETURNING prefix",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(prefix) = prefix else { return Ok(false) };
    tx.emit(EventKind::ApiKeyRevoked, Some(id.as_uuid()), json!({})).await?;
    let detail = json!({ "prefix": prefix });
    audit::record(tx, "api_key_revoked", &resource(id.as_uuid()), detail, None).await?;
    Ok(true)
}

/// Writes down when keys were used, all at once. A use that is older than what is written already
/// changes nothing.
pub async fn record_uses(
    db: &WorkerDb,
    uses: &[(TenantId, ApiKeyId, OffsetDateTime)],
) -> Result<(), StoreError> {
    let tenants: Vec<Uuid> = uses.iter().map(|(tenant, ..)| tenant.as_uuid()).collect();
    let ids: Vec<Uuid> = uses.iter().map(|(_, id, _)| id.as_uuid()).collect();
    let instants: Vec<OffsetDateTime> = uses.iter().map(|(.., at)| *at).collect();
    let query = sqlx::query!(
        "UPDATE api_keys k SET last_used_at = used.at
         FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS used (tenant_id, id, at)
         WHERE k.tenant_id = used.tenant_id AND k.id = used.id
           AND (k.last_used_at IS NULL OR k.last_used_at < used.at)",
        &tenants,
        &ids,
        &instants,
    );
    within_deadline(query.execute(db.pool())).await.map(drop)
}

fn resource(id: Uuid) -> String {
    format!("api_key:{id}")
}

struct Row {
    id: Uuid,
    prefix: String,
    name: String,
    scopes: Vec<String>,
    created_by: Uuid,
    creator_name: Option<String>,
    created_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
    last_used_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
}

impl Row {
    fn read(self) -> ApiKey {
        ApiKey {
            id: ApiKeyId::from_uuid(self.id),
            prefix: self.prefix,
            name: self.name,
            scopes: self.scopes,
            creator: UserId::from_uuid(self.created_by),
            creator_name: self.creator_name,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            revoked_at: self.revoked_at,
        }
    }
}
