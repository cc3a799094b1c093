//! Servers of a test's own: to stop them, or to be alone on them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use dev_redis_cluster::{OwnCluster, OwnServer, ServerOptions, redis_server_program, slot_of_key};

use crate::fixture::{Address, Kind, LIMIT};

const TOKEN: &str = "token-of-a-test";

/// More than a million values take.
const MEMORY_BYTES: usize = 2 << 30;

/// What was started; it ends when this is dropped. The servers' methods block, so they run beside
/// the test.
pub(crate) enum Private {
    Memory,
    Single(Arc<OwnServer>),
    Cluster(Arc<OwnCluster>),
    Upstash(Arc<OwnServer>, Front),
}

impl Private {
    pub(crate) async fn start(kind: Kind) -> (Self, Address) {
        match kind {
            Kind::Memory => (Self::Memory, Address::memory(MEMORY_BYTES)),
            Kind::Single => {
                let server = start_server().await;
                let address = Address::redis(&server.url());
                (Self::Single(server), address)
            }
            Kind::Cluster => {
                let cluster = beside(|| {
                    let cluster = OwnCluster::start(&redis_server_program());
                    cluster.wait_until_whole(LIMIT);
                    cluster
                })
                .await;
                let address = Address::cluster(&cluster.url(), cluster.ca_file());
                (Self::Cluster(Arc::new(cluster)), address)
            }
            Kind::Upstash => {
                let server = start_server().await;
                let url = server.url();
                let front = beside(move || Front::start(&url)).await;
                let address = Address::upstash(&front.url, TOKEN);
                (Self::Upstash(server, front), address)
            }
        }
    }

    /// Asks the server that holds a key, as an operator could.
    pub(crate) async fn ask_holder_of(&self, key: &str, arguments: &[&str]) -> String {
        let slot = slot_of_key(key.as_bytes());
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        match self {
            Self::Memory => panic!("there is no server"),
            Self::Single(server) | Self::Upstash(server, _) => {
                let server = Arc::clone(server);
                beside(move || server.ask(&words(&arguments))).await
            }
            Self::Cluster(cluster) => {
                let cluster = Arc::clone(cluster);
                beside(move || cluster.admin(cluster.primary_of_slot(slot), &words(&arguments)))
                    .await
            }
        }
    }

    /// Kills every process of it.
    pub(crate) async fn is_killed(&self) {
        match self {
            Self::Memory => panic!("there is no server"),
            Self::Single(server) => {
                let server = Arc::clone(server);
                beside(move || server.kill()).await;
            }
            Self::Cluster(cluster) => {
                let cluster = Arc::clone(cluster);
                beside(move || (0..dev_redis_cluster::NODES).for_each(|node| cluster.kill(node)))
                    .await;
            }
            Self::Upstash(server, front) => {
                front.kill();
                let server = Arc::clone(server);
                beside(move || server.kill()).await;
            }
        }
    }
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

async fn start_server() -> Arc<OwnServer> {
    let start = || OwnServer::start(&redis_server_program(), ServerOptions::default());
    Arc::new(beside(start).await)
}

async fn beside<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act).await.expect("the servers obey")
}

/// A `dev-upstash` over a server.
pub(crate) struct Front {
    process: std::sync::Mutex<Child>,
    url: String,
}

impl Front {
    fn start(redis: &str) -> Self {
        let mut process = Command::new(front_program())
            .args(["--listen", "127.0.0.1:0", "--token", TOKEN, "--redis", redis])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dev-upstash starts");
        let output = process.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line");
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Self { process: std::sync::Mutex::new(process), url }
    }

    fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        // It may have been killed by the test.
        let _gone_already = process.kill();
        let _reaped = process.wait();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test runner tells what it built this way")]
fn front_program() -> String {
    std::env::var("PORTAL_TEST_DEV_UPSTASH_BIN")
        .expect("PORTAL_TEST_DEV_UPSTASH_BIN is not set: run `cargo xtask test`, which builds it")
}
