//! Files of candidates: what is known about them. The contents are not in the database.

mod named;

pub use named::{FileKey, named, named_between, of_known_tenants};

use tenancy::{ApplicationId, JobView};
use uuid::Uuid;

use crate::applications::ScanState;
use crate::audit;
use crate::error::StoreError;
use crate::jobs::word;
use crate::tenant_db::TenantTx;

/// A file that may be given out, and where its contents are.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Names the contents in the file store.
    pub storage_key: String,
    /// What the person called it.
    pub name: String,
    /// Its media type, by what it contains.
    pub mime: String,
    /// Its size.
    pub bytes: i64,
    /// SHA-256 of the contents.
    pub sha256: Vec<u8>,
    /// Whether it was looked at for what harms.
    pub scan_state: ScanState,
}

/// Without the name, which is mostly the person's.
impl std::fmt::Debug for StoredFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StoredFile").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// The file of an application, where the view shows the application's job. That somebody takes a
/// copy of it leaves a row in the audit trail of the same transaction.
pub async fn take_file(
    tx: &mut TenantTx,
    view: JobView,
    application: ApplicationId,
    file: Uuid,
) -> Result<Option<StoredFile>, StoreError> {
    let (tenant, assigned) = (tx.tenant(), crate::applications::assigned(view));
    let row = sqlx::query!(
        "SELECT f.storage_key, f.file_name, f.mime, f.bytes, f.sha256, f.scan_state
         FROM candidate_files f
         JOIN applications a ON a.tenant_id = $1 AND a.id = f.application_id
         WHERE f.tenant_id = $1 AND f.application_id = $2 AND f.id = $3
           AND ($4::uuid IS NULL OR EXISTS (
               SELECT 1 FROM job_team t
               WHERE t.tenant_id = $1 AND t.job_id = a.job_id AND t.user_id = $4))",
        tenant,
        application.as_uuid(),
        file,
        assigned as Option<Uuid>,
    )
    .fetch_optional(tx.connection())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let detail = serde_json::json!({ "application": application });
    audit::record(tx, "candidate_file_read", &format!("file:{file}"), detail, None).await?;
    Ok(Some(StoredFile {
        storage_key: row.storage_key,
        name: row.file_name,
        mime: row.mime,
        bytes: row.bytes,
        sha256: row.sha256,
        scan_state: word(&row.scan_state)?,
    }))
}
