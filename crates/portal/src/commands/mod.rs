//! What the command line can ask for.

mod cache;
mod check;
mod data;
mod redis_check;
mod serve;

use std::io::Write;

pub(crate) use cache::rotate_keys;
pub(crate) use check::{check_config, openapi};
pub(crate) use data::{SeedArguments, migrate, seed};
pub(crate) use redis_check::{RedisCheckArguments, redis_check};
pub(crate) use serve::serve;

use crate::settings::InvalidSettings;
use crate::telemetry::InvalidFilter;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    #[error(transparent)]
    Telemetry(#[from] InvalidFilter),
    #[error("{0} cannot be used as PORTAL_LISTEN")]
    Listen(String, #[source] std::io::Error),
    #[error("the database of {0} is not fit for serving")]
    Database(&'static str, #[source] employer_store::StoreError),
    #[error("the migrations could not be applied to the database of DATABASE_OWNER_URL")]
    Migrate(#[source] employer_store::StoreError),
    #[error("the data could not be loaded into the database of DATABASE_OWNER_URL")]
    Seed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// One line that names the variable and what to do.
    #[error("{0}")]
    Redis(String),
    #[error("the Redis service did not pass: {0}")]
    RedisCheck(String),
    #[error("CACHE_ENCRYPTION_KEYS is not set")]
    CacheKeys(#[source] tenant_cache::SealingKeyMissing),
    #[error("the store for files cannot be used as it is set up")]
    Files(#[source] object_store::Error),
    #[error("SESSION_KEYS cannot be used for the tokens of sessions")]
    SessionKeys(#[source] sealing::InvalidKeyRing),
    #[error("webhooks cannot be sent")]
    Webhooks(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a key could not be made")]
    FreshKey(#[source] sealing::SealError),
    #[error("the client for the identity provider could not be made")]
    IdentityProvider(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server failed")]
    Server(#[source] std::io::Error),
    #[error("the output could not be written")]
    Output(#[source] std::io::Error),
}

/// Runs `task` on a runtime of its own.
fn block_on<T>(task: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    actix_web::rt::System::new().block_on(task)
}

/// Writes one line to standard output.
fn say(line: impl AsRef<str>) -> Result<(), CommandError> {
    let text = format!("{}\n", line.as_ref());
    std::io::stdout().write_all(text.as_bytes()).map_err(CommandError::Output)
}
