//! Where the database is, and the pools that connections to it come from.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::Instant;

use crate::error::StoreError;

/// A connection that has been idle for longer is asked for a sign of life before it is used, so
/// that a restart of the database costs no request. Below, the round trip would cost more than
/// it saves.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Longest wait for a look-up by key. Whoever keeps such an answer counts on it.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// How to reach the database in one role.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `postgres://role:password@host:port/database`
    pub url: SecretString,
    /// Connections at most; at least 1 is used.
    pub max_connections: u32,
    /// How long a caller waits for a connection, connecting included.
    pub acquire_timeout: Duration,
    /// How long a statement may run before the server cancels it.
    pub statement_timeout: Duration,
}

pub(crate) fn connect_options(
    settings: &DatabaseSettings,
    application_name: &str,
) -> Result<PgConnectOptions, StoreError> {
    let options = parse_address(settings.url.expose_secret())?;
    let statement_timeout = settings.statement_timeout.as_millis().to_string();
    Ok(options.application_name(application_name).options([
        ("search_path", "public"),
        // List statements carry filters that are mostly absent. Planned once for all of them, the
        // server would have to assume that each is present; planned for the values at hand, an
        // absent one vanishes and the rest find their index.
        ("plan_cache_mode", "force_custom_plan"),
        ("statement_timeout", statement_timeout.as_str()),
        // A caller that went away inside a transaction must not hold row locks for ever.
        ("idle_in_transaction_session_timeout", "60000"),
        // Counting a large tenant sorts and hashes in memory instead of on disk.
        ("work_mem", "16MB"),
        // Requests run side by side; one that takes all cores makes the others wait.
        ("max_parallel_workers_per_gather", "0"),
        // Storage without moving heads: an index is not shunned for its scattered pages.
        ("random_page_cost", "1.1"),
        // Statements here are short; compiling them costs more than it saves.
        ("jit", "off"),
    ]))
}

/// Whether `url` can be the address of a database, as far as that shows without connecting.
pub fn check_address(url: &SecretString) -> Result<(), StoreError> {
    parse_address(url.expose_secret()).map(drop)
}

pub(crate) fn parse_address(url: &str) -> Result<PgConnectOptions, StoreError> {
    // The driver would take any scheme and connect as if it were its own.
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(StoreError::Address);
    }
    url.parse().map_err(|_| StoreError::Address)
}

pub(crate) fn pool(
    settings: &DatabaseSettings,
    application_name: &str,
) -> Result<PgPool, StoreError> {
    let options = connect_options(settings, application_name)?;
    Ok(PgPoolOptions::new()
        .max_connections(settings.max_connections.max(1))
        .acquire_timeout(settings.acquire_timeout)
        .idle_timeout(Duration::from_secs(5 * 60))
        .max_lifetime(Duration::from_secs(30 * 60))
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_IDLE {
                    sqlx::Connection::ping(connection).await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

/// Waits for an answer that is small and quick to make, no longer than [`ANSWER_DEADLINE`]: the
/// server's own time limit does not help against a server that went away without a word.
pub(crate) async fn within_deadline<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER_DEADLINE, answer).await {
        Ok(answer) => Ok(answer?),
        Err(elapsed) => Err(StoreError::Unavailable(sqlx::Error::Io(elapsed.into()))),
    }
}

/// Looks at a pool of connections, and at nothing behind it.
#[derive(Clone, Debug)]
pub struct PoolWatch(PgPool);

/// A pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolFigures {
    /// Connections that are open, in use or not.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// How many may be open.
    pub max: u32,
}

impl PoolWatch {
    pub(crate) fn of(pool: &PgPool) -> Self {
        Self(pool.clone())
    }

    /// How it is now. Costs no round trip.
    pub fn figures(&self) -> PoolFigures {
        let open = self.0.size();
        // Taken one after the other: a connection may have come or gone in between.
        let idle = u32::try_from(self.0.num_idle()).unwrap_or(u32::MAX).min(open);
        PoolFigures { open, idle, max: self.0.options().get_max_connections() }
    }
}

/// One round trip, timed.
pub(crate) async fn ping(pool: &PgPool) -> Result<Duration, StoreError> {
    let started = Instant::now();
    within_deadline(sqlx::query_scalar!(r#"SELECT 1 AS "one!""#).fetch_one(pool)).await?;
    Ok(started.elapsed())
}
