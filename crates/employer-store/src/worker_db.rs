//! The database in the role of the background workers.

use std::time::Duration;

use sqlx::PgPool;

use crate::database::{self, DatabaseSettings, PoolWatch};
use crate::error::StoreError;
use crate::verify;

/// The database in the role `portal_worker`, which works over all tenants: it relays the outbox,
/// tells people of events, closes jobs and clears away what is over. It knows members by id, role
/// and team alone, and reads no candidates or drafts' texts for anybody; handlers never get one.
/// Cheap to clone; connects when it is first needed.
#[derive(Clone, Debug)]
pub struct WorkerDb {
    pool: PgPool,
}

impl WorkerDb {
    /// Prepares the pool; no connection is made yet.
    pub fn connect_lazily(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        Ok(Self { pool: database::pool(settings, "portal-worker")? })
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

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }
}
