//! Clients of server-sent events that are not ours: a browser, and npm's `eventsource`. Both tell
//! what their pages would see.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::client::Browser;
use crate::environment;
use crate::portal::free_port;
use crate::waiting::eventually;

/// What a page sees: `open`, `error`, or the name of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Milliseconds since it began.
    pub ms: u64,
    /// What.
    pub name: String,
    /// The last event id.
    pub id: String,
    /// The data.
    pub data: String,
    /// What the source says of itself: 0 connecting, 1 open, 2 closed.
    pub state: u64,
}

impl Seen {
    fn read(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        Self {
            ms: value["ms"].as_u64().unwrap(),
            name: text("name"),
            id: text("id"),
            data: text("data"),
            state: value["state"].as_u64().unwrap(),
        }
    }
}

/// One of them, following a stream.
#[derive(Debug)]
pub enum Source {
    /// npm's, in Node.
    Npm(Box<Npm>),
    /// A browser's.
    Chromium(Box<Chromium>),
}

impl Source {
    /// What it has seen so far.
    pub async fn seen(&mut self) -> Vec<Seen> {
        match self {
            Self::Npm(npm) => npm.seen().await,
            Self::Chromium(chromium) => chromium.seen().await,
        }
    }

    /// Waits until something was seen that `is_it`; answers everything up to then.
    pub async fn sees(
        &mut self,
        what: &str,
        within: Duration,
        is_it: impl Fn(&[Seen]) -> bool,
    ) -> Vec<Seen> {
        eventually(what, within, async || {
            let seen = self.seen().await;
            is_it(&seen).then_some(seen)
        })
        .await
    }
}

/// npm's `eventsource`.
#[derive(Debug)]
pub struct Npm {
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<Seen>,
    _process: Child,
}

impl Npm {
    /// Follows `path` of the browser's portal with its cookies.
    pub fn follows(browser: &Browser, base_url: &str, path: &str) -> Source {
        let cookies: Vec<String> =
            browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut process = Command::new(environment::node())
            .arg(environment::event_source_script())
            .args([&format!("{base_url}{path}"), &cookies.join("; ")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Source::Npm(Box::new(Self { lines, seen: Vec::new(), _process: process }))
    }

    async fn seen(&mut self) -> Vec<Seen> {
        let pause = Duration::from_millis(20);
        while let Ok(line) = tokio::time::timeout(pause, self.lines.next_line()).await {
            let line = line.unwrap().expect("it runs on");
            self.seen.push(Seen::read(&serde_json::from_str(&line).unwrap()));
        }
        self.seen.clone()
    }
}

/// A browser without a window.
#[derive(Debug)]
pub struct Chromium {
    http: reqwest::Client,
    session: String,
    _driver: Child,
}

/// What a page does to follow a stream.
const FOLLOW: &str = r#"
    const begun = Date.now();
    window.seen = [];
    const source = window.source = new EventSource(arguments[0]);
    const hear = (name) => (event) => window.seen.push({
        ms: Date.now() - begun, name, id: event.lastEventId ?? null, data: event.data ?? null,
        state: source.readyState,
    });
    for (const name of ["message", "hello", "notification", "feed_state", "reset", "bye"]) {
        source.addEventListener(name, hear(name));
    }
    source.addEventListener("open", hear("open"));
    source.addEventListener("error", hear("error"));
"#;

impl Chromium {
    /// Opens a page of the portal with the cookies of `browser`, which follows `path`.
    pub async fn follows(browser: &Browser, base_url: &str, path: &str) -> Source {
        let port = free_port();
        let driver = Command::new(environment::chromedriver())
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (http, address) = (crate::client::http(), format!("http://127.0.0.1:{port}"));
        eventually("chromedriver listens", Duration::from_secs(20), async || {
            http.get(format!("{address}/status")).send().await.ok().map(drop)
        })
        .await;
        let options = json!({
            "binary": environment::chromium(),
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let mut chromium = Self { http, session: format!("{address}/session"), _driver: driver };
        let made = chromium.does("", &wanted).await;
        chromium.session = format!("{}/{}", chromium.session, made["sessionId"].as_str().unwrap());
        // A page that may connect to its own origin.
        chromium.does("/url", &json!({ "url": format!("{base_url}/api/docs/") })).await;
        for (name, value) in browser.cookies() {
            let cookie = json!({
                "name": name, "value": value, "path": "/", "secure": true, "httpOnly": true,
                "sameSite": "Lax",
            });
            chromium.does("/cookie", &json!({ "cookie": cookie })).await;
        }
        chromium.runs(FOLLOW, &json!([path])).await;
        Source::Chromium(Box::new(chromium))
    }

    async fn seen(&self) -> Vec<Seen> {
        let seen = self.runs("return window.seen;", &json!([])).await;
        seen.as_array().unwrap().iter().map(Seen::read).collect()
    }

    async fn runs(&self, script: &str, arguments: &Value) -> Value {
        self.does("/execute/sync", &json!({ "script": script, "args": arguments })).await
    }

    async fn does(&self, path: &str, body: &Value) -> Value {
        let sent = self.http.post(format!("{}{path}", self.session)).json(body).send().await;
        let answer: Value = sent.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].clone()
    }
}

impl Drop for Chromium {
    /// The driver takes its browser with it only where it is asked to end.
    fn drop(&mut self) {
        let session = self.session.clone();
        let ended = std::process::Command::new("curl")
            .args(["--silent", "--max-time", "5", "--request", "DELETE", &session])
            .stdout(Stdio::null())
            .status();
        drop(ended);
    }
}
