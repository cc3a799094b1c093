//! Where PostgreSQL's programs are.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host;
use crate::processes::{capture, command};

/// Oldest major version whose features the migrations use.
pub(crate) const OLDEST: u32 = 15;

/// What a folder must hold to count. A lone `pg_ctl` or `psql` on the PATH may be a wrapper that
/// switches users or picks another version.
const NEEDED: [&str; 4] = ["postgres", "initdb", "psql", "pg_isready"];

/// Folders of versions, for each way of installing: the parent, and the folder inside a version's.
const INSTALLATIONS: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/Library/PostgreSQL", "bin"),
];

/// The programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) folder: PathBuf,
    pub(crate) major: u32,
    /// As the server names it, for instance `16.4`.
    pub(crate) version: String,
}

impl Binaries {
    /// The path of one of the programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// All that are installed.
    pub(crate) fn installed() -> Vec<Self> {
        let mut folders = Vec::new();
        for (parent, inside) in INSTALLATIONS {
            folders.extend(version_folders(Path::new(parent)).map(|folder| folder.join(inside)));
        }
        // A program on the PATH may be a link into the folder where the others are.
        folders.extend(host::program_folders().iter().filter_map(|folder| {
            Some(folder.join("postgres").canonicalize().ok()?.parent()?.to_path_buf())
        }));
        folders.sort();
        folders.dedup();
        folders.into_iter().filter_map(Self::in_folder).collect()
    }

    fn in_folder(folder: PathBuf) -> Option<Self> {
        if !NEEDED.iter().all(|name| host::is_program(&folder.join(name))) {
            return None;
        }
        let mut postgres = command(folder.join("postgres"));
        postgres.arg("--version");
        let answer = capture(&mut postgres, Duration::from_secs(10)).ok()?;
        let (major, version) = parse_version(&answer.output)?;
        Some(Self { folder, major, version })
    }
}

/// Folders named after PostgreSQL (`pgsql-16`, `postgresql@16`) or after a version (`16`).
fn version_folders(parent: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(parent).into_iter().flatten().filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let is_version = name.starts_with("pgsql")
            || name.starts_with("postgresql")
            || name.chars().all(|character| character.is_ascii_digit());
        is_version.then(|| entry.path())
    })
}

/// The newest version that is new enough; of data that exists already, only its own version will do.
pub(crate) fn choose(installed: Vec<Binaries>, data_is_of: Option<u32>) -> Option<Binaries> {
    installed
        .into_iter()
        .filter(|binaries| match data_is_of {
            Some(major) => binaries.major == major,
            None => binaries.major >= OLDEST,
        })
        .max_by_key(|binaries| {
            let minor = binaries.version.split('.').nth(1).and_then(|minor| minor.parse().ok());
            (binaries.major, minor.unwrap_or(0_u32))
        })
}

/// Reads `postgres (PostgreSQL) 16.4 (Debian 16.4-1)`.
fn parse_version(answer: &str) -> Option<(u32, String)> {
    let version = answer.split("(PostgreSQL)").nth(1)?.split_whitespace().next()?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((digits.parse().ok()?, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(version: &str) -> Binaries {
        let (major, version) = parse_version(&format!("postgres (PostgreSQL) {version}")).unwrap();
        Binaries {
            folder: PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")),
            major,
            version,
        }
    }

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        let debian = parse_version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n");
        assert_eq!(debian, Some((15, "15.13".into())));
        assert_eq!(parse_version("postgres (PostgreSQL) 19beta2"), Some((19, "19beta2".into())));
        assert_eq!(parse_version("usage: postgres"), None);
    }

    #[test]
    fn the_newest_is_chosen_and_old_ones_are_not() {
        let installed = ["14.20", "15.9", "17.2", "17.10"].map(version).to_vec();
        assert_eq!(choose(installed.clone(), None).unwrap().version, "17.10");
        assert_eq!(choose(vec![version("14.20")], None), None);
        assert_eq!(choose(installed, Some(15)).unwrap().version, "15.9");
    }

    #[test]
    fn data_of_a_version_that_is_gone_has_no_binaries() {
        assert_eq!(choose(vec![version("17.2")], Some(16)), None);
    }
}
