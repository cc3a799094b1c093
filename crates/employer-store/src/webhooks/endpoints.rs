//! A tenant's endpoints.

use std::fmt;
use std::time::Duration;

use serde_json::json;
use tenancy::{UserId, WebhookId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::audit;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Names the advisory lock under which a tenant's endpoints are counted.
const COUNTING: i32 = 21;

/// Most endpoints that a list shows; a tenant has fewer.
const MAX_LISTED: i64 = 200;

/// An endpoint that is to be.
pub struct NewEndpoint<'a> {
    /// What it will be called; the secret is sealed for it.
    pub id: WebhookId,
    /// Where messages go.
    pub url: &'a str,
    /// What people know it by.
    pub description: &'a str,
    /// The kinds of events it is told of; none means all.
    pub kinds: &'a [String],
    /// What its messages are signed with, sealed.
    pub sealed_secret: &'a [u8],
    /// Who makes it.
    pub creator: UserId,
}

impl fmt::Debug for NewEndpoint<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NewEndpoint").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether an endpoint is told of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointStatus {
    /// It is.
    Enabled,
    /// Not for now, as people decided.
    Paused,
    /// Not any more, as we decided.
    Disabled(Disabled),
}

/// Why we tell an endpoint nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// It failed for days.
    Failing,
    /// It said that it is gone.
    Gone,
}

impl Disabled {
    /// The word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }
}

impl EndpointStatus {
    /// The word in rows and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled(_) => "disabled",
        }
    }

    fn read(status: &str, disabled_for: Option<&str>) -> Result<Self, StoreError> {
        match (status, disabled_for) {
            ("enabled", None) => Ok(Self::Enabled),
            ("paused", None) => Ok(Self::Paused),
            ("disabled", Some("failing")) => Ok(Self::Disabled(Disabled::Failing)),
            ("disabled", Some("gone")) => Ok(Self::Disabled(Disabled::Gone)),
            _ => Err(StoreError::inconsistent("status of a webhook")),
        }
    }
}

/// An endpoint, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What it is called by in requests about it.
    pub id: WebhookId,
    /// Where messages go.
    pub url: String,
    /// What people know it by.
    pub description: String,
    /// The kinds of events it is told of; none means all.
    pub kinds: Vec<String>,
    /// Whether it is told of anything.
    pub status: EndpointStatus,
    /// When we gave it up.
    pub disabled_at: Option<OffsetDateTime>,
    /// Attempts that failed since the last one that succeeded.
    pub failures: i32,
    /// The first of them.
    pub failing_since: Option<OffsetDateTime>,
    /// Until when messages are signed with the secret before this one as well.
    pub old_secret_until: Option<OffsetDateTime>,
    /// Grows with every change that people make.
    pub version: i32,
    /// Who made it.
    pub creator: UserId,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When people changed it last.
    pub updated_at: OffsetDateTime,
}

/// What is to be different about an endpoint; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointChanges {
    /// Where messages go.
    pub url: Option<String>,
    /// What people know it by.
    pub description: Option<String>,
    /// The kinds of events it is told of.
    pub kinds: Option<Vec<String>>,
    /// Whether it is told of anything; being enabled it begins anew.
    pub is_enabled: Option<bool>,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Updated {
    /// The endpoint as it is now.
    Done(Endpoint),
    /// It has another version than the change is meant for: this one.
    Stale(i32),
    /// There is none.
    NotFound,
}

/// Makes an endpoint, with its audit row. None where the tenant has `most` already.
pub async fn create(
    tx: &mut TenantTx,
    new: &NewEndpoint<'_>,
    most: u32,
) -> Result<Option<Endpoint>, StoreError> {
    let tenant = tx.tenant();
    // Two at once must not both find the last free place.
    sqlx::query!("SELECT pg_advisory_xact_lock($1, hashtext($2))", COUNTING, tenant.to_string())
        .execute(tx.connection())
        .await?;
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM webhook_endpoints
           WHERE tenant_id = $1 AND deleted_at IS NULL"#,
        tenant,
    )
    .fetch_one(tx.connection())
    .await?;
    if count >= i64::from(most) {
        return Ok(None);
    }
    sqlx::query!(
        "INSERT INTO webhook_endpoints
             (tenant_id, id, url, description, kinds, secret, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        tenant,
        new.id.as_uuid(),
        new.url,
        new.description,
        new.kinds,
        new.sealed_secret,
        new.creator.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    note(tx, "webhook_created", new.id).await?;
    find(tx, new.id).await
}

/// The tenant's endpoints, oldest first.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<Endpoint>, StoreError> {
    let tenant = tx.tenant();
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, url, description, kinds, status, disabled_for, disabled_at, failures,
                failing_since, old_secret_until, version, created_by, created_at, updated_at
         FROM webhook_endpoints
         WHERE tenant_id = $1 AND deleted_at IS NULL
         ORDER BY id
         LIMIT $2",
        tenant,
        MAX_LISTED,
    )
    .fetch_all(tx.connection())
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// One of the tenant's endpoints.
pub async fn find(tx: &mut TenantTx, id: WebhookId) -> Result<Option<Endpoint>, StoreError> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "SELECT id, url, description, kinds, status, disabled_for, disabled_at, failures,
                failing_since, old_secret_until, version, created_by, created_at, updated_at
         FROM webhook_endpoints
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
        tenant,
        id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?;
    row.map(Row::read).transpose()
}

/// Changes the endpoint that has this version, with its audit row.
pub async fn update(
    tx: &mut TenantTx,
    id: WebhookId,
    version: i32,
    changes: &EndpointChanges,
) -> Result<Updated, StoreError> {
    let tenant = tx.tenant();
    // What is enabled again is not judged by its past.
    let row = sqlx::query_as!(
        Row,
        "UPDATE webhook_endpoints
         SET url = coalesce($4, url), description = coalesce($5, description),
             kinds = coalesce($6, kinds),
             status = CASE $7::boolean WHEN true THEN 'enabled' WHEN false THEN 'paused'
                                       ELSE status END,
             disabled_for = CASE WHEN $7::boolean IS NULL THEN disabled_for END,
             disabled_at = CASE WHEN $7::boolean IS NULL THEN disabled_at END,
             failures = CASE WHEN $7::boolean OR $4 IS NOT NULL THEN 0 ELSE failures END,
             failing_since = CASE WHEN $7::boolean OR $4 IS NOT NULL THEN NULL
                                  ELSE failing_since END,
             resting_until = CASE WHEN $7::boolean OR $4 IS NOT NULL THEN '-infinity'
                                  ELSE resting_until END,
             version = version + 1, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND version = $3 AND deleted_at IS NULL
         RETURNING id, url, description, kinds, status, disabled_for, disabled_at, failures,
                   failing_since, old_secret_until, version, created_by, created_at, updated_at",
        tenant,
        id.as_uuid(),
        version,
        changes.url,
        changes.description,
        changes.kinds.as_deref(),
        changes.is_enabled,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else {
        let found = find(tx, id).await?;
        return Ok(found.map_or(Updated::NotFound, |now| Updated::Stale(now.version)));
    };
    note(tx, "webhook_updated", id).await?;
    Ok(Updated::Done(row.read()?))
}

/// Deletes an endpoint, with its audit row: nobody finds it or what it was told any more, and nothing
/// is sent to it. [`super::upkeep::clear_deleted`] clears the rows away. False where there is none.
///
/// Only the endpoint's own row is written, and its key stays: who queues something for it, or writes
/// down what came of an attempt, does not wait for this.
pub async fn delete(tx: &mut TenantTx, id: WebhookId) -> Result<bool, StoreError> {
    let tenant = tx.tenant();
    let deleted = sqlx::query!(
        "UPDATE webhook_endpoints
         SET deleted_at = clock_timestamp(), status = 'paused', disabled_for = NULL,
             disabled_at = NULL, version = version + 1, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
        tenant,
        id.as_uuid(),
    )
    .execute(tx.connection())
    .await?;
    if deleted.rows_affected() == 0 {
        return Ok(false);
    }
    note(tx, "webhook_deleted", id).await?;
    Ok(true)
}

/// Gives an endpoint another secret, with its audit row; for `overlap` messages are signed with the
/// one that it replaces as well.
pub async fn rotate_secret(
    tx: &mut TenantTx,
    id: WebhookId,
    sealed_secret: &[u8],
    overlap: Duration,
) -> Result<Option<Endpoint>, StoreError> {
    let tenant = tx.tenant();
    let row = sqlx::query_as!(
        Row,
        "UPDATE webhook_endpoints
         SET old_secret = secret, old_secret_until = now() + make_interval(secs => $4),
             secret = $3, version = version + 1, updated_at = now()
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL
         RETURNING id, url, description, kinds, status, disabled_for, disabled_at, failures,
                   failing_since, old_secret_until, version, created_by, created_at, updated_at",
        tenant,
        id.as_uuid(),
        sealed_secret,
        overlap.as_secs_f64(),
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    note(tx, "webhook_secret_rotated", id).await?;
    row.read().map(Some)
}

/// An audit row. Addresses may carry what only the receiver is to know, so none stands in it.
pub(super) async fn note(tx: &mut TenantTx, action: &str, id: WebhookId) -> Result<(), StoreError> {
    audit::record(tx, action, &format!("webhook:{id}"), json!({}), None).await.map(drop)
}

struct Row {
    id: Uuid,
    url: String,
    description: String,
    kinds: Vec<String>,
    status: String,
    disabled_for: Option<String>,
    disabled_at: Option<OffsetDateTime>,
    failures: i32,
    failing_since: Option<OffsetDateTime>,
    old_secret_until: Option<OffsetDateTime>,
    version: i32,
    created_by: Uuid,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> Result<Endpoint, StoreError> {
        Ok(Endpoint {
            id: WebhookId::from_uuid(self.id),
            url: self.url,
            description: self.description,
            kinds: self.kinds,
            status: EndpointStatus::read(&self.status, self.disabled_for.as_deref())?,
            disabled_at: self.disabled_at,
            failures: self.failures,
            failing_since: self.failing_since,
            old_secret_until: self.old_secret_until,
            version: self.version,
            creator: UserId::from_uuid(self.created_by),
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
