//! A receiver of webhooks, as a tenant might run one: it checks what it gets with the library of
//! Standard Webhooks, and misbehaves as it is told.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::waiting::eventually;

/// What a receiver does with a message.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Answers with this status.
    Answers(u16),
    /// Answers with this status, this further header and this body.
    AnswersWith(u16, &'static str, String),
    /// Takes it, and says nothing for as long as the sender waits.
    NeverAnswers,
    /// Says that all is well, and then one byte at a time for ever.
    NeverEnds,
    /// Hangs up.
    HangsUp,
}

/// What came in.
#[derive(Clone, Debug)]
pub struct Received {
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it was sent.
    pub body: Vec<u8>,
}

impl Received {
    /// A header as text; empty where absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Whether the message is signed with this secret, and now.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        Webhook::new(secret).unwrap().verify(&self.body, &self.headers).is_ok()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Debug)]
struct Shared {
    /// What it does, in turn; the last one for ever.
    manners: Vec<Manner>,
    received: Vec<Received>,
    connections: usize,
}

/// A listening receiver; it is gone when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    url: String,
    port: u16,
    shared: Arc<Mutex<Shared>>,
    listening: JoinHandle<()>,
}

impl Receiver {
    /// Starts one at an address of this machine; it behaves in these ways, one after the other.
    #[expect(clippy::disallowed_methods, reason = "aborted when the receiver is dropped")]
    pub async fn start(address: &str, manners: &[Manner]) -> Self {
        let address: IpAddr = address.parse().unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared {
            manners: manners.to_vec(),
            received: Vec::new(),
            connections: 0,
        }));
        let state = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                state.lock().unwrap().connections += 1;
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        Self { url: format!("http://{address}:{port}/hook?token=t0p"), port, shared, listening }
    }

    /// Its address for endpoints.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has got so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().unwrap().received.clone()
    }

    /// How often somebody has connected.
    pub fn connections(&self) -> usize {
        self.shared.lock().unwrap().connections
    }

    /// From now on it behaves like this.
    pub fn behaves(&self, manner: Manner) {
        self.shared.lock().unwrap().manners = vec![manner];
    }

    /// Waits until it has got this many messages; answers all.
    pub async fn gets(&self, count: usize, within: Duration) -> Vec<Received> {
        let what = format!("the receiver gets {count} messages");
        eventually(&what, within, async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    while let Some(message) = read_message(&mut stream).await {
        let manner = {
            let mut shared = shared.lock().unwrap();
            shared.received.push(message);
            if shared.manners.len() > 1 {
                shared.manners.remove(0)
            } else {
                shared.manners[0].clone()
            }
        };
        let answer = match manner {
            Manner::Answers(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
            Manner::AnswersWith(status, header, body) => {
                let length = body.len();
                format!("HTTP/1.1 {status} X\r\n{header}\r\ncontent-length: {length}\r\n\r\n{body}")
            }
            Manner::NeverAnswers => {
                drop(stream.read(&mut [0; 1]).await);
                return;
            }
            Manner::NeverEnds => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
                drop(stream.write_all(head.as_bytes()).await);
                while stream.write_all(b".").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                return;
            }
            Manner::HangsUp => return,
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_message(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut headers = HeaderMap::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ")?;
        let name: HeaderName = name.parse().ok()?;
        headers.append(name, HeaderValue::from_str(value).ok()?);
    }
    let length: usize = headers.get("content-length")?.to_str().ok()?.parse().ok()?;
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Received { headers, body: bytes[end + 4..end + 4 + length].to_vec() })
}
