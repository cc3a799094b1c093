//! From the client library's errors to what a caller can act on.

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

/// Replies that mean "not now" or "not here" rather than "never": nothing was applied.
const PASSING: [&str; 7] =
    ["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS"];

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

/// Whether the server said this, of this command.
pub(super) fn is_reply(error: &Error) -> bool {
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
