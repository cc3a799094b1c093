//! What can go wrong between the portal and its database.

use std::borrow::Cow;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database does not answer, or not in time; the same call may succeed later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database did not answer others a moment ago, and was not asked again.
    #[error("the database was not available a moment ago")]
    Away,
    /// The database answered what this version cannot take for true.
    #[error("the database holds a {what} that this version does not know")]
    Inconsistent {
        /// What was read.
        what: Cow<'static, str>,
    },
    /// The database refused a statement.
    #[error("the database refused a statement")]
    Sql(#[source] sqlx::Error),
    /// The role that connects, or a table, would let rows out of their tenant.
    #[error("unsafe database role or table: {0}")]
    Role(String),
    /// The migrations that ran in this database are not those of this version.
    #[error("the database schema does not fit this version: {0}")]
    Schema(String),
    /// A migration failed.
    #[error("a migration failed")]
    Migration(#[source] Box<sqlx::migrate::MigrateError>),
    /// The address of the database cannot be read. It may hold a password, so it is not repeated.
    #[error("the database address is not a postgres:// URL")]
    Address,
}

impl StoreError {
    /// Whether waiting helps: the caller answers 503, and repeats what may be repeated.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Away)
    }

    /// What kind of failure it was, in a word that quotes nothing: the server's code where it gave
    /// one.
    pub fn class(&self) -> String {
        match self {
            Self::Sql(sqlx::Error::Database(error))
            | Self::Unavailable(sqlx::Error::Database(error)) => {
                error.code().map_or_else(|| "sql".to_owned(), |code| format!("sql {code}"))
            }
            Self::Sql(_) => "sql".to_owned(),
            Self::Unavailable(_) | Self::Away => "unavailable".to_owned(),
            Self::Inconsistent { .. } => "inconsistent".to_owned(),
            Self::Role(_) | Self::Schema(_) | Self::Migration(_) | Self::Address => {
                "setup".to_owned()
            }
        }
    }

    /// Whether trying the same again at once may well succeed: two transactions got in each other's
    /// way.
    pub fn is_collision(&self) -> bool {
        matches!(self, Self::Sql(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| matches!(&*code, "40001" | "40P01")))
    }

    /// Whether the server ended the statement for taking longer than it may.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Unavailable(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| code == "57014"))
    }

    /// Whether what was asked may have been done all the same: it was sent, and the answer did not
    /// come or could not be read. Where the database says no, it did nothing.
    pub fn leaves_open(&self) -> bool {
        use sqlx::Error::{Configuration, Database, PoolClosed, PoolTimedOut, Tls};
        match self {
            Self::Unavailable(error) | Self::Sql(error) => match error {
                Database(error) => error.code().is_none_or(|code| is_end_of_connection(&code)),
                Configuration(_) | PoolClosed | PoolTimedOut | Tls(_) => false,
                _ => true,
            },
            Self::Inconsistent { .. } => true,
            Self::Away | Self::Role(_) | Self::Schema(_) | Self::Migration(_) | Self::Address => {
                false
            }
        }
    }

    pub(crate) fn inconsistent(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Inconsistent { what: what.into() }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_outage(&error) { Self::Unavailable(error) } else { Self::Sql(error) }
    }
}

fn is_outage(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
    match error {
        // Protocol: a server that goes down may end the stream in the middle of a message.
        Io(_) | Tls(_) | PoolTimedOut | PoolClosed | WorkerCrashed | Protocol(_) => true,
        Database(error) => error.code().is_some_and(|code| is_outage_code(&code)),
        _ => false,
    }
}

/// Whether the connection itself is gone: another one may do.
pub(crate) fn is_connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05"))
        }
        _ => false,
    }
}

/// Shutdown, start-up, crash (57P0x), cancelled by a timeout (57014), no connection left or out of
/// memory or disk (53xxx), connection lost (08xxx), a standby after a failover (25006).
fn is_outage_code(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "57014" | "25006")
        || code.starts_with("53")
        || code.starts_with("08")
}

/// Whether the code tells of the end of a connection and not of a statement: a commit may have been
/// waiting for its answer. What stands between us and the database says 08xxx.
fn is_end_of_connection(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P05" | "40003") || code.starts_with("08")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_from_a_refusal() {
        for code in ["57P01", "57P02", "57P03", "57014", "53300", "08006"] {
            assert!(is_outage_code(code), "{code}");
        }
        for code in ["23505", "42501", "22P02", "40001"] {
            assert!(!is_outage_code(code), "{code}");
        }
        assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_unavailable());
        assert!(!StoreError::from(sqlx::Error::RowNotFound).is_unavailable());
    }

    #[test]
    fn a_lost_answer_is_told_from_a_refusal() {
        for code in ["57P01", "57P02", "08006", "08P01"] {
            assert!(is_end_of_connection(code), "{code}");
        }
        for code in ["23514", "57014", "53300", "25006", "40001", "57P03"] {
            assert!(!is_end_of_connection(code), "{code}");
        }
        let cut = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(StoreError::from(cut()).leaves_open());
        assert!(StoreError::from(sqlx::Error::RowNotFound).leaves_open());
        assert!(StoreError::inconsistent("answer").leaves_open());
        assert!(!StoreError::from(sqlx::Error::PoolTimedOut).leaves_open());
        assert!(!StoreError::Away.leaves_open());
    }
}
