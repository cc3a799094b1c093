//! `cargo xtask prepare`: regenerates `.sqlx`, what the build knows about the SQL queries.
//!
//! The query macros write one file a query into `SQLX_OFFLINE_DIR` when they can ask a database;
//! they never delete one. So they write into an empty folder, which is then compared with, or
//! takes the place of, the committed one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use crate::accounts;
use crate::failure::{Explain as _, Failure, Outcome};
use crate::postgres::{self, Cluster, DATABASE};
use crate::run::Run;
use crate::secrets::Secrets;
use crate::services::Services;
use crate::throwaway;

/// Longest compilation of the store with its dependencies.
const BUILD: Duration = Duration::from_secs(1800);

/// The only crate that has queries.
const PACKAGE: &str = "employer-store";

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    check: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self::default();
        for argument in arguments {
            if argument != "--check" {
                return Err(Failure::new(format!("`prepare` does not know `{argument}`"))
                    .advise("`cargo xtask help` lists what it knows"));
            }
            options.check = true;
        }
        Ok(options)
    }
}

/// Regenerates the folder, or only says whether that would change it.
pub(crate) fn run(run: &Run, options: &Options) -> Outcome<u8> {
    let mut services = throwaway::open(run)?;
    let cluster = throwaway::start_postgres(run, &mut services)?;
    let passwords = Secrets::of_one_run().role_passwords()?;
    run.progress.stage("Applying the migrations", || {
        postgres::create_database(&cluster, &run.checkout, &passwords)?;
        postgres::apply_migrations(&cluster, &run.checkout, &passwords)
    })?;
    let generated = services.folder().join("sqlx");
    accounts::make_private(&generated, None)?;
    run.progress.stage("Asking the database about every query", || {
        describe_queries(run, &mut services, &cluster, &generated)
    })?;
    let committed = run.checkout.join(".sqlx");
    let changes = changes(&contents(&committed)?, &contents(&generated)?);
    if changes.is_empty() {
        run.progress.note(".sqlx is up to date");
    } else if options.check {
        return Err(Failure::new(format!(".sqlx is out of date: {}", changes.join(", ")))
            .advise("run `cargo xtask prepare` and commit .sqlx with the change of the queries"));
    } else {
        replace(&committed, &generated)?;
        run.progress.note(&format!(".sqlx: {}", changes.join(", ")));
    }
    Ok(0)
}

/// Compiles the store against the database. The queries are those of several roles, and no single
/// one of them may run them all: the superuser may.
fn describe_queries(
    run: &Run,
    services: &mut Services,
    cluster: &Cluster,
    generated: &Path,
) -> Outcome<()> {
    // Cargo does not know that the macros depend on a database: a new time makes it compile again.
    let library = run.checkout.join("crates").join(PACKAGE).join("src/lib.rs");
    File::options()
        .append(true)
        .open(&library)
        .and_then(|file| file.set_modified(now()))
        .explain(format_args!("touch {}", library.display()))?;
    let mut cargo = run.cargo();
    cargo
        .args(["check", "--package", PACKAGE, "--lib", "--tests"])
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", generated)
        .env("DATABASE_URL", cluster.superuser_url(DATABASE));
    let status = services.accompany(cargo, "cargo check", BUILD)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("cargo check failed ({status})"))
        .advise("the messages above name the query that the database refuses"))
}

#[expect(clippy::disallowed_methods, reason = "the time of a file, not of the portal")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// The files of a folder by name; a missing folder has none.
fn contents(folder: &Path) -> Outcome<BTreeMap<String, String>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(BTreeMap::new()) };
    entries
        .flatten()
        .map(|entry| {
            let path = entry.path();
            let text =
                fs::read_to_string(&path).explain(format_args!("read {}", path.display()))?;
            Ok((entry.file_name().to_string_lossy().into_owned(), text))
        })
        .collect()
}

/// What is new, changed and gone, in words.
fn changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let added = new.keys().filter(|name| !old.contains_key(*name)).count();
    let changed =
        new.iter().filter(|(name, text)| old.get(*name).is_some_and(|o| o != *text)).count();
    let removed = old.keys().filter(|name| !new.contains_key(*name)).count();
    [(added, "added"), (changed, "changed"), (removed, "removed")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect()
}

fn replace(committed: &Path, generated: &Path) -> Outcome<()> {
    postgres::remove_if_there(committed)?;
    fs::create_dir(committed).explain(format_args!("make {}", committed.display()))?;
    for (name, text) in contents(generated)? {
        let path = committed.join(name);
        fs::write(&path, text).explain(format_args!("write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> BTreeMap<String, String> {
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn changes_are_told_by_kind() {
        let old = files(&[("kept", "1"), ("changed", "1"), ("gone", "1")]);
        let new = files(&[("kept", "1"), ("changed", "2"), ("new", "1"), ("newer", "1")]);
        assert_eq!(changes(&old, &new), ["2 added", "1 changed", "1 removed"]);
        assert!(changes(&old, &old).is_empty());
    }

    #[test]
    fn the_committed_folder_becomes_the_generated_one() {
        let folder = tempfile::tempdir().unwrap();
        let (committed, generated) = (folder.path().join("old"), folder.path().join("new"));
        fs::create_dir(&committed).unwrap();
        fs::create_dir(&generated).unwrap();
        fs::write(committed.join("gone.json"), "1").unwrap();
        fs::write(generated.join("new.json"), "2").unwrap();
        replace(&committed, &generated).unwrap();
        assert_eq!(contents(&committed).unwrap(), files(&[("new.json", "2")]));
        assert!(contents(&folder.path().join("none")).unwrap().is_empty());
    }
}
