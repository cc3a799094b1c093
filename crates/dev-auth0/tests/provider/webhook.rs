//! A receiver of events that keeps what it got.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) bearer: String,
    pub(crate) body: Value,
}

/// A server that answers with a list of statuses, the last of them for ever.
pub(crate) struct Webhook {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    _task: tokio::task::JoinSet<()>,
}

impl Webhook {
    pub(crate) async fn start(statuses: Vec<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let (kept, mut task) = (Arc::clone(&received), tokio::task::JoinSet::new());
        task.spawn(async move {
            let mut count = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let status = statuses.get(count).or(statuses.last()).copied().unwrap();
                let request = read(stream, status).await;
                kept.lock().unwrap().push(request);
                count += 1;
            }
        });
        Self { url, received, _task: task }
    }

    /// Waits for so many requests, and gives them in the order in which they came.
    pub(crate) async fn receives(&self, count: usize) -> Vec<Received> {
        let started = Instant::now();
        loop {
            let received = self.received.lock().unwrap().clone();
            if received.len() >= count {
                return received;
            }
            assert!(started.elapsed() < Duration::from_secs(15), "only {received:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn read(mut stream: TcpStream, status: u16) -> Received {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut buffer = [0; 4_096];
        let read = stream.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length: usize = header(&head, "content-length").parse().unwrap();
        if body.len() >= length {
            break (text.clone(), length);
        }
    };
    let (head, body) = head.split_once("\r\n\r\n").unwrap();
    let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    Received {
        bearer: header(head, "authorization"),
        body: serde_json::from_str(&body[..length]).unwrap(),
    }
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
    line.unwrap().split_once(':').unwrap().1.trim().to_owned()
}
