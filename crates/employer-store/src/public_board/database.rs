//! The database in the role of the public, and what it is asked for.

use std::time::Duration;

use sqlx::PgPool;
use tenancy::{JobId, OrgId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::database::{self, DatabaseSettings, PoolWatch, within_deadline};
use crate::error::StoreError;
use crate::outbox::read_org;
use crate::verify;

/// The database in the role `portal_public`. Cheap to clone; connects when it is first needed.
#[derive(Clone, Debug)]
pub struct PublicDb {
    pool: PgPool,
}

/// The public board of an active tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Whose it is.
    pub tenant: TenantId,
    /// The tenant's organization.
    pub org: OrgId,
    /// What the employer is called.
    pub name: String,
    /// The privacy notice that applicants have to agree to, where there is one.
    pub consent_version: Option<String>,
}

/// A published job, as far as applying for it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicJob {
    /// The job.
    pub id: JobId,
    /// When it closes by itself.
    pub valid_through: Option<OffsetDateTime>,
}

impl PublicDb {
    /// Prepares the pool; no connection is made yet.
    pub fn connect_lazily(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        Ok(Self { pool: database::pool(settings, "portal-public")? })
    }

    /// Refuses a role or a table that would let rows out of their tenant, and a schema that is not
    /// this version's. To be called at start.
    pub async fn verify(&self) -> Result<(), StoreError> {
        verify::role_and_tables(&self.pool).await?;
        verify::schema(&self.pool).await
    }

    /// One round trip to the database, timed.
    pub async fn ping(&self) -> Result<Duration, StoreError> {
        database::ping(&self.pool).await
    }

    /// What tells how many connections there are.
    pub fn pool_watch(&self) -> PoolWatch {
        PoolWatch::of(&self.pool)
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The board with this name. No such tenant, one that is not active and one that has switched
    /// its board off are the same to whoever asks: none.
    pub async fn find_board(&self, slug: &str) -> Result<Option<Board>, StoreError> {
        let row = within_deadline(
            sqlx::query!(
                r#"SELECT tenant_id AS "tenant_id!", org_id AS "org_id!", name AS "name!",
                          consent_version
                   FROM resolve_board($1)"#,
                slug,
            )
            .fetch_optional(&self.pool),
        )
        .await?;
        row.map(|row| {
            Ok(Board {
                tenant: TenantId::from_uuid(row.tenant_id),
                org: read_org(&row.org_id)?,
                name: row.name,
                consent_version: row.consent_version,
            })
        })
        .transpose()
    }

    /// The published job of the board with this name. One whose last day has passed is none, even
    /// before the worker has closed it.
    pub async fn find_job(
        &self,
        board: &Board,
        slug: &str,
    ) -> Result<Option<PublicJob>, StoreError> {
        let row = within_deadline(
            sqlx::query!(
                "SELECT job_id, valid_through FROM public_jobs
                 WHERE tenant_id = $1 AND slug = $2
                   AND (valid_through IS NULL OR valid_through > now())",
                board.tenant.as_uuid(),
                slug,
            )
            .fetch_optional(&self.pool),
        )
        .await?;
        Ok(row.map(|row| PublicJob {
            id: JobId::from_uuid(row.job_id),
            valid_through: row.valid_through,
        }))
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// The order of ids in storage is theirs in time.
pub(super) fn new_id() -> Uuid {
    Uuid::now_v7()
}
