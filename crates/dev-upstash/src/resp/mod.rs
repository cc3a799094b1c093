//! RESP2, the protocol of the redis-server: what it says, read and written.

mod encoder;
mod parser;

use bytes::Bytes;

pub(crate) use encoder::{write_command, write_reply};
pub(crate) use parser::{Parser, ProtocolError};

/// What Redis answers, or tells a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A status such as `OK`.
    Simple(Bytes),
    /// An error, its prefix included.
    Error(Bytes),
    Integer(i64),
    /// A string, or nothing.
    Bulk(Option<Bytes>),
    /// A list, or nothing.
    Array(Option<Vec<Self>>),
}

impl Reply {
    /// An error made here.
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self::Error(Bytes::from(text.into()))
    }

    /// The bytes of a status or string.
    pub(crate) fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Simple(bytes) | Self::Bulk(Some(bytes)) => Some(bytes),
            _ => None,
        }
    }
}
