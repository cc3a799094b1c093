//! A redis-server and a front of a test's own, to spoil and to restart.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis_provider::UpstashSettings;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use crate::LIMIT;

pub(crate) const TOKEN: &str = "marker-secret-token";
pub(crate) const READER: &str = "marker-secret-reader";

/// Killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been stopped by the test.
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A front over a redis-server.
pub(crate) struct Front {
    redis: Option<Process>,
    redis_port: u16,
    _front: Process,
    url: Url,
    http: reqwest::Client,
}

impl Front {
    pub(crate) async fn start() -> Self {
        let (redis, redis_port) = start_redis(free_port()).await;
        let mut front = Command::new(front_program())
            .args(["--listen", "127.0.0.1:0", "--token", TOKEN, "--read-only-token", READER])
            .args(["--redis", &format!("redis://127.0.0.1:{redis_port}")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dev-upstash starts");
        let output = front.stdout.take().expect("its output");
        let front = Process(front);
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(output).read_line(&mut line).expect("a line");
            line
        });
        let line = tokio::time::timeout(LIMIT, line).await.expect("in time").expect("a line");
        let url = line.trim().rsplit(' ').next().and_then(|url| Url::parse(url).ok());
        let url = url.unwrap_or_else(|| panic!("no address in {line:?}"));
        let http = reqwest::Client::builder().timeout(LIMIT).no_proxy().build().expect("a client");
        Self { redis: Some(redis), redis_port, _front: front, url, http }
    }

    /// With limits that a busy machine can keep.
    pub(crate) fn settings(&self) -> UpstashSettings {
        self.settings_of(TOKEN)
    }

    pub(crate) fn settings_of(&self, token: &str) -> UpstashSettings {
        UpstashSettings {
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(5),
            ..UpstashSettings::new(self.url.clone(), token.into())
        }
    }

    pub(crate) async fn breaks(&self, fault: &str) {
        self.breaks_with(json!({ "fault": fault })).await;
    }

    pub(crate) async fn breaks_with(&self, order: Value) {
        let url = self.url.join("/dev/faults").expect("a URL");
        let request = self.http.put(url).json(&order);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{order}: {}", answer.status());
    }

    pub(crate) async fn mends(&self) {
        let url = self.url.join("/dev/faults").expect("a URL");
        let answer = self.http.delete(url).send().await.expect("an answer");
        assert!(answer.status().is_success());
    }

    /// A count that the front keeps.
    pub(crate) async fn statistic(&self, name: &str) -> u64 {
        let url = self.url.join("/dev/statistics").expect("a URL");
        let answer = self.http.get(url).send().await.expect("an answer");
        let text = answer.text().await.expect("a body");
        let all: Value = serde_json::from_str(&text).expect("JSON");
        all[name].as_u64().unwrap_or_else(|| panic!("no {name} in {all}"))
    }

    /// Everything that the redis-server knew is gone, its scripts too.
    pub(crate) fn stop_redis(&mut self) {
        self.redis = None;
    }

    pub(crate) async fn start_redis(&mut self) {
        self.redis = Some(start_redis(self.redis_port).await.0);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr()).expect("a port").port()
}

async fn start_redis(port: u16) -> (Process, u16) {
    let spawn = || {
        let child = Command::new(redis_program())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args([
                "--appendonly",
                "no",
                "--set-proc-title",
                "no",
                "--dir",
                env!("CARGO_TARGET_TMPDIR"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Process(child.expect("redis-server must be installed; `cargo xtask test` does that"))
    };
    let (mut process, give_up) = (spawn(), Instant::now() + LIMIT);
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(Instant::now() < give_up, "redis-server does not start");
        if process.0.try_wait().expect("a state").is_some() {
            process = spawn();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (process, port)
}

#[expect(clippy::disallowed_methods, reason = "the test runner tells what it installed this way")]
fn redis_program() -> String {
    std::env::var("PORTAL_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the test runner tells what it built this way")]
fn front_program() -> String {
    std::env::var("PORTAL_TEST_DEV_UPSTASH_BIN")
        .expect("PORTAL_TEST_DEV_UPSTASH_BIN is not set: run `cargo xtask test`, which builds it")
}
