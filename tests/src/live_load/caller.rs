//! Requests over one connection that stays open, cheap for whoever sends many.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A connection.
#[derive(Debug)]
pub(super) struct Caller {
    address: SocketAddr,
    connection: BufReader<TcpStream>,
}

impl Caller {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let connection = TcpStream::connect(address).await.unwrap();
        connection.set_nodelay(true).unwrap();
        Self { address, connection: BufReader::new(connection) }
    }

    /// Posts, and answers the status and the body. `headers` are whole lines.
    pub(super) async fn posts(&mut self, path: &str, headers: &str, body: &str) -> (u16, String) {
        let (address, length) = (self.address, body.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        self.connection.write_all(request.as_bytes()).await.unwrap();
        let mut status = String::new();
        self.connection.read_line(&mut status).await.unwrap();
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.connection.read_line(&mut line).await.unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body).await.unwrap();
        (status.expect("a status"), String::from_utf8_lossy(&body).into_owned())
    }
}
