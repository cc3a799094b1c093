//! Just enough HTTP to ask a server of ours whether it is ready.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Longest status line that is read.
const STATUS_LINE_BYTES: u64 = 256;

/// Longest wait for an answer.
const PROBE: Duration = Duration::from_secs(2);

/// Whether `GET path` on a loopback port is answered with 200.
pub(crate) fn answers(port: u16, path: &str) -> bool {
    status(port, path, PROBE).is_ok_and(|status| status == 200)
}

/// The status that `GET path` on a loopback port answers with.
fn status(port: u16, path: &str, limit: Duration) -> io::Result<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(io::Read::take(stream, STATUS_LINE_BYTES)).read_line(&mut line)?;
    status_of(&line).ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

fn status_of(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_second_word() {
        assert_eq!(status_of("HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status_of("HTTP/1.0 503\r\n"), Some(503));
        assert_eq!(status_of("SSH-2.0-OpenSSH\r\n"), None);
        assert_eq!(status_of(""), None);
    }
}
