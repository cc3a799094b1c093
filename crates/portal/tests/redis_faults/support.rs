//! Servers to be wrong about, and the program with its output.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use dev_redis_cluster::{OwnServer, ServerOptions};

/// Longest time for a program to say what is wrong, or for a server to start.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);

/// A variable and its value.
pub(crate) type Pair<'a> = (&'a str, &'a str);

/// The value of a `PORTAL_TEST_*` variable.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where programs are"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A server of this test's own.
pub(crate) fn server(with_password: bool, with_tls: bool) -> OwnServer {
    let program = dev_redis_cluster::redis_server_program();
    OwnServer::start(&program, ServerOptions { with_password, with_tls })
}

/// A port that nobody listens on.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Asks until there is an answer; panics with `what` when the time is over.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(PAUSE);
    }
}

/// What a program came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Outcome {
    /// Everything that it wrote.
    pub(crate) fn output(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// The lines that it gave as the reason of its end.
    pub(crate) fn reasons(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with("portal: ")).collect()
    }
}

/// A program under way; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    process: Child,
    started: Instant,
    stdout: mpsc::Receiver<String>,
    stderr: mpsc::Receiver<String>,
}

impl Program {
    /// Starts the portal's program with these variables and no others.
    pub(crate) fn portal(arguments: &[&str], variables: &[Pair]) -> Self {
        Self::start(Path::new(env!("CARGO_BIN_EXE_portal")), arguments, variables)
    }

    fn start(program: &Path, arguments: &[&str], variables: &[Pair]) -> Self {
        let mut process = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}; `cargo xtask test` builds it", program.display())
            });
        let stdout = collected(process.stdout.take().unwrap());
        let stderr = collected(process.stderr.take().unwrap());
        Self { process, started: Instant::now(), stdout, stderr }
    }

    /// Waits until it ends by itself.
    pub(crate) fn ends(mut self) -> Outcome {
        let status = eventually("the program ends", || self.process.try_wait().unwrap());
        let took = self.started.elapsed();
        let (stdout, stderr) = (text(&self.stdout), text(&self.stderr));
        Outcome { code: status.code(), stdout, stderr, took }
    }

    /// Asks it to end as an operator would, and waits.
    pub(crate) fn stops(self) -> Outcome {
        let id = self.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(asked.success());
        self.ends()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Reads a pipe to its end on a thread of its own, so that it never fills up.
fn collected(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        drop(sender.send(String::from_utf8_lossy(&bytes).into_owned()));
    });
    receiver
}

fn text(receiver: &mpsc::Receiver<String>) -> String {
    receiver.recv_timeout(PATIENCE).expect("the output ends with the program")
}

/// Runs `portal redis-check`.
pub(crate) fn redis_check(variables: &[Pair]) -> Outcome {
    Program::portal(&["redis-check"], variables).ends()
}

/// The variables that `portal serve` needs beside those of Redis; its database is away.
pub(crate) fn serving(port: u16) -> Vec<(&'static str, String)> {
    let database = |role: &str| {
        format!("postgres://{role}:{DATABASE_SECRET}@127.0.0.1:{}/portal", closed_port())
    };
    vec![
        ("PORTAL_LISTEN", format!("127.0.0.1:{port}")),
        ("DATABASE_URL", database("portal_app")),
        ("DATABASE_WORKER_URL", database("portal_worker")),
        ("DATABASE_PUBLIC_URL", database("portal_public")),
        ("AUTH0_ISSUER_BASE_URL", "http://127.0.0.1:1/".to_owned()),
        ("AUTH0_CLIENT_ID", "portal-dev".to_owned()),
        ("AUTH0_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
        ("SESSION_KEYS", SESSION_KEYS.to_owned()),
        ("CACHE_ENCRYPTION_KEYS", CACHE_KEYS.to_owned()),
    ]
}

/// Secrets that must not show up anywhere.
pub(crate) const DATABASE_SECRET: &str = "marker-of-the-database";
pub(crate) const CLIENT_SECRET: &str = "marker-of-the-client";
/// 64 bytes, and their base64 as settings have it.
pub(crate) const SESSION_KEY: &str =
    "marker-of-the-session-key-marker-of-the-session-key-marker-of-th";
pub(crate) const SESSION_KEYS: &str = "k1:bWFya2VyLW9mLXRoZS1zZXNzaW9uLWtleS1tYXJrZXIt\
    b2YtdGhlLXNlc3Npb24ta2V5LW1hcmtlci1vZi10aA==";

pub(crate) const CACHE_KEYS: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// `GET path` of a server on this machine: status line and headers, then the body.
pub(crate) fn get(port: u16, path: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.to_owned(), body.to_owned()))
}

/// An HTTP server that answers everything with a page for people, as a proxy or a portal of the
/// network does. Its thread ends with the test's process.
pub(crate) fn web_page() -> u16 {
    const PAGE: &str = "<!doctype html><html><title>Welcome</title></html>";
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_with(&stream, PAGE));
        }
    });
    port
}

fn answer_with(mut stream: &TcpStream, page: &str) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    drop(reader.read_line(&mut line));
    // What is no request is answered at once, as web servers do.
    while line.len() > 2 && (line.trim_end().ends_with("HTTP/1.1") || line.contains(": ")) {
        line.clear();
        drop(reader.read_line(&mut line));
    }
    let length = page.len();
    drop(write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{page}"
    ));
}

/// dev-upstash over a server of this test's own.
#[derive(Debug)]
pub(crate) struct Upstash {
    port: u16,
    _program: Program,
    _server: OwnServer,
}

impl Upstash {
    pub(crate) const TOKEN: &str = "marker-of-the-token";
    pub(crate) const READ_ONLY: &str = "marker-of-reading";

    pub(crate) fn start() -> Self {
        let server = server(false, false);
        let beside = || Path::new(env!("CARGO_BIN_EXE_portal")).with_file_name("dev-upstash");
        let program = variable("PORTAL_TEST_DEV_UPSTASH_BIN").map_or_else(beside, PathBuf::from);
        let port = closed_port();
        let program = Program::start(
            &program,
            &[
                "--listen",
                &format!("127.0.0.1:{port}"),
                "--redis",
                &format!("redis://127.0.0.1:{}", server.port()),
                "--token",
                Self::TOKEN,
                "--read-only-token",
                Self::READ_ONLY,
            ],
            &[],
        );
        eventually("dev-upstash listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { port, _program: program, _server: server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Plays a fault from now on; none where `fault` is empty.
    pub(crate) fn plays(&self, fault: &str) {
        let body = format!("{{\"fault\": \"{fault}\"}}");
        let (method, body) = if fault.is_empty() { ("DELETE", "") } else { ("PUT", body.as_str()) };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} /dev/faults HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{fault}: {answer}");
    }
}
