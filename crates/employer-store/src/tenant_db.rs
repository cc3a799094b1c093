//! The only way to tenant tables: a transaction that knows its tenant.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Transaction};
use tenancy::{Actor, EventKind, TenantScope, UserId};
use uuid::Uuid;

use crate::audit::RequestOrigin;
use crate::database::{self, DatabaseSettings, PoolWatch};
use crate::error::{StoreError, is_connection_lost};
use crate::outage::Outage;
use crate::outbox::OutboxEvent;
use crate::verify;

/// The database in the application's role. Cheap to clone; connects when it is first needed.
#[derive(Clone, Debug)]
pub struct TenantDb {
    pool: PgPool,
    outage: Arc<Outage>,
}

impl TenantDb {
    /// Prepares the pool; no connection is made yet.
    pub fn connect_lazily(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        Ok(Self { pool: database::pool(settings, "portal")?, outage: Arc::default() })
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

    /// Begins a transaction in the scope's tenant, in the name of `actor`.
    pub async fn begin(&self, scope: &TenantScope, actor: &Actor) -> Result<TenantTx, StoreError> {
        self.open("BEGIN", scope, actor.clone()).await
    }

    /// Begins a transaction in the scope's tenant that cannot write.
    pub async fn begin_read(&self, scope: &TenantScope) -> Result<TenantTx, StoreError> {
        self.open("BEGIN READ ONLY", scope, Actor::System("read")).await
    }

    /// The same, where all that is read is of one moment.
    pub async fn begin_snapshot(&self, scope: &TenantScope) -> Result<TenantTx, StoreError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.open(begin, scope, Actor::System("read")).await
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

    /// Asks for something that is small and quick to answer, before a tenant is known, and once more
    /// where the connection had died unnoticed. While the database is away, one caller at a time
    /// finds out.
    pub(crate) async fn answered<T, F>(&self, ask: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let attempt = self.outage.admit().ok_or(StoreError::Away)?;
        let answer = database::within_deadline(async {
            match ask().await {
                Err(error) if is_connection_lost(&error) => ask().await,
                answer => answer,
            }
        })
        .await;
        match &answer {
            Ok(_) => attempt.succeeded(),
            Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)) => attempt.waited_in_vain(),
            Err(_) => {}
        }
        answer
    }

    async fn open(
        &self,
        begin: &str,
        scope: &TenantScope,
        actor: Actor,
    ) -> Result<TenantTx, StoreError> {
        // One message opens the transaction and names the tenant, so there is no moment in which
        // one exists without the other. A uuid and a doubled quote cannot end the literal.
        let opening = format!(
            "{begin}; SELECT set_config('app.tenant_id', '{}', true), \
             set_config('app.actor', '{}', true){}",
            scope.tenant(),
            actor.audit_name().replace('\'', "''"),
            RequestOrigin::settings(),
        );
        let inner = self.begin_with(opening).await?;
        Ok(TenantTx { inner, scope: scope.clone(), actor, events: Vec::new() })
    }

    async fn begin_with(
        &self,
        opening: String,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        let attempt = self.outage.admit().ok_or(StoreError::Away)?;
        let opened = match self.pool.begin_with(AssertSqlSafe(opening.clone())).await {
            // The pooled connection had died unnoticed; nothing was done yet, so another is tried.
            Err(error) if is_connection_lost(&error) => {
                self.pool.begin_with(AssertSqlSafe(opening)).await
            }
            opened => opened,
        };
        match &opened {
            Ok(_) => attempt.succeeded(),
            Err(sqlx::Error::PoolTimedOut) => attempt.waited_in_vain(),
            Err(_) => {}
        }
        Ok(opened?)
    }
}

/// A transaction that sees and writes the rows of one tenant. Dropped without
/// [`commit`](Self::commit) it is rolled back, and its tenant is forgotten with it.
#[derive(Debug)]
pub struct TenantTx {
    inner: Transaction<'static, Postgres>,
    scope: TenantScope,
    actor: Actor,
    events: Vec<OutboxEvent>,
}

impl TenantTx {
    /// The tenant that this transaction is in.
    pub const fn scope(&self) -> &TenantScope {
        &self.scope
    }

    /// In whose name it acts.
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Makes the changes lasting. Returns the events that were written along with them, for the
    /// caller to act on at once; whatever it does not acknowledge, the relay repeats.
    #[must_use = "the events say which cached answers are wrong from now on"]
    pub async fn commit(self) -> Result<Vec<OutboxEvent>, StoreError> {
        self.inner.commit().await?;
        Ok(self.events)
    }

    /// Gives up the changes at once, instead of when the connection is used next.
    pub async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.inner.rollback().await?)
    }

    /// Writes an event that leaves with this transaction, and only if it commits.
    pub(crate) async fn emit(
        &mut self,
        kind: EventKind,
        subject: Option<Uuid>,
        payload: serde_json::Value,
    ) -> Result<(), StoreError> {
        let (event_id, actor) = (Uuid::now_v7(), self.actor.user());
        let row = sqlx::query!(
            "INSERT INTO outbox (tenant_id, kind, subject, payload, event_id, actor)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, at",
            self.tenant(),
            kind.as_str(),
            subject,
            payload,
            event_id,
            actor.map(UserId::as_uuid),
        )
        .fetch_one(&mut *self.inner)
        .await?;
        self.events.push(OutboxEvent {
            id: row.id,
            event_id,
            tenant: self.scope.tenant(),
            org: self.scope.org().clone(),
            kind,
            subject,
            actor,
            payload,
            at: row.at,
        });
        Ok(())
    }

    pub(crate) fn tenant(&self) -> Uuid {
        self.scope.tenant().as_uuid()
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

#[cfg(test)]
mod tests {
    use tenancy::{Evidence, TenantId};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn an_outage_is_waited_for_once() {
        const WAIT: Duration = Duration::from_millis(300);
        let db = TenantDb::connect_lazily(&DatabaseSettings {
            // Port 1 is nobody's: connections are refused.
            url: "postgres://nobody@127.0.0.1:1/none".into(),
            max_connections: 2,
            acquire_timeout: WAIT,
            statement_timeout: WAIT,
        })
        .unwrap();
        #[expect(clippy::disallowed_methods, reason = "there is nothing to verify in a unit test")]
        let scope = TenantScope::from_verified(
            TenantId::from_uuid(Uuid::nil()),
            "org_a".parse().unwrap(),
            Evidence::SystemTask("test"),
        );
        assert!(db.begin_read(&scope).await.unwrap_err().is_unavailable());
        let others = async {
            let started = Instant::now();
            for _ in 0..20 {
                assert!(matches!(db.begin_read(&scope).await, Err(StoreError::Away)));
            }
            assert!(started.elapsed() < WAIT);
        };
        let (trial, ()) = tokio::join!(biased; db.begin_read(&scope), others);
        assert!(matches!(trial, Err(StoreError::Unavailable(_))));
    }
}
