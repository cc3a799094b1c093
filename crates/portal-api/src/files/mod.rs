//! The port to where files of people are kept. What they contain is in no database and no cache.
//!
//! The product keeps them in a folder or in a store that speaks S3; `portal` makes the adapter. A
//! key is made by us alone, never from what somebody sent.

mod keeping;
mod resume;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use time::OffsetDateTime;

pub(crate) use keeping::{Files, Unclaimed};
pub(crate) use resume::{ResumeError, ResumeReader, StoredResume};

/// Why a file could not be kept or given out.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("the file store has no such file")]
    Missing,
    /// The store does not answer, or refuses.
    #[error("the file store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where files are kept.
#[async_trait]
pub trait FileStore: fmt::Debug + Send + Sync {
    /// Begins to keep a file. Until it is finished there is nothing under the key.
    async fn begin(&self, key: &str) -> Result<Box<dyn Incoming>, FileError>;

    /// Gives a file out.
    async fn open(&self, key: &str) -> Result<Outgoing, FileError>;

    /// Deletes a file; one that is not there is deleted already.
    async fn delete(&self, key: &str) -> Result<(), FileError>;

    /// Whether there is such a file.
    async fn holds(&self, key: &str) -> Result<bool, FileError>;

    /// Files whose keys begin with `prefix` and a slash, in the order of their keys: those that come
    /// after `after`, at most `limit`. Fewer than that where there are no more.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, FileError>;
}

/// A file as a list tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// When it came in, by the store's clock.
    pub modified: OffsetDateTime,
}

/// A file on its way in. Dropped without [`finish`](Self::finish) it leaves nothing that could be
/// read; [`give_up`](Self::give_up) also takes away what was sent so far.
#[async_trait]
pub trait Incoming: Send {
    /// Takes more of it.
    async fn write(&mut self, chunk: Bytes) -> Result<(), FileError>;

    /// It is whole, and lasting once this answers.
    async fn finish(self: Box<Self>) -> Result<(), FileError>;

    /// It is not wanted any more.
    async fn give_up(self: Box<Self>);
}

/// A file on its way out.
pub struct Outgoing {
    /// Its size.
    pub bytes: u64,
    /// Its contents.
    pub content: BoxStream<'static, Result<Bytes, FileError>>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outgoing").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
