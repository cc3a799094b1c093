//! Brings a database up to this version's schema; forward only.

use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Connection, PgConnection};

use crate::database::{self, DatabaseSettings};
use crate::error::StoreError;

/// The files of `migrations/`, compiled in.
pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// The roles that the database needs before the first migration, as psql runs it.
pub const ROLES_SQL: &str = include_str!("../../../migrations/roles.sql");

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationReport {
    /// The versions that ran just now, in order.
    pub applied: Vec<i64>,
    /// The version that the database has now.
    pub version: i64,
}

/// Runs what has not run yet, in the owner's role, one transaction a migration. Two runs at once
/// wait for each other. A migration that ran in another form is refused.
pub async fn run(owner: &DatabaseSettings) -> Result<MigrationReport, StoreError> {
    let options = database::connect_options(owner, "portal-migrate")?
        // An index on a large table takes its time; a migration is watched by who runs it.
        .options([("statement_timeout", "0"), ("lock_timeout", "10000")]);
    let connect = PgConnection::connect_with(&options);
    let mut connection = tokio::time::timeout(owner.acquire_timeout, connect)
        .await
        .map_err(|_| StoreError::Unavailable(sqlx::Error::PoolTimedOut))??;
    let outcome = run_on(&mut connection).await;
    connection.close().await?;
    outcome
}

async fn run_on(connection: &mut PgConnection) -> Result<MigrationReport, StoreError> {
    connection.ensure_migrations_table(&MIGRATOR.table_name).await.map_err(failed)?;
    let before = connection.list_applied_migrations(&MIGRATOR.table_name).await.map_err(failed)?;
    MIGRATOR.run(&mut *connection).await.map_err(failed)?;
    let versions = || MIGRATOR.iter().map(|migration| migration.version);
    let was_applied = |version: &i64| before.iter().any(|ran| ran.version == *version);
    Ok(MigrationReport {
        applied: versions().filter(|version| !was_applied(version)).collect(),
        version: versions().max().unwrap_or_default(),
    })
}

fn failed(error: sqlx::migrate::MigrateError) -> StoreError {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => match StoreError::from(error) {
            StoreError::Sql(error) => {
                StoreError::Migration(Box::new(sqlx::migrate::MigrateError::Execute(error)))
            }
            unavailable => unavailable,
        },
        error => StoreError::Migration(Box::new(error)),
    }
}
