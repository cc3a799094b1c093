//! A private PostgreSQL server: made, started, asked. Its passwords are random, it listens on the
//! loopback address only, and when we are root it runs as somebody else.

mod binaries;
mod database;
mod home;

pub(crate) use self::binaries::{Binaries, OLDEST, choose};
pub(crate) use self::database::{DATABASE, RolePasswords, apply_migrations, create_database};
pub(crate) use self::home::{of_checkout, outside};

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::accounts::{self, Account};
use crate::failure::{Explain as _, Failure, Outcome};
use crate::ledger::{Ending, Entry};
use crate::ports;
use crate::processes::{birth_mark, capture, capture_with_input, command};
use crate::run::Run;
use crate::secrets;
use crate::services::Services;

/// Name of the service in messages and of its log.
const NAME: &str = "postgres";
/// Longest wait for a start; replaying the log after a crash takes a while on a slow disk.
const START: Duration = Duration::from_secs(90);
/// Longest time for a script: roles, a database, the migrations.
const SCRIPT: Duration = Duration::from_secs(300);
/// Times another port is tried when somebody takes the one we found before the server does.
const PORT_ATTEMPTS: usize = 3;

/// What happens to the data after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It is all there.
    Kept,
    /// It may be lost: the server lives for one test run and is much faster that way.
    ThrownAway,
    /// As in production, for measurements; and the server notes when everything was committed.
    Measured,
}

impl Durability {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Kept => &["shared_buffers=256MB", "max_wal_size=2GB", "random_page_cost=1.1"],
            Self::ThrownAway => &[
                "shared_buffers=128MB",
                "max_connections=200",
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
                "random_page_cost=1.1",
            ],
            Self::Measured => &[
                "shared_buffers=256MB",
                "max_connections=200",
                "max_wal_size=2GB",
                "random_page_cost=1.1",
                "track_commit_timestamp=on",
            ],
        }
    }
}

/// A private server and what is needed to reach it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) binaries: Binaries,
    pub(crate) account: Option<Account>,
    pub(crate) port: u16,
    home: PathBuf,
    password: String,
    durability: Durability,
}

impl Cluster {
    /// The major version of data that is in `home` already.
    pub(crate) fn version_of_data(home: &Path) -> Option<u32> {
        fs::read_to_string(data_folder(home).join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// Makes the server's data in `home` unless it is there. `password` is the superuser's.
    pub(crate) fn create(
        binaries: Binaries,
        account: Option<Account>,
        home: &Path,
        password: &str,
        durability: Durability,
    ) -> Outcome<Self> {
        accounts::make_private(home, account.as_ref())?;
        let cluster = Self {
            binaries,
            account,
            port: 0,
            home: home.to_path_buf(),
            password: password.to_owned(),
            durability,
        };
        if Self::version_of_data(home).is_none() {
            cluster.initialize()?;
        }
        Ok(cluster)
    }

    /// Makes the data under another name and moves it into place, so that data which is there is
    /// complete whatever happened in between.
    fn initialize(&self) -> Outcome<()> {
        let new = self.home.join("data.new");
        remove_if_there(&new)?;
        let password_file = self.home.join("password.new");
        secrets::write_private(&password_file, &self.password)?;
        if let Some(account) = &self.account {
            account.own(&password_file)?;
        }
        let mut initdb = self.program("initdb");
        initdb
            .args(["--encoding=UTF8", "--auth=scram-sha-256", "--username=postgres"])
            .args(locale())
            .arg("--pwfile")
            .arg(&password_file)
            .arg("--pgdata")
            .arg(&new);
        if self.durability == Durability::ThrownAway {
            initdb.arg("--no-sync");
        }
        let made = capture(&mut initdb, START)?.require("initdb");
        remove_if_there(&password_file)?;
        made?;
        let data = data_folder(&self.home);
        remove_if_there(&data)?;
        fs::rename(&new, &data).explain("put the new database into place")
    }

    /// Starts the server on the port, or the next free one, and waits until it answers.
    pub(crate) fn start(&mut self, run: &Run, services: &mut Services, port: u16) -> Outcome<()> {
        self.clear_the_way(run)?;
        let mut wanted = port;
        for attempt in 1..=PORT_ATTEMPTS {
            self.port = ports::free_from(wanted)?;
            match self.start_on_port(services) {
                Err(Failure::Problem { .. })
                    if attempt < PORT_ATTEMPTS && !ports::is_free(self.port) =>
                {
                    wanted = self.port.saturating_add(1);
                    services.discard(NAME)?;
                }
                outcome => return outcome,
            }
        }
        Ok(())
    }

    fn start_on_port(&self, services: &mut Services) -> Outcome<()> {
        let mut postgres = self.program("postgres");
        let sockets = home::socket_folder(&self.home, self.port);
        let sockets = sockets.map(|folder| folder.display().to_string()).unwrap_or_default();
        postgres
            .arg("-D")
            .arg(data_folder(&self.home))
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", &format!("unix_socket_directories={sockets}")]);
        for setting in self.durability.settings() {
            postgres.args(["-c", setting]);
        }
        services.start_with_ending(NAME, postgres, Ending::FastShutdown)?;
        services.wait_until(NAME, START, || {
            let mut is_ready = command(self.binaries.program("pg_isready"));
            is_ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            capture(&mut is_ready, Duration::from_secs(10))
                .is_ok_and(|answer| answer.status.success())
        })
    }

    /// Ends a server that a killed run has left on this data, and removes its mark when the number
    /// in it belongs to some other program by now.
    fn clear_the_way(&self, run: &Run) -> Outcome<()> {
        let data = data_folder(&self.home);
        let file = data.join("postmaster.pid");
        let Ok(text) = fs::read_to_string(&file) else { return Ok(()) };
        let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
        if let Some(pid) = pid.filter(|pid| birth_mark(*pid).is_some() && serves(*pid, &data))
            && let Some(entry) = Entry::of(pid, NAME, Ending::FastShutdown)
        {
            run.progress.note("Ending a PostgreSQL server that an earlier run has left");
            entry.end(&run.interrupt);
        }
        remove_if_there(&file)
    }

    /// One of PostgreSQL's programs, as the account that owns the data. The environment is ours
    /// alone: a PGDATA or a locale of the developer's must not matter.
    fn program(&self, name: &str) -> Command {
        let mut program = command(self.binaries.program(name));
        program.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("HOME", &self.home);
        program.current_dir(&self.home);
        if let Some(account) = &self.account {
            account.apply(&mut program);
        }
        program
    }

    /// Connection string of a role with its password.
    pub(crate) fn url(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Connection string of the superuser.
    pub(crate) fn superuser_url(&self, database: &str) -> String {
        self.url("postgres", &self.password, database)
    }

    /// Runs a script as the superuser.
    pub(crate) fn script(&self, database: &str, script: &str) -> Outcome<String> {
        self.script_as("postgres", &self.password, database, script)
    }

    /// Runs a script through psql. It comes by standard input, so that no password in it shows in
    /// the list of processes.
    pub(crate) fn script_as(
        &self,
        role: &str,
        password: &str,
        database: &str,
        script: &str,
    ) -> Outcome<String> {
        let mut psql = command(self.binaries.program("psql"));
        psql.env_clear()
            .env("PGPASSWORD", password)
            .env("PGCLIENTENCODING", "UTF8")
            .env("PGCONNECT_TIMEOUT", "10")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-U", role, "-d", database])
            .stdin(Stdio::piped());
        capture_with_input(&mut psql, script.to_owned(), SCRIPT)?.require("psql")
    }
}

/// Removes a file or a folder with all that is in it.
pub(crate) fn remove_if_there(path: &Path) -> Outcome<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if metadata.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
        .explain(format_args!("remove {}", path.display()))
}

fn data_folder(home: &Path) -> PathBuf {
    home.join("data")
}

/// Whether the process is a PostgreSQL server on this data.
fn serves(pid: i32, data: &Path) -> bool {
    let mut ps = command("ps");
    ps.args(["-ww", "-o", "command=", "-p", &pid.to_string()]);
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline"))
        .or_else(|_| capture(&mut ps, Duration::from_secs(5)).map(|answer| answer.output))
        .unwrap_or_default();
    arguments.contains("postgres") && arguments.contains(&data.display().to_string())
}

/// Text compares by code point, upper and lower case follow Unicode, on every machine alike.
fn locale() -> &'static [&'static str] {
    if cfg!(target_os = "macos") {
        &["--locale=C", "--lc-ctype=UTF-8"]
    } else {
        &["--locale=C.UTF-8"]
    }
}
