//! Which stored files a row names.

use std::collections::HashSet;

use tenancy::TenantId;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// Where the contents of a file of a tenant are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// The name in the file store.
    pub storage_key: String,
}

fn columns(keys: &[FileKey]) -> (Vec<Uuid>, Vec<String>) {
    keys.iter().map(|key| (key.tenant.as_uuid(), key.storage_key.clone())).unzip()
}

/// Those of `keys` whose tenant this database knows.
pub async fn of_known_tenants(
    db: &WorkerDb,
    keys: Vec<FileKey>,
) -> Result<Vec<FileKey>, StoreError> {
    let (tenants, _) = columns(&keys);
    let known = sqlx::query_scalar!("SELECT id FROM tenants WHERE id = ANY($1)", &tenants)
        .fetch_all(db.pool())
        .await?;
    let known: HashSet<Uuid> = known.into_iter().collect();
    Ok(keys.into_iter().filter(|key| known.contains(&key.tenant.as_uuid())).collect())
}

/// Those of `keys` that a row of a candidate's file names.
pub async fn named(db: &WorkerDb, keys: &[FileKey]) -> Result<HashSet<String>, StoreError> {
    let (tenants, storage_keys) = columns(keys);
    let named = sqlx::query_scalar!(
        "SELECT f.storage_key
         FROM unnest($1::uuid[], $2::text[]) AS k (tenant_id, storage_key)
         JOIN candidate_files f
             ON f.tenant_id = k.tenant_id AND f.storage_key = k.storage_key",
        &tenants,
        &storage_keys,
    )
    .fetch_all(db.pool())
    .await?;
    Ok(named.into_iter().collect())
}

/// Files that rows of candidates' files name, written before `before`: those that come after `after`
/// and no later than `until`, in the order of tenants and keys, `limit` at most.
pub async fn named_between(
    db: &WorkerDb,
    after: Option<&FileKey>,
    until: Option<&FileKey>,
    before: OffsetDateTime,
    limit: i64,
) -> Result<Vec<FileKey>, StoreError> {
    let bound = |key: Option<&FileKey>, otherwise: Uuid| {
        key.map_or((otherwise, String::new()), |key| {
            (key.tenant.as_uuid(), key.storage_key.clone())
        })
    };
    let (after_tenant, after_key) = bound(after, Uuid::nil());
    let (until_tenant, until_key) = bound(until, Uuid::max());
    let rows = sqlx::query!(
        "SELECT tenant_id, storage_key FROM candidate_files
         WHERE (tenant_id, storage_key) > ($1, $2) AND (tenant_id, storage_key) <= ($3, $4)
           AND created_at < $5
         ORDER BY tenant_id, storage_key
         LIMIT $6",
        after_tenant,
        after_key,
        until_tenant,
        until_key,
        before,
        limit,
    )
    .fetch_all(db.pool())
    .await?;
    let of_row = |tenant, storage_key| FileKey { tenant: TenantId::from_uuid(tenant), storage_key };
    Ok(rows.into_iter().map(|row| of_row(row.tenant_id, row.storage_key)).collect())
}
