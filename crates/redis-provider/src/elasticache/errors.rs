//! From the client library's errors to what a caller, or the routing, can act on.

use fred::error::{Error, ErrorKind};

use crate::error::RedisError;

/// Whether a command changes anything; decides what a lost answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Access {
    pub(super) const fn timeout(self) -> RedisError {
        RedisError::Timeout { maybe_applied: matches!(self, Self::Write) }
    }
}

/// Why a command that was sent to a node has no answer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The slot belongs to another node, for good. The command was not executed.
    Moved(Redirect),
    /// The key may have moved ahead of its slot: ask there, this once. It was not executed.
    Ask(Redirect),
    /// The keys of the command are about to move. It was not executed.
    TryAgain,
    /// What the caller is told.
    Error(RedisError),
}

/// Where a command has to go instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) slot: u16,
    /// `None` is the host that was asked.
    pub(super) host: Option<String>,
    pub(super) port: u16,
}

impl Redirect {
    /// Reads what follows the word, such as `3999 node.example.com:6379`.
    fn parse(text: &str) -> Option<Self> {
        let (slot, endpoint) = text.split_once(' ')?;
        let (host, port) = endpoint.trim().rsplit_once(':')?;
        let slot = slot.parse().ok().filter(|slot| usize::from(*slot) < super::topology::SLOTS)?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let host = Some(host.to_owned()).filter(|host| !matches!(host.as_str(), "" | "?"));
        Some(Self { slot, host, port })
    }
}

impl Failure {
    pub(super) fn from_client(error: &Error, access: Access) -> Self {
        let text = error.details();
        let redirect = match text.split_once(' ') {
            Some(("MOVED", rest)) => Redirect::parse(rest).map(Self::Moved),
            Some(("ASK", rest)) => Redirect::parse(rest).map(Self::Ask),
            Some(("TRYAGAIN", _)) if is_reply(error) => Some(Self::TryAgain),
            _ => None,
        };
        redirect.unwrap_or_else(|| Self::Error(from_client(error, access)))
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self::Error(error)
    }
}

/// Replies that mean "not now" or "not here" rather than "never": nothing was applied.
const PASSING: [&str; 7] =
    ["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS"];

/// What a caller is told of an error.
pub(super) fn from_client(error: &Error, access: Access) -> RedisError {
    match error.kind() {
        ErrorKind::Timeout => access.timeout(),
        // The connection went away under a command that was written, or nearly. The library gives
        // its neighbours' error to every command on the way, so the text says nothing of this one.
        ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Auth | ErrorKind::Cluster => {
            lost(error, access)
        }
        ErrorKind::Backpressure => {
            RedisError::Unavailable("too many calls wait for an answer".to_owned())
        }
        ErrorKind::Config | ErrorKind::Url | ErrorKind::Tls | ErrorKind::Routing => {
            RedisError::Unavailable(error.to_string())
        }
        ErrorKind::InvalidArgument | ErrorKind::InvalidCommand | ErrorKind::Unknown => {
            from_reply(error, access)
        }
        _ => RedisError::Protocol(error.to_string()),
    }
}

/// The code that a server's error begins with, in capitals; anything else is the library's own.
fn reply_code(error: &Error) -> Option<&str> {
    let code = error.details().split(' ').next().unwrap_or_default();
    let is_code = code.len() > 1 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then_some(code)
}

/// Whether the server said this, of this command. `CLUSTERDOWN` is not among them: the library
/// gives up the connection and tells it to every command on the way.
pub(super) fn is_reply(error: &Error) -> bool {
    if error.is_moved() || error.is_ask() {
        return true;
    }
    let kinds = [ErrorKind::InvalidArgument, ErrorKind::InvalidCommand, ErrorKind::Unknown];
    kinds.contains(error.kind()) && reply_code(error).is_some()
}

fn from_reply(error: &Error, access: Access) -> RedisError {
    let Some(code) = reply_code(error) else { return lost(error, access) };
    let text = error.details();
    if PASSING.contains(&code) {
        RedisError::Unavailable(text.to_owned())
    } else {
        RedisError::Rejected(text.to_owned())
    }
}

fn lost(error: &Error, access: Access) -> RedisError {
    match access {
        Access::Read => RedisError::Unavailable(error.to_string()),
        Access::Write => access.timeout(),
    }
}

/// Whether the reply came from a server that is not, or no longer, the one to write to.
pub(super) fn is_wrong_server(error: &Error) -> bool {
    error.details().starts_with("READONLY")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(text: &'static str) -> Error {
        Error::new(ErrorKind::Unknown, text)
    }

    #[test]
    fn replies_are_told_apart() {
        for text in ["ERR value is not an integer or out of range", "OOM command not allowed"] {
            let error = from_client(&unknown(text), Access::Write);
            assert_eq!(error, RedisError::Rejected(text.to_owned()));
        }
        let loading = from_client(&unknown("LOADING in memory"), Access::Write);
        assert_eq!(loading, RedisError::Unavailable("LOADING in memory".to_owned()));
        let wrong_type = Error::new(ErrorKind::InvalidArgument, "WRONGTYPE Operation");
        assert!(matches!(from_client(&wrong_type, Access::Read), RedisError::Rejected(_)));
    }

    #[test]
    fn redirections_are_read_or_are_errors() {
        let of = |text: &'static str| {
            Failure::from_client(&Error::new(ErrorKind::Cluster, text), Access::Write)
        };
        let to =
            |slot, host: Option<&str>| Redirect { slot, host: host.map(str::to_owned), port: 7001 };
        assert_eq!(of("MOVED 3999 host.x:7001"), Failure::Moved(to(3999, Some("host.x"))));
        assert_eq!(of("ASK 16383 ::1:7001"), Failure::Ask(to(16383, Some("::1"))));
        assert_eq!(of("MOVED 0 :7001"), Failure::Moved(to(0, None)));
        assert_eq!(of("MOVED 0 ?:7001"), Failure::Moved(to(0, None)));
        for bad in ["MOVED", "MOVED 1", "MOVED 16384 h:1", "MOVED 1 h:0", "ASK x h:1", "ASK 1 h:x"]
        {
            assert!(matches!(of(bad), Failure::Error(_)), "{bad}");
        }
        let again = Failure::from_client(&unknown("TRYAGAIN Multiple keys"), Access::Write);
        assert_eq!(again, Failure::TryAgain);
        // Its neighbours on the connection are told the same, so it says nothing of this one.
        let down = of("CLUSTERDOWN The cluster is down");
        assert_eq!(down, Failure::Error(RedisError::Timeout { maybe_applied: true }));
    }

    #[test]
    fn a_lost_write_may_have_been_applied() {
        for kind in [ErrorKind::IO, ErrorKind::Canceled, ErrorKind::Timeout] {
            let error = Error::new(kind, "Connection closed.");
            let write = from_client(&error, Access::Write);
            assert_eq!(write, RedisError::Timeout { maybe_applied: true });
            let read = from_client(&error, Access::Read);
            assert_ne!(read, RedisError::Timeout { maybe_applied: true });
        }
        let closed = from_client(&unknown("channel closed"), Access::Write);
        assert_eq!(closed, RedisError::Timeout { maybe_applied: true });
    }
}
