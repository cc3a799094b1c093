//! A running server with a redis-server behind it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

pub(crate) const TOKEN: &str = "full-token";
pub(crate) const READ_ONLY: &str = "read-token";
/// The longest that anything may take to happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Front {
    server: Process,
    redis: Process,
    redis_port: u16,
    pub(crate) base: String,
    http: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn error(&self) -> String {
        let error = self.json().get("error").and_then(Value::as_str).map(str::to_owned);
        error.unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn token(&self) -> &str {
        self.header("upstash-sync-token").unwrap_or_else(|| panic!("no token: {self:?}"))
    }
}

impl Front {
    pub(crate) async fn start() -> Self {
        let (redis, port) = start_redis().await;
        let mut child = Command::new(env!("CARGO_BIN_EXE_dev-upstash"))
            .args(["--listen", "127.0.0.1:0", "--redis", &format!("redis://127.0.0.1:{port}")])
            .args(["--token", TOKEN, "--read-only-token", READ_ONLY])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("dev-upstash listening on ").unwrap().to_owned();
        let http = reqwest::Client::builder().timeout(LIMIT).build().unwrap();
        Self { server: Process(child), redis, redis_port: port, base, http }
    }

    pub(crate) fn server(&mut self) -> &mut Child {
        &mut self.server.0
    }

    /// Ends the redis-server behind.
    pub(crate) fn stop_redis(&mut self) {
        self.redis.0.kill().unwrap();
        self.redis.0.wait().unwrap();
    }

    /// Starts it again, without the data.
    pub(crate) async fn start_redis_again(&mut self) {
        self.redis = spawn_redis(self.redis_port);
        assert!(listens(&mut self.redis, self.redis_port).await);
    }

    /// A request that nobody has authorized yet.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.bare(Method::POST, path).bearer_auth(TOKEN)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.bare(Method::GET, path).bearer_auth(TOKEN)
    }

    /// `POST /` with a command as JSON.
    pub(crate) async fn command(&self, command: Value) -> Answer {
        send(self.post("/").body(command.to_string())).await
    }

    /// The result of a command.
    pub(crate) async fn result(&self, command: Value) -> Value {
        let answer = self.command(command).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json().get("result").cloned().unwrap_or_else(|| panic!("no result: {answer:?}"))
    }

    pub(crate) async fn set_fault(&self, order: Value) {
        let request =
            self.bare(Method::PUT, "/dev/faults").header("content-type", "application/json");
        let answer = send(request.body(order.to_string())).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    pub(crate) async fn clear_faults(&self) {
        assert_eq!(send(self.bare(Method::DELETE, "/dev/faults")).await.status, 204);
    }

    pub(crate) async fn statistics(&self) -> Value {
        send(self.bare(Method::GET, "/dev/statistics")).await.json()
    }

    pub(crate) async fn wait_for_statistic(&self, name: &str, value: u64) {
        let give_up = Instant::now() + LIMIT;
        loop {
            let statistics = self.statistics().await;
            if statistics[name] == value {
                return;
            }
            assert!(Instant::now() < give_up, "{name} never is {value}: {statistics}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    read(request.send().await.unwrap()).await
}

async fn read(response: Response) -> Answer {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
}

/// The events of a stream, one by one.
pub(crate) struct Events {
    response: Response,
    received: Vec<u8>,
    /// How the bytes arrived.
    pub(crate) chunks: Vec<Vec<u8>>,
}

impl Events {
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = request.header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, received: Vec::new(), chunks: Vec::new() }
    }

    /// The next event without its `data: `; nothing when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            let end = self.received.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let event: Vec<u8> = self.received.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                return Some(event.trim_end().strip_prefix("data: ").unwrap().to_owned());
            }
            let chunk = tokio::time::timeout(LIMIT, self.response.chunk()).await.expect("in time");
            let chunk = chunk.unwrap()?;
            self.received.extend_from_slice(&chunk);
            self.chunks.push(chunk.to_vec());
        }
    }

    /// What came after the last whole event.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.received
    }
}

#[expect(clippy::disallowed_methods, reason = "the test runner tells what it installed this way")]
fn redis_program() -> String {
    std::env::var("PORTAL_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

fn spawn_redis(port: u16) -> Process {
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
    Process(child.expect("redis-server must be installed"))
}

/// Whether it listens; it does not when it ended because somebody else has the port.
async fn listens(redis: &mut Process, port: u16) -> bool {
    let give_up = Instant::now() + LIMIT;
    while redis.0.try_wait().unwrap().is_none() {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        assert!(Instant::now() < give_up, "redis-server does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

async fn start_redis() -> (Process, u16) {
    loop {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let mut redis = spawn_redis(port);
        if listens(&mut redis, port).await {
            return (redis, port);
        }
    }
}
