//! A way to Postgres that loses one answer: what was asked for is done, and whoever asked does not
//! learn of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A proxy that cuts a connection in place of the answer to whatever says `marker`; once. It ends
/// when this is dropped.
#[derive(Debug)]
pub struct LosingProxy {
    url: String,
    lost: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl LosingProxy {
    /// A proxy to the server of this address.
    pub async fn start_to(database: &str, marker: &'static str) -> Self {
        let mut url = Url::parse(database).expect("an address of a database");
        let host = url.host_str().expect("it has a host").to_owned();
        let server = (host, url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let lost = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&lost);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, count) = (server.clone(), Arc::clone(&count));
                connections.spawn(relay(client, server, marker, count));
            }
        });
        Self { url: url.into(), lost, _task: task }
    }

    /// How the database is reached through it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many answers it has lost.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

async fn relay(
    client: TcpStream,
    server: (String, u16),
    marker: &'static str,
    lost: Arc<AtomicUsize>,
) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut is_marked = false;
    loop {
        tokio::select! {
            Ok(length) = from_client.read(&mut asked) => {
                let piece = &asked[..length];
                let has_marker =
                    piece.windows(marker.len()).any(|window| window == marker.as_bytes());
                is_marked |= has_marker && lost.load(Ordering::SeqCst) == 0;
                if length == 0 || to_server.write_all(piece).await.is_err() {
                    return;
                }
            }
            Ok(length) = from_server.read(&mut answered) => {
                // The answer to a statement of its own comes when its transaction has ended.
                if is_marked {
                    lost.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if length == 0 || to_client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
