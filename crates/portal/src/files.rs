//! Files of applicants, in a folder or in a store that speaks S3.

mod failure;
pub(crate) mod sweep;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    ClientOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig,
};
use portal_api::files::{FileError, FileStore, Incoming, Listed, Outgoing};
use secrecy::ExposeSecret as _;
use time::OffsetDateTime;
use tokio::sync::OnceCell;

use self::failure::Failure;
use crate::settings::{FileSettings, S3Credentials, S3Settings};

/// Smallest part of an upload that stores take, but for the last one. What is smaller in all is
/// sent at once.
const PART_BYTES: usize = 5 << 20;

/// How long a store that speaks S3 is waited for. There is no limit for a whole answer: a file goes
/// out as fast as whoever downloads it reads.
#[derive(Clone, Copy, Debug)]
struct Waits {
    connect: Duration,
    /// For the next bytes of an answer; a part of an upload has to be sent within it.
    read: Duration,
    /// How often a request that failed is repeated, and when it is begun anew no more.
    retries: usize,
    retry: Duration,
}

const WAITS: Waits = Waits {
    connect: Duration::from_secs(3),
    read: Duration::from_secs(10),
    retries: 3,
    retry: Duration::from_secs(15),
};

/// Makes the store that the settings name; nothing is connected yet.
pub(crate) fn open(settings: &FileSettings) -> Result<Arc<dyn FileStore>, object_store::Error> {
    Ok(match settings {
        FileSettings::Folder(folder) => {
            Arc::new(Folder { folder: folder.clone(), objects: OnceCell::new() })
        }
        FileSettings::S3(settings) => {
            Arc::new(Objects { store: s3(settings, WAITS)?, is_remote: true })
        }
    })
}

fn s3(settings: &S3Settings, waits: Waits) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let builder =
        AmazonS3Builder::new().with_bucket_name(&settings.bucket).with_region(&settings.region);
    let retry = RetryConfig {
        max_retries: waits.retries,
        retry_timeout: waits.retry,
        ..RetryConfig::default()
    };
    let builder = builder.with_retry(retry);
    let client = ClientOptions::new()
        .with_connect_timeout(waits.connect)
        .with_read_timeout(waits.read)
        .with_timeout_disabled();
    // These replace what was set before: whether plain HTTP is allowed comes after them.
    let builder = builder.with_client_options(client);
    let builder = match &settings.endpoint {
        Some(endpoint) => builder
            .with_endpoint(endpoint.as_str().trim_end_matches('/'))
            .with_allow_http(endpoint.scheme() == "http"),
        None => builder,
    };
    let builder = match &settings.credentials {
        S3Credentials::Key(id, secret) => {
            builder.with_access_key_id(id).with_secret_access_key(secret.expose_secret())
        }
        S3Credentials::Container(path) => {
            builder.with_config(AmazonS3ConfigKey::ContainerCredentialsRelativeUri, path)
        }
        S3Credentials::Machine => builder,
    };
    let store = builder.build()?;
    Ok(match settings.prefix.trim_matches('/') {
        "" => Arc::new(store),
        prefix => Arc::new(PrefixStore::new(store, prefix)),
    })
}

/// A folder, made when something is first kept in it.
#[derive(Debug)]
struct Folder {
    folder: PathBuf,
    objects: OnceCell<Objects>,
}

impl Folder {
    async fn objects(&self) -> Result<&Objects, FileError> {
        self.objects
            .get_or_try_init(async || {
                let folder = self.folder.clone();
                let made = tokio::task::spawn_blocking(move || {
                    std::fs::create_dir_all(&folder).map_err(away)?;
                    LocalFileSystem::new_with_prefix(folder).map_err(away)
                });
                let store = Arc::new(made.await.map_err(away)??);
                Ok(Objects { store, is_remote: false })
            })
            .await
    }
}

#[async_trait]
impl FileStore for Folder {
    async fn begin(&self, key: &str) -> Result<Box<dyn Incoming>, FileError> {
        self.objects().await?.begin(key).await
    }

    async fn open(&self, key: &str) -> Result<Outgoing, FileError> {
        self.objects().await?.open(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), FileError> {
        self.objects().await?.delete(key).await
    }

    async fn holds(&self, key: &str) -> Result<bool, FileError> {
        self.objects().await?.holds(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, FileError> {
        self.objects().await?.list(prefix, after, limit).await
    }
}

/// Any store of the library's.
#[derive(Clone, Debug)]
struct Objects {
    store: Arc<dyn ObjectStore>,
    /// It lists in the order of keys, and what it answers is not repeated to anybody.
    is_remote: bool,
}

impl Objects {
    fn failed(&self, error: object_store::Error) -> FileError {
        let failure = self.is_remote.then(|| Failure::of(&error));
        match (error, failure) {
            (object_store::Error::NotFound { .. }, None) => FileError::Missing,
            (object_store::Error::NotFound { .. }, Some(failure)) if !failure.is_of_bucket() => {
                FileError::Missing
            }
            (_, Some(failure)) => away(failure),
            (error, None) => away(error),
        }
    }
}

#[async_trait]
impl FileStore for Objects {
    async fn begin(&self, key: &str) -> Result<Box<dyn Incoming>, FileError> {
        Ok(Box::new(Upload {
            objects: self.clone(),
            path: Path::from(key),
            waiting: BytesMut::new(),
            parts: None,
        }))
    }

    async fn open(&self, key: &str) -> Result<Outgoing, FileError> {
        let found = self.store.get(&Path::from(key)).await.map_err(|error| self.failed(error))?;
        let (bytes, objects) = (found.meta.size, self.clone());
        let content = found.into_stream().map_err(move |error| objects.failed(error)).boxed();
        Ok(Outgoing { bytes, content })
    }

    async fn delete(&self, key: &str) -> Result<(), FileError> {
        match self.store.delete(&Path::from(key)).await.map_err(|error| self.failed(error)) {
            Ok(()) | Err(FileError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn holds(&self, key: &str) -> Result<bool, FileError> {
        match self.store.head(&Path::from(key)).await.map_err(|error| self.failed(error)) {
            Ok(_) => Ok(true),
            Err(FileError::Missing) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Listed>, FileError> {
        let prefix = Path::from(prefix);
        let mut found = match after {
            // As the store has named it: with escapes, it may be.
            Some(key) => {
                let after = Path::parse(key).unwrap_or_else(|_| Path::from(key));
                self.store.list_with_offset(Some(&prefix), &after)
            }
            None => self.store.list(Some(&prefix)),
        };
        let mut first = BTreeMap::new();
        while let Some(file) = found.try_next().await.map_err(|error| self.failed(error))? {
            let modified = file.last_modified.timestamp();
            let modified = OffsetDateTime::from_unix_timestamp(modified).map_err(away)?;
            first.insert(file.location.to_string(), modified);
            if first.len() == limit && self.is_remote {
                break;
            }
            if first.len() > limit {
                first.pop_last();
            }
        }
        Ok(first.into_iter().map(|(key, modified)| Listed { key, modified }).collect())
    }
}

/// A file on its way in: most are small enough to be sent at once.
struct Upload {
    objects: Objects,
    path: Path,
    waiting: BytesMut,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    async fn send_part(&mut self, part: PutPayload) -> object_store::Result<()> {
        let parts = if let Some(parts) = &mut self.parts {
            parts
        } else {
            let begun = self.objects.store.put_multipart(&self.path).await?;
            self.parts.insert(begun)
        };
        parts.put_part(part).await
    }

    async fn complete(&mut self) -> object_store::Result<()> {
        let last = PutPayload::from_bytes(self.waiting.split().freeze());
        match &mut self.parts {
            None => self.objects.store.put(&self.path, last).await.map(drop),
            Some(parts) => {
                parts.put_part(last).await?;
                parts.complete().await.map(drop)
            }
        }
    }
}

#[async_trait]
impl Incoming for Upload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), FileError> {
        self.waiting.extend_from_slice(&chunk);
        while self.waiting.len() > PART_BYTES {
            let part = self.waiting.split_to(PART_BYTES).freeze();
            let sent = self.send_part(PutPayload::from_bytes(part)).await;
            sent.map_err(|error| self.objects.failed(error))?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), FileError> {
        let Err(error) = self.complete().await else { return Ok(()) };
        let error = self.objects.failed(error);
        // Parts are in no list of files: nobody would find them.
        self.give_up().await;
        Err(error)
    }

    async fn give_up(mut self: Box<Self>) {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            let error = &self.objects.failed(error) as &dyn std::error::Error;
            tracing::warn!(error, "an upload that nobody needs could not be taken back");
        }
    }
}

fn away(error: impl std::error::Error + Send + Sync + 'static) -> FileError {
    FileError::Unavailable(Box::new(error))
}

#[cfg(test)]
mod tests;
