//! The portal's database in a private server: its roles, and its migrations without the portal.

use std::fs;
use std::path::{Path, PathBuf};

use super::Cluster;
use crate::failure::{Explain as _, Failure, Outcome};

/// Name of the portal's database.
pub(crate) const DATABASE: &str = "portal";

/// Where sqlx notes which migrations ran; queries of the store read it, so it must be there in the
/// form that sqlx gives it.
const MIGRATIONS_TABLE: &str = "\
    CREATE TABLE IF NOT EXISTS _sqlx_migrations (
        version BIGINT PRIMARY KEY,
        description TEXT NOT NULL,
        installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
        success BOOLEAN NOT NULL,
        checksum BYTEA NOT NULL,
        execution_time BIGINT NOT NULL
    );";

/// A line that a migration opens with when it cannot run in a transaction.
const NO_TRANSACTION: &str = "-- no-transaction";

/// The passwords of the roles that `migrations/roles.sql` makes.
#[derive(Clone)]
pub(crate) struct RolePasswords {
    pub(crate) owner: String,
    pub(crate) app: String,
    pub(crate) public: String,
    pub(crate) worker: String,
    pub(crate) ops: String,
}

impl RolePasswords {
    fn variables(&self) -> [(&'static str, &str); 5] {
        [
            ("owner_password", &self.owner),
            ("app_password", &self.app),
            ("public_password", &self.public),
            ("worker_password", &self.worker),
            ("ops_password", &self.ops),
        ]
    }
}

/// Makes the database unless it is there, and brings roles and rights up to date.
pub(crate) fn create_database(
    cluster: &Cluster,
    checkout: &Path,
    passwords: &RolePasswords,
) -> Outcome<()> {
    let create = format!(
        "SELECT 'CREATE DATABASE {DATABASE}' \
         WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = '{DATABASE}') \\gexec\n"
    );
    cluster.script("postgres", &create)?;
    let roles = checkout.join("migrations/roles.sql");
    let mut script: Vec<_> = passwords
        .variables()
        .iter()
        .map(|(name, password)| format!("\\set {name} '{}'\n", quoted(password)))
        .collect();
    script.push(include(&roles));
    cluster.script(DATABASE, &script.concat()).map(drop)
}

/// Applies the numbered migrations in their order through psql: for when the portal, which does
/// this otherwise, cannot be built yet.
pub(crate) fn apply_migrations(
    cluster: &Cluster,
    checkout: &Path,
    passwords: &RolePasswords,
) -> Outcome<()> {
    let files = numbered(&checkout.join("migrations"))?;
    let run = |script: &str| {
        cluster.script_as("portal_owner", &passwords.owner, DATABASE, script).map(drop)
    };
    run(MIGRATIONS_TABLE)?;
    for file in &files {
        let text = fs::read_to_string(file).explain(format_args!("read {}", file.display()))?;
        let script = if text.starts_with(NO_TRANSACTION) {
            include(file)
        } else {
            format!("BEGIN;\n{}COMMIT;\n", include(file))
        };
        run(&script)?;
    }
    Ok(())
}

fn numbered(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).explain(format_args!("list {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| is_migration(file))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(format!("{} holds no migrations", folder.display())));
    }
    Ok(files)
}

/// Migrations are named `0001_what_it_does.sql`; other files in the folder are not.
fn is_migration(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "sql")
        && file.file_name().and_then(|name| name.to_str()?.split_once('_')).is_some_and(
            |(number, _)| !number.is_empty() && number.chars().all(|digit| digit.is_ascii_digit()),
        )
}

/// psql's command to run a file; its errors then name the file and the line.
fn include(file: &Path) -> String {
    format!("\\i '{}'\n", quoted(&file.display().to_string()))
}

/// Text for inside single quotes of a psql command.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_no_migration() {
        assert!(is_migration(Path::new("/m/0001_extensions.sql")));
        assert!(is_migration(Path::new("/m/20260101_jobs.sql")));
        for other in ["/m/roles.sql", "/m/_x.sql", "/m/0001_extensions.md", "/m/load_test.sql"] {
            assert!(!is_migration(Path::new(other)), "{other}");
        }
    }

    #[test]
    fn a_path_with_a_quote_stays_one_word() {
        assert_eq!(include(Path::new("/home/o'neil/r.sql")), "\\i '/home/o\\'neil/r.sql'\n");
    }
}
