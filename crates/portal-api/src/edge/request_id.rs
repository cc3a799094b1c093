//! The name of a request in our log and in every answer.

use std::fmt;

use uuid::Uuid;

/// Names one request. Always ours: a name that a client chose could be used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl RequestId {
    /// As rows hold it.
    pub(crate) const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// A name that no other request has.
    pub(super) fn new() -> Self {
        Self(Uuid::now_v7())
    }
}
