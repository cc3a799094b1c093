//! What is wrong with the settings, from what a server said or did.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use fred::error::Error;
use fred::rustls::crypto::aws_lc_rs;
use fred::rustls::pki_types::ServerName;
use fred::rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::settings::Plan;
use crate::misconfiguration::Misconfiguration;

/// First byte of a TLS record that carries a handshake, and of one that carries an alert.
const TLS_HANDSHAKE: u8 = 0x16;
const TLS_ALERT: u8 = 0x15;

/// Why a server cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It cannot be reached, or not yet: time may mend that.
    Away(String),
    /// Time will not mend it.
    Wrong(Misconfiguration),
}

/// The meaning of an error of connecting, or of the first question.
pub(super) fn trouble(error: &Error) -> Trouble {
    let text = error.details();
    let wrong = match text.split(' ').next().unwrap_or_default() {
        "WRONGPASS" => Some(Misconfiguration::Credentials),
        "NOAUTH" => Some(Misconfiguration::PasswordMissing),
        "NOPERM" => Some(missing_right(quoted(text).unwrap_or(text))),
        "DENIED" | "NOPROTO" => Some(Misconfiguration::WrongService(text.to_owned())),
        "ERR" if text.contains("unknown command") => Some(Misconfiguration::WrongService(
            "it lacks a command of Redis 6 and later".to_owned(),
        )),
        _ => certificate_fault(text).map(Misconfiguration::Certificate),
    };
    wrong.map_or_else(|| Trouble::Away(error.to_string()), Trouble::Wrong)
}

/// For "the user has no right to …".
pub(super) fn missing_right(command: &str) -> Misconfiguration {
    Misconfiguration::MissingRight(command.to_uppercase())
}

fn quoted(text: &str) -> Option<&str> {
    text.split_once('\'')?.1.split_once('\'').map(|(inner, _)| inner)
}

/// What is wrong with a certificate, from the way in which the TLS library prints its errors.
fn certificate_fault(text: &str) -> Option<String> {
    let (_, fault) = text.split_once("InvalidCertificate(")?;
    let name: String = fault.chars().take_while(char::is_ascii_alphanumeric).collect();
    Some(match name.as_str() {
        // Another authority may have the same name.
        "UnknownIssuer" | "BadSignature" => {
            "it is signed by an authority that is not trusted".to_owned()
        }
        "NotValidForName" | "NotValidForNameContext" => "it is for another name".to_owned(),
        "Expired" | "ExpiredContext" => "it has expired".to_owned(),
        "NotValidYet" | "NotValidYetContext" => "it is not valid yet".to_owned(),
        _ => name,
    })
}

/// Speaks the other language, plain text instead of TLS or the reverse, to find out whether that
/// is what the server understands.
pub(super) async fn probe(plan: &Plan, at: SocketAddr) -> Option<Misconfiguration> {
    let is_plain = plan.tls.is_none();
    if is_plain && speaks_tls(at).await.unwrap_or(false) {
        return Some(Misconfiguration::TlsExpected);
    }
    let greeting = greeting(at).await.unwrap_or_default();
    if greeting.starts_with(b"HTTP/") {
        return Some(Misconfiguration::WrongService("an HTTP server".to_owned()));
    }
    let is_redis = greeting.starts_with(b"+") || greeting.starts_with(b"-");
    (is_redis && !is_plain).then_some(Misconfiguration::TlsUnexpected)
}

/// What the server says to a plain `PING`.
async fn greeting(at: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut start = vec![0; 16];
    let length = stream.read(&mut start).await?;
    start.truncate(length);
    Ok(start)
}

/// Whether the server answers the beginning of a TLS handshake with TLS.
async fn speaks_tls(at: SocketAddr) -> io::Result<bool> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::IpAddress(at.ip().into());
    let mut handshake = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut hello = Vec::new();
    handshake.write_tls(&mut hello)?;
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(&hello).await?;
    let first = stream.read_u8().await?;
    Ok(matches!(first, TLS_HANDSHAKE | TLS_ALERT))
}

#[cfg(test)]
mod tests {
    use fred::error::ErrorKind;

    use super::*;

    #[test]
    fn what_servers_say_has_a_meaning() {
        use Misconfiguration::{
            Certificate, Credentials, MissingRight, PasswordMissing, WrongService,
        };
        for (text, expected) in [
            ("WRONGPASS invalid username-password pair or user is disabled.", Credentials),
            ("NOAUTH HELLO must be called with the client already authenticated", PasswordMissing),
            (
                "NOPERM this user has no permissions to run the 'cluster|slots' command",
                MissingRight("CLUSTER|SLOTS".to_owned()),
            ),
            (
                "Custom { kind: InvalidData, error: InvalidCertificate(UnknownIssuer) }",
                Certificate("it is signed by an authority that is not trusted".to_owned()),
            ),
            (
                "Custom { kind: InvalidData, error: InvalidCertificate(NotValidForNameContext { expected: .. }) }",
                Certificate("it is for another name".to_owned()),
            ),
            (
                "ERR unknown command `HELLO`, with args beginning with: `3`, ",
                WrongService("it lacks a command of Redis 6 and later".to_owned()),
            ),
        ] {
            let trouble = trouble(&Error::new(ErrorKind::Unknown, text));
            assert_eq!(trouble, Trouble::Wrong(expected), "{text}");
        }
        for text in ["Os { code: 111, kind: ConnectionRefused }", "LOADING Redis is loading", ""] {
            let trouble = trouble(&Error::new(ErrorKind::IO, text));
            assert!(matches!(trouble, Trouble::Away(_)), "{text}");
        }
    }
}
