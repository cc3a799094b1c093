//! The servers that tests share, and how tests are told of them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use dev_redis_cluster::ClusterPlan;

use super::selection::Selection;
use crate::event_sources::EventSources;
use crate::failure::{Failure, Outcome};
use crate::openid_provider::OpenIdProvider;
use crate::postgres::Cluster;
use crate::run::Run;
use crate::services::{MARKER, Services};
use crate::throwaway::{self, Upstash};
use crate::{event_sources, install, openid_provider, upstash};

/// Longest build.
const BUILD: Duration = Duration::from_secs(3600);

/// What has been started.
pub(super) struct Servers {
    database: Cluster,
    redis_server: PathBuf,
    redis: String,
    /// Six nodes with TLS and users.
    redis_cluster: Option<ClusterPlan>,
    upstash: Option<Upstash>,
    identity_provider: Option<String>,
    openid_provider: Option<OpenIdProvider>,
    event_sources: Option<EventSources>,
    programs: PathBuf,
    run_folder: PathBuf,
}

impl Servers {
    /// Starts what the selected tests need, after building the programs among it.
    pub(super) fn start(
        run: &Run,
        services: &mut Services,
        selection: &Selection<'_>,
    ) -> Outcome<Self> {
        let redis_server = install::redis(run)?;
        // Tests make clusters of their own, whatever they share.
        install::openssl(run)?;
        let database = throwaway::start_postgres(run, services)?;
        let account = database.account.clone();
        let account = account.as_ref();
        let redis = throwaway::start_redis(run, services, account, &redis_server)?;
        let mut servers = Self {
            database,
            redis,
            redis_cluster: None,
            upstash: None,
            identity_provider: None,
            openid_provider: None,
            event_sources: None,
            programs: run.target_directory()?.join("debug"),
            run_folder: services.folder().to_path_buf(),
            redis_server,
        };
        if selection.needs_programs() {
            // One build for programs and tests together: built apart, the crates that both use
            // would be compiled twice, since features are unified over what is selected.
            build(run, services, "programs and tests", &["--workspace", "--bins", "--tests"])?;
            let program = servers.program("dev-auth0");
            servers.openid_provider = Some(openid_provider::install(run)?);
            servers.event_sources = Some(event_sources::install(run)?);
            servers.identity_provider =
                Some(throwaway::start_identity_provider(run, services, &program)?);
        } else if selection.needs_every_redis() {
            build(run, services, upstash::NAME, &["--package", upstash::NAME])?;
        }
        if selection.needs_every_redis() {
            // After the build: one that takes all processors makes nodes think others dead.
            let server = servers.redis_server.clone();
            let cluster = throwaway::start_redis_cluster(run, services, account, &server)?;
            servers.redis_cluster = Some(cluster);
            let front = servers.program(upstash::NAME);
            let started = throwaway::start_upstash(run, services, account, &server, &front)?;
            servers.upstash = Some(started);
        }
        Ok(servers)
    }

    fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Gives a test run the addresses.
    pub(super) fn tell(&self, program: &mut Command) {
        let binaries = &self.database.binaries;
        let account = self.database.account.as_ref().map_or("", |account| account.name.as_str());
        program
            .env("PORTAL_TEST_PG_SUPERUSER_URL", self.database.superuser_url("postgres"))
            // For tests that stop a database: they start one of their own with these.
            .env("PORTAL_TEST_PG_BIN", &binaries.folder)
            .env("PORTAL_TEST_PG_CTL", binaries.program("pg_ctl"))
            .env("PORTAL_TEST_PG_USER", account)
            .env("PORTAL_TEST_REDIS_URL", &self.redis)
            .env("PORTAL_TEST_REDIS_SERVER", &self.redis_server)
            .env("PORTAL_TEST_PORTAL_BIN", self.program("portal"))
            .env("PORTAL_TEST_DEV_AUTH0_BIN", self.program("dev-auth0"))
            .env("PORTAL_TEST_DEV_UPSTASH_BIN", self.program(upstash::NAME))
            .env(MARKER, &self.run_folder);
        if let Some(plan) = &self.redis_cluster {
            program
                .env("PORTAL_TEST_CLUSTER_URL", plan.url())
                .env("PORTAL_TEST_CLUSTER_CA", plan.ca_file());
        }
        if let Some(upstash) = &self.upstash {
            program
                .env("PORTAL_TEST_UPSTASH_URL", &upstash.url)
                .env("PORTAL_TEST_UPSTASH_TOKEN", &upstash.token);
        }
        if let Some(provider) = &self.openid_provider {
            program
                .env("PORTAL_TEST_NODE", &provider.node)
                .env("PORTAL_TEST_OIDC_PROVIDER", &provider.script);
        }
        if let Some(clients) = &self.event_sources {
            program
                .env("PORTAL_TEST_EVENTSOURCE", &clients.script)
                .env("PORTAL_TEST_CHROMIUM", &clients.chromium)
                .env("PORTAL_TEST_CHROMEDRIVER", &clients.chromedriver);
        }
        if let Some(issuer) = &self.identity_provider {
            program.env("PORTAL_TEST_DEV_AUTH0", issuer);
        }
    }
}

fn build(run: &Run, services: &mut Services, what: &str, selection: &[&str]) -> Outcome<()> {
    run.progress.stage(&format!("Building {what}"), || {
        let mut cargo = run.cargo();
        cargo.arg("build").args(selection);
        let status = services.accompany(cargo, "cargo build", BUILD)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("cargo build failed ({status})")))
    })
}
