//! An HTTP server that answers as a test tells it to, and remembers what it was asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_provider::UpstashSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::Url;

pub(crate) const TOKEN: &str = "marker-secret-token";

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The commands in it, as JSON.
    pub(crate) fn commands(&self) -> Vec<serde_json::Value> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        if self.target == "/" { vec![body] } else { body.as_array().expect("an array").clone() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn is_probe(&self) -> bool {
        self.text().contains("portal:probe:")
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// Answers with a status, further headers and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Closes the connection without a word.
    Cut,
    /// Says the beginning of an answer and closes the connection.
    CutWithin,
    /// Says nothing more.
    Hang,
    /// Says a byte of the answer now and then.
    Drip(String),
    /// Sends these bytes, whatever they are, and closes the connection.
    Raw(Vec<u8>),
    /// Sends so many bytes of white space before the answer, and announces them or not.
    Bulk(usize, String, bool),
    /// Waits before it does something.
    After(Duration, Box<Does>),
    /// A stream of events: pieces, each after its wait; then it ends, or goes on in silence.
    Events(Vec<(Duration, Vec<u8>)>, Ending),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Ends,
    StaysSilent,
}

pub(crate) fn ok(body: impl Into<String>) -> Does {
    Does::Answer(200, Vec::new(), body.into())
}

pub(crate) fn status(status: u16, body: impl Into<String>) -> Does {
    Does::Answer(status, Vec::new(), body.into())
}

/// As many times the same result as the request has commands.
pub(crate) fn each(seen: &Seen, item: &str) -> Does {
    if seen.target == "/pipeline" || seen.target == "/multi-exec" {
        let items = vec![item; seen.commands().len()];
        ok(format!("[{}]", items.join(",")))
    } else {
        ok(item)
    }
}

type Script = dyn Fn(&Seen) -> Does + Send + Sync;

pub(crate) struct Stub {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Stub {
    /// Answers everything by the script, the look at the start included.
    pub(crate) async fn bare(script: impl Fn(&Seen) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (script, seen_too): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen_too));
                connections.spawn(async move { serve(stream, &*script, &seen).await });
            }
        });
        Self { address, seen, _tasks: tasks }
    }

    /// Passes the look at the start and answers everything else by the script.
    pub(crate) async fn start(script: impl Fn(&Seen) -> Does + Send + Sync + 'static) -> Self {
        Self::bare(move |seen| if seen.is_probe() { answer_probe(seen) } else { script(seen) })
            .await
    }

    pub(crate) fn settings(&self) -> UpstashSettings {
        UpstashSettings {
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(5),
            ..UpstashSettings::new(self.url("http"), TOKEN.into())
        }
    }

    pub(crate) fn url(&self, scheme: &str) -> Url {
        Url::parse(&format!("{scheme}://{}/", self.address)).expect("a URL")
    }

    /// Requests so far, without the look at the start.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().filter(|seen| !seen.is_probe()).cloned().collect()
    }
}

pub(crate) fn answer_probe(seen: &Seen) -> Does {
    if seen.text().starts_with("[\"SET\"") {
        ok("{\"result\":\"OK\"}")
    } else {
        ok("{\"result\":\"cG9ydGFsLXByb2JlIQ==\"}")
    }
}

async fn serve(mut stream: TcpStream, script: &Script, log: &Mutex<Vec<Seen>>) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let seen = read_request(&mut stream, &mut buffer).await?;
        let does = {
            log.lock().expect("no panic").push(seen.clone());
            script(&seen)
        };
        act(&mut stream, does).await?;
    }
}

/// `None` ends the connection.
async fn act(stream: &mut TcpStream, does: Does) -> Option<()> {
    match does {
        Does::Answer(status, headers, body) => {
            stream.write_all(&response(status, &headers, &body)).await.ok()
        }
        Does::Cut => None,
        Does::CutWithin => {
            let text = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"result\":";
            stream.write_all(text).await.ok()?;
            None
        }
        Does::Hang => std::future::pending().await,
        Does::Drip(body) => {
            for byte in response(200, &[], &body) {
                stream.write_all(&[byte]).await.ok()?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Some(())
        }
        Does::Raw(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            None
        }
        Does::Bulk(length, body, is_announced) => {
            let total = length + body.len();
            let length_field = format!("content-length: {total}\r\n");
            let head = format!(
                "HTTP/1.1 200 OK\r\n{}\r\n",
                if is_announced { length_field.as_str() } else { "" }
            );
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&vec![b' '; length]).await.ok()?;
            stream.write_all(body.as_bytes()).await.ok()?;
            None
        }
        Does::After(wait, does) => {
            tokio::time::sleep(wait).await;
            Box::pin(act(stream, *does)).await
        }
        Does::Events(pieces, ending) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            stream.write_all(head.as_bytes()).await.ok()?;
            for (wait, piece) in pieces {
                tokio::time::sleep(wait).await;
                stream.write_all(&piece).await.ok()?;
            }
            match ending {
                Ending::Ends => None,
                Ending::StaysSilent => std::future::pending().await,
            }
        }
    }
}

fn response(status: u16, headers: &[(&str, String)], body: &str) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.extend([*name, ": ", value, "\r\n"]);
    }
    format!("{head}\r\n{body}").into_bytes()
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    loop {
        if let Some((seen, length)) = parse(buffer) {
            buffer.drain(..length);
            return Some(seen);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(buffer: &[u8]) -> Option<(Seen, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("digits"));
    let body = buffer.get(end..end + length)?.to_vec();
    let seen = Seen { method: first.next()?.into(), target: first.next()?.into(), headers, body };
    Some((seen, end + length))
}
