//! A Redis server of a test's own, to stop, pause and break.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis_provider::ElastiCacheSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The longest that anything may take to happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A `redis-server` on a free port of the loopback interface; killed when dropped.
#[derive(Debug)]
pub(crate) struct PrivateRedis {
    process: Child,
    port: u16,
    arguments: Vec<&'static str>,
}

impl PrivateRedis {
    pub(crate) async fn start(arguments: &[&'static str]) -> Self {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let arguments = arguments.to_vec();
        let mut server = Self { process: spawn(port, &arguments), port, arguments };
        server.wait_until_ready().await;
        server
    }

    /// With limits that a busy machine can keep.
    pub(crate) fn settings(&self) -> ElastiCacheSettings {
        ElastiCacheSettings {
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(1),
            ..ElastiCacheSettings::new("127.0.0.1", self.port)
        }
    }

    pub(crate) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) async fn start_again(&mut self) {
        self.process = spawn(self.port, &self.arguments);
        self.wait_until_ready().await;
    }

    /// The process stays and its connections too, but nothing is answered.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Sends one command and returns the first lines of the answer.
    pub(crate) async fn command(&self, command: &str) -> String {
        self.try_command(command).await.expect("an answer")
    }

    async fn try_command(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        stream.write_all(format!("{command}\r\n").as_bytes()).await.ok()?;
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.ok().filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    async fn wait_until_ready(&mut self) {
        let give_up = Instant::now() + LIMIT;
        while self.try_command("PING").await.is_none() {
            assert!(Instant::now() < give_up, "redis-server does not start");
            if self.process.try_wait().unwrap().is_some() {
                self.process = spawn(self.port, &self.arguments);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        // It may have been stopped by the test; a paused one dies as well.
        let _gone_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test runner tells what it installed this way")]
fn server_program() -> String {
    std::env::var("PORTAL_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

fn spawn(port: u16, arguments: &[&str]) -> Child {
    Command::new(server_program())
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args([
            "--appendonly",
            "no",
            "--set-proc-title",
            "no",
            "--dir",
            env!("CARGO_TARGET_TMPDIR"),
        ])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server must be installed; `cargo xtask test` does that")
}

/// Polls until the condition holds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + LIMIT;
    while !condition().await {
        assert!(Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
