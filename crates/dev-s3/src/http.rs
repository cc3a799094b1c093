//! As much of HTTP/1.1 as a client of S3 uses; by hand, so that an answer can end anywhere.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Longest head and largest body of a request.
const HEAD_BYTES: usize = 32 << 10;
const BODY_BYTES: usize = 64 << 20;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// As it was sent, with its escapes.
    pub(crate) path: String,
    /// The same.
    pub(crate) query: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

/// What it is answered.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection ends in the middle of the body.
    pub(crate) is_cut: bool,
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), is_cut: false }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The next request; none at the connection's end.
pub(crate) async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut lines = Vec::new();
    let mut bytes = 0;
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await?;
        bytes += read;
        if read == 0 {
            return Ok(None);
        }
        if bytes > HEAD_BYTES {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let mut lines = lines.into_iter();
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(ErrorKind::InvalidData.into());
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Vec::new(),
    };
    let length = request.header("content-length").unwrap_or("0");
    let length: usize = length.parse().map_err(|_| Error::from(ErrorKind::InvalidData))?;
    if length > BODY_BYTES || request.header("transfer-encoding").is_some() {
        return Err(ErrorKind::Unsupported.into());
    }
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await?;
    Ok(Some(request))
}

/// Sends an answer, or half of its body.
pub(crate) async fn write(
    stream: &mut BufReader<TcpStream>,
    request: &Request,
    response: &Response,
) -> Result<()> {
    let mut head = format!("HTTP/1.1 {} -\r\n", response.status);
    for (name, value) in &response.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    // 204 has no length; the answer to HEAD tells that of the object itself.
    let says_length = response.headers.iter().any(|(name, _)| *name == "content-length");
    if response.status != 204 && !says_length {
        let _ = write!(head, "content-length: {}\r\n", response.body.len());
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    if request.method != "HEAD" {
        let sent = if response.is_cut { response.body.len() / 2 } else { response.body.len() };
        stream.write_all(response.body.get(..sent).unwrap_or_default()).await?;
    }
    stream.flush().await
}
