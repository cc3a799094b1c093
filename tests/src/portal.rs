//! The portal's binary as a process.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::client::{Browser, http};
use crate::environment;
use crate::identity::IdentityProvider;
use crate::tenant::Databases;
use crate::waiting::eventually;

/// Where ports of test servers lie: below the range that outgoing connections take theirs from.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// How the portal proves to the identity provider who it is.
pub const CLIENT_SECRET: &str = "portal-dev-secret";

/// Time limits for tests that are about what is answered, not when: many of them share a machine.
const PATIENT: [(&str, &str); 3] = [
    ("PORTAL__REDIS__COMMAND_TIMEOUT_MS", "2000"),
    ("PORTAL__REDIS__REQUEST_BUDGET_MS", "10000"),
    ("PORTAL__REDIS__BREAKER_SLOW_CALL_MS", "2000"),
];

/// The limits as they are delivered, for tests that are about them.
pub const AS_DELIVERED: [(&str, &str); 3] = [
    ("PORTAL__REDIS__COMMAND_TIMEOUT_MS", "250"),
    ("PORTAL__REDIS__REQUEST_BUDGET_MS", "300"),
    ("PORTAL__REDIS__BREAKER_SLOW_CALL_MS", "150"),
];

/// Which Redis a portal uses.
#[derive(Clone, Debug, Default)]
pub enum Redis {
    /// Its own memory; in a stage about one provider, that one.
    #[default]
    Memory,
    /// One that instances share: the private redis-server, or the stage's provider.
    Shared,
    /// A redis-server of the test's own.
    At(String),
    /// A cluster: its address with user and password, and the authority of its certificates.
    Cluster {
        /// Any node.
        url: String,
        /// Path of the authority's certificate.
        authority: String,
    },
    /// A REST service.
    Upstash {
        /// Its origin.
        url: String,
        /// The token that may do everything.
        token: String,
    },
}

impl Redis {
    /// What `/health/cache` calls it.
    pub fn backend(&self) -> &'static str {
        match self.clone().in_this_stage() {
            Self::Memory => "memory",
            Self::Shared | Self::At(_) | Self::Cluster { .. } => "redis",
            Self::Upstash { .. } => "upstash",
        }
    }

    /// What the variables say.
    fn variables(self) -> Vec<(&'static str, String)> {
        match self.in_this_stage() {
            Self::Memory => vec![("REDIS_PROVIDER", "memory".to_owned())],
            Self::Shared => Self::At(environment::redis_url()).variables(),
            Self::At(url) => {
                vec![("REDIS_PROVIDER", "elasticache".to_owned()), ("REDIS_URL", url)]
            }
            Self::Cluster { url, authority } => vec![
                ("REDIS_PROVIDER", "elasticache".to_owned()),
                ("REDIS_URL", url),
                ("REDIS_TLS_CA_FILE", authority),
            ],
            Self::Upstash { url, token } => vec![
                ("REDIS_PROVIDER", "upstash".to_owned()),
                ("UPSTASH_REDIS_REST_URL", url),
                ("UPSTASH_REDIS_REST_TOKEN", token),
            ],
        }
    }

    /// A test that names a server of its own keeps it.
    fn in_this_stage(self) -> Self {
        if !matches!(self, Self::Memory | Self::Shared) {
            return self;
        }
        match environment::staged_provider().as_deref() {
            None => self,
            Some("memory") => Self::Memory,
            Some("single") => Self::At(environment::redis_url()),
            Some("cluster") => Self::Cluster {
                url: environment::cluster_url(),
                authority: environment::cluster_authority(),
            },
            Some("upstash") => Self::Upstash {
                url: environment::upstash_url(),
                token: environment::upstash_token(),
            },
            Some(other) => panic!("PORTAL_TEST_PROVIDER is {other}"),
        }
    }
}

/// A running portal; it is killed when this is dropped.
#[derive(Debug)]
pub struct Portal {
    base_url: String,
    process: Child,
    log: PathBuf,
}

impl Portal {
    /// Starts a portal over `databases` and waits until it is ready.
    pub async fn spawn(databases: &Databases, redis: Redis) -> Self {
        Self::spawn_with(databases, redis, &[]).await
    }

    /// The same with further settings.
    pub async fn spawn_with(
        databases: &Databases,
        redis: Redis,
        settings: &[(&str, &str)],
    ) -> Self {
        let portal = Self::start(databases, redis, settings).await;
        eventually("the portal is ready", Duration::from_secs(20), async || {
            let response = http().get(format!("{}/ready", portal.base_url)).send().await.ok()?;
            response.status().is_success().then_some(())
        })
        .await;
        portal
    }

    /// Starts a portal and does not wait.
    pub async fn start(databases: &Databases, redis: Redis, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let base_url = format!("http://127.0.0.1:{port}");
        let provider = IdentityProvider::default();
        provider.allows_callback(&format!("{base_url}/auth/callback")).await;
        let log =
            std::env::temp_dir().join(format!("portal-test-{}-{port}.log", std::process::id()));
        let mut command = Command::new(environment::portal_binary());
        command
            .arg("serve")
            .env_clear()
            .env("PORTAL_LISTEN", format!("127.0.0.1:{port}"))
            .env("PORTAL_BASE_URL", &base_url)
            .env("DATABASE_URL", &databases.app_url)
            .env("DATABASE_WORKER_URL", &databases.worker_url)
            .env("DATABASE_PUBLIC_URL", &databases.public_url)
            .env("CACHE_ENCRYPTION_KEYS", cache_keys())
            .env("PORTAL__FILES__FOLDER", files_folder())
            // Most tests look at no mails; those who do have a folder of their own.
            .env("PORTAL__MAIL__FOLDER", std::env::temp_dir().join("portal-test-mails"))
            .env("DATABASE_OPS_URL", &databases.ops_url)
            .env("AUTH0_ISSUER_BASE_URL", provider.issuer())
            .env("AUTH0_CLIENT_ID", "portal-dev")
            .env("AUTH0_CLIENT_SECRET", CLIENT_SECRET)
            .env("SESSION_KEYS", session_keys())
            .env("PORTAL__HTTP__WORKERS", "2")
            .env("PORTAL__DATABASE__MAX_CONNECTIONS", "4")
            .env("PORTAL__DATABASE__WORKER_MAX_CONNECTIONS", "2")
            .env("PORTAL__TELEMETRY__FILTER", "info,sqlx=warn")
            // Portals of all tests work on the queues of one database, and have folders of their own.
            .env("PORTAL__EXPORTS__CONCURRENCY", "0")
            // One test asks as often as many people do, all from one address.
            .env("PORTAL__RATE_LIMITS__ENABLED", "false")
            .envs(PATIENT)
            .envs(redis.variables());
        let output = File::create(&log).unwrap();
        let process = command
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .expect("the portal's binary can be started");
        Self { base_url, process, log }
    }

    /// Its origin, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A browser without cookies, turned to this portal.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.base_url)
    }

    /// Asks it to end as an operator would, and waits; answers its exit code.
    pub async fn stops(mut self) -> Option<i32> {
        let id = self.process.id().expect("it runs").to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(asked.success());
        self.exits().await
    }

    /// Kills it: connections are cut in the middle of whatever they carry.
    pub async fn dies(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Its number among the machine's processes.
    pub fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// How much memory it has, in KiB (Linux).
    pub fn resident_kib(&self) -> u64 {
        let id = self.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// A figure of its `/metrics`, of all labels together.
    pub async fn figure(&self, name: &str) -> f64 {
        let page = self.browser().get("/metrics").await.expect(200).text;
        let is_it =
            |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let lines = page.lines().filter(is_it);
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits until it ends by itself; answers its exit code.
    pub async fn exits(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(Duration::from_secs(40), self.process.wait()).await;
        ended.expect("the portal ends in time").unwrap().code()
    }

    /// Prints the end of its log, for whoever looks into a failed test.
    pub fn shows_last_lines(&self, count: usize) {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(count)..];
        eprintln!("the portal's last lines:\n{}", tail.join("\n"));
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shows_last_lines(40);
        }
        drop(std::fs::remove_file(&self.log));
    }
}

/// A port that nobody listens on right now.
pub fn free_port() -> u16 {
    (0..1_000)
        .map(|_| rand::random_range(PORTS))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}

/// The same for all instances of all tests, so that instances share what they seal.
pub fn cache_keys() -> String {
    use base64::Engine;
    let key = [9_u8; 32];
    format!("test:{}", base64::engine::general_purpose::STANDARD.encode(key))
}

/// Where the portals of one process of tests keep files of applicants.
pub fn files_folder() -> PathBuf {
    std::env::temp_dir().join(format!("portal-test-files-{}", std::process::id()))
}

/// The same for all instances of all tests, so that instances share sessions.
pub fn session_keys() -> String {
    use base64::Engine;
    let key = [7_u8; 64];
    format!("test:{}", base64::engine::general_purpose::STANDARD.encode(key))
}
