//! `cargo xtask up`: from a machine with only Rust to a running portal.

mod options;
mod redis;

pub(crate) use self::options::Options;
use self::redis::Redis;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::accounts::{self, Account};
use crate::environment::{Addresses, Environment};
use crate::failure::{Explain as _, Failure, Outcome};
use crate::identity_provider::IdentityProvider;
use crate::postgres::{self, Cluster, Durability, RolePasswords};
use crate::processes::{POLL, command};
use crate::progress::say;
use crate::run::Run;
use crate::secrets::{self, Secrets};
use crate::services::{Disposal, Services};
use crate::{http, install, people, ports};

/// First choices; the next free port is taken when one is in use.
const POSTGRES_PORT: u16 = 8432;
const IDENTITY_PROVIDER_PORT: u16 = 4444;
const PORTAL_PORT: u16 = 8080;

/// Longest build: from nothing, optimized, on a small machine.
const BUILD: Duration = Duration::from_secs(3600);
/// Longest migration or seeding.
const DATA: Duration = Duration::from_secs(600);
/// Longest start of the portal.
const START: Duration = Duration::from_secs(60);

/// The people of the demo tenants, in dev-auth0's format.
const PEOPLE: &str = "crates/employer-store/demo/people.json";

/// The people of the largest generated tenant, written when its data is loaded.
const LOAD_PEOPLE: &str = ".dev/load-people.json";

/// What `--load` generates: the sizes of tenants follow Zipf's law.
const LOAD: [&str; 8] =
    ["seed", "--jobs", "300000", "--tenants", "500", "--zipf", "--people", LOAD_PEOPLE];

/// Reads what was generated into memory: a database that has just started would be measured by its
/// disk, which a running one hardly touches.
const WARM: &str = "CREATE EXTENSION IF NOT EXISTS pg_prewarm;
    SELECT sum(pg_prewarm(oid, 'read')) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i');";

/// What stays in the private folder when all else is deleted: what guards the folder itself.
const GUARDS: [&str; 2] = ["lock", "watchdog.lock"];

/// A private installation while it is put together.
struct Installation<'a> {
    run: &'a Run,
    options: &'a Options,
    services: Services,
    /// `.dev` of the checkout: secrets, logs, the list of processes.
    folder: PathBuf,
    account: Option<Account>,
    secrets: Secrets,
}

/// Runs the portal until Ctrl-C.
pub(crate) fn run(run: &Run, options: &Options) -> Outcome<u8> {
    let folder = run.checkout.join(".dev");
    let services = Services::open(run, &folder, Disposal::Keep)?;
    if options.reset {
        reset(run, &folder)?;
    }
    let mut installation = Installation {
        account: None,
        secrets: Secrets::kept_in(&folder.join("secrets")),
        run,
        options,
        services,
        folder,
    };
    let _redis = installation.start()?;
    let outcome = installation.watch();
    installation.run.progress.note("Stopping");
    installation.services.end_all();
    match outcome {
        // Ctrl-C is how a running portal is meant to end.
        Err(Failure::Interrupted) | Ok(()) => Ok(0),
        Err(failure) => Err(failure),
    }
}

/// Deletes the private data, wherever it is.
fn reset(run: &Run, folder: &Path) -> Outcome<()> {
    run.progress.note("Deleting the private data (--reset)");
    let entries = fs::read_dir(folder).explain(format_args!("list {}", folder.display()))?;
    for entry in entries.flatten() {
        if !GUARDS.iter().any(|guard| entry.file_name() == *guard) {
            postgres::remove_if_there(&entry.path())?;
        }
    }
    postgres::remove_if_there(&postgres::outside(&run.checkout))
}

impl Installation<'_> {
    /// What it returns holds the ports of the Redis nodes.
    fn start(&mut self) -> Outcome<Redis> {
        let addresses = self.addresses()?;
        // The packages may bring the account that servers are to run as, so they come first.
        install::postgres(self.run, None)?;
        self.account = Account::for_servers()?;
        let home = self.data_home()?;
        let passwords = self.secrets.role_passwords()?;
        let cluster = self.start_postgres(&home, &passwords)?;
        let redis = self.start_redis(&home)?;
        let environment = Environment::of_portal(
            addresses,
            &cluster,
            &passwords,
            &redis.choice(),
            &mut self.secrets,
            &self.folder.join("files"),
        )?;
        secrets::write_private(&self.folder.join("portal.env"), &environment.as_file())?;
        let binaries = self.build(&redis)?;
        self.start_front(&redis, &binaries)?;
        self.load_data(&binaries.join("portal"), &environment)?;
        if self.options.load {
            let warm = || cluster.script(postgres::DATABASE, WARM).map(drop);
            self.run.progress.stage("Reading the database into memory", warm)?;
        }
        self.start_identity_provider(&binaries.join("dev-auth0"), addresses)?;
        self.start_portal(&binaries.join("portal"), &environment, addresses)?;
        self.print_summary(addresses, &cluster, &redis);
        Ok(redis)
    }

    /// Chosen before anything slow happens, so that a taken port is told at once.
    fn addresses(&self) -> Outcome<Addresses> {
        let portal = match self.options.port {
            Some(port) if !ports::is_free(port) => {
                return Err(Failure::new(format!("port {port} is in use"))
                    .advise("end what uses it, or name another with --port"));
            }
            Some(port) => port,
            None => self.preferably(PORTAL_PORT, "the portal")?,
        };
        let identity_provider = self.preferably(IDENTITY_PROVIDER_PORT, "dev-auth0")?;
        Ok(Addresses { portal, identity_provider })
    }

    fn preferably(&self, port: u16, what: &str) -> Outcome<u16> {
        let free = ports::free_from(port)?;
        if free != port {
            self.run.progress.note(&format!("Port {port} is in use: {what} takes {free}"));
        }
        Ok(free)
    }

    /// The folder for the servers' data, which the account they run as must be able to enter.
    fn data_home(&self) -> Outcome<PathBuf> {
        let Some(account) = &self.account else { return Ok(self.folder.clone()) };
        let home = postgres::of_checkout(&self.run.checkout, account.can_enter(&self.folder));
        if home != self.folder {
            self.run.progress.note(&format!(
                "User {} cannot enter this checkout: the data is in {}",
                account.name,
                home.display()
            ));
            accounts::make_passage(&home)?;
        }
        Ok(home)
    }

    fn start_postgres(&mut self, home: &Path, passwords: &RolePasswords) -> Outcome<Cluster> {
        let home = home.join("postgres");
        self.account = Account::owner_of(&home).or_else(|| self.account.take());
        let binaries = install::postgres(self.run, Cluster::version_of_data(&home))?;
        let title = match &self.account {
            Some(account) => format!("PostgreSQL {} as user {}", binaries.version, account.name),
            None => format!("PostgreSQL {}", binaries.version),
        };
        let password = self.secrets.password("SUPERUSER_PASSWORD")?;
        let account = self.account.clone();
        let run = self.run;
        run.progress.stage(&format!("Starting {title} in {}", home.display()), || {
            let mut cluster =
                Cluster::create(binaries, account, &home, &password, Durability::Kept)?;
            cluster.start(run, &mut self.services, POSTGRES_PORT)?;
            postgres::create_database(&cluster, &run.checkout, passwords).map_err(|failure| {
                failure.advise("if the data is older than .dev/secrets: `cargo xtask up --reset`")
            })?;
            Ok(cluster)
        })
    }

    /// Builds the programs and answers the folder they are in.
    fn build(&mut self, redis: &Redis) -> Outcome<PathBuf> {
        let mut programs = vec!["portal", "dev-auth0"];
        if redis.needs_front() {
            programs.push("dev-upstash");
        }
        let mut cargo = self.run.cargo();
        cargo.arg("build").args(programs.iter().flat_map(|program| ["--package", program]));
        if self.options.release {
            cargo.arg("--release");
        }
        let title = format!("Building {} (minutes the first time)", programs.join(", "));
        self.run.progress.stage(&title, || {
            let status = self.services.accompany(cargo, "cargo build", BUILD)?;
            if status.success() {
                return Ok(());
            }
            Err(Failure::new(format!("cargo build failed ({status})"))
                .advise("the compiler's messages above say what is missing"))
        })?;
        let profile = if self.options.release { "release" } else { "debug" };
        Ok(self.run.target_directory()?.join(profile))
    }

    fn load_data(&mut self, portal: &Path, environment: &Environment) -> Outcome<()> {
        let mut steps = vec![
            ("Migrating the database", "migrate", &["migrate"][..]),
            ("Loading the demo data", "seed", &["seed", "--demo"][..]),
        ];
        if self.options.load {
            steps.push(("Generating 300,000 jobs (minutes the first time)", "load", &LOAD[..]));
        }
        for (title, name, arguments) in steps {
            let mut program = self.portal(portal, environment);
            program.args(arguments);
            self.run
                .progress
                .stage(title, || self.services.accompany_quietly(program, name, DATA))
                .map_err(|failure| {
                    failure.advise("`cargo xtask up --reset` starts over with an empty database")
                })?;
        }
        Ok(())
    }

    fn portal(&self, program: &Path, environment: &Environment) -> Command {
        let mut portal = command(program);
        portal.current_dir(&self.run.checkout);
        environment.apply(&mut portal);
        portal
    }

    fn start_identity_provider(&mut self, program: &Path, addresses: Addresses) -> Outcome<()> {
        let server = IdentityProvider {
            program,
            port: addresses.identity_provider,
            directories: &self.people(),
            callback: Some(&addresses.callback()),
        };
        let title = format!("Starting dev-auth0 on port {}", server.port);
        self.run.progress.stage(&title, || server.start(&mut self.services)).map(drop)
    }

    /// The files that say who can sign in: load data that is there has people also when this run
    /// did not ask for it.
    fn people(&self) -> Vec<PathBuf> {
        let files = [PEOPLE, LOAD_PEOPLE].map(|file| self.run.checkout.join(file));
        files.into_iter().filter(|file| file.exists()).collect()
    }

    fn start_portal(
        &mut self,
        program: &Path,
        environment: &Environment,
        addresses: Addresses,
    ) -> Outcome<()> {
        const NAME: &str = "portal";
        let mut server = self.portal(program, environment);
        server.arg("serve");
        self.run.progress.stage(&format!("Starting the portal on {}", addresses.base_url()), || {
            self.services.start(NAME, server)?;
            self.services.wait_until(NAME, START, || http::answers(addresses.portal, "/ready"))
        })
    }

    fn print_summary(&self, addresses: Addresses, cluster: &Cluster, redis: &Redis) {
        let base = addresses.base_url();
        let port = cluster.port;
        let database = postgres::DATABASE;
        say(&format!(
            "\nEmployer Portal is running.\n\n  \
             portal        {base}\n  \
             API pages     {base}/api/docs\n  \
             sign in       {base}/auth/login\n  \
             PostgreSQL    127.0.0.1:{port}, database {database}\n  \
             Redis         {}\n  \
             settings      .dev/portal.env (connection strings and keys; keep it private)\n  \
             logs          .dev/logs/",
            redis.summary()
        ));
        say("\nWho can sign in (choose a name on the sign-in page, there are no passwords)\n");
        for file in self.people() {
            let people = fs::read_to_string(file).unwrap_or_default();
            for line in people::table(&people).unwrap_or_default() {
                say(&format!("  {line}"));
            }
        }
        say("\nCtrl-C stops everything; the data stays for the next `cargo xtask up`.\n");
    }

    /// Returns when something ends: we, by a signal, or a server, which is a failure.
    fn watch(&mut self) -> Outcome<()> {
        loop {
            self.run.interrupt.check()?;
            self.services.check()?;
            thread::sleep(POLL);
        }
    }
}
