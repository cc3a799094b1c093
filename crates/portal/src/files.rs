//! Files of applicants, in a folder or in a store that speaks S3.

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
use portal_api::files::{FileError, FileStore, Incoming, Outgoing};
use secrecy::ExposeSecret as _;
use tokio::sync::OnceCell;

use crate::settings::{FileSettings, S3Credentials, S3Settings};

/// Smallest part of an upload that stores take, but for the last one. What is smaller in all is
/// sent at once.
const PART_BYTES: usize = 5 << 20;

/// Longest wait for a connection, and for the next bytes of an answer; the request with a part of
/// an upload has to be sent within the second. There is no limit for the whole: a file goes out as
/// fast as whoever downloads it reads.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// A request that failed is repeated so often, and begun anew no later than this.
const MAX_RETRIES: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes the store that the settings name; nothing is connected yet.
pub(crate) fn open(settings: &FileSettings) -> Result<Arc<dyn FileStore>, object_store::Error> {
    Ok(match settings {
        FileSettings::Folder(folder) => {
            Arc::new(Folder { folder: folder.clone(), objects: OnceCell::new() })
        }
        FileSettings::S3(settings) => Arc::new(Objects(s3(settings)?)),
    })
}

fn s3(settings: &S3Settings) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let builder =
        AmazonS3Builder::new().with_bucket_name(&settings.bucket).with_region(&settings.region);
    let retry = RetryConfig {
        max_retries: MAX_RETRIES,
        retry_timeout: RETRY_TIMEOUT,
        ..RetryConfig::default()
    };
    let builder = builder.with_retry(retry);
    let waits = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        .with_timeout_disabled();
    // These replace what was set before: whether plain HTTP is allowed comes after them.
    let builder = builder.with_client_options(waits);
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
                    LocalFileSystem::new_with_prefix(folder).map_err(failed)
                });
                Ok(Objects(Arc::new(made.await.map_err(away)??)))
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
}

/// Any store of the library's.
#[derive(Debug)]
struct Objects(Arc<dyn ObjectStore>);

#[async_trait]
impl FileStore for Objects {
    async fn begin(&self, key: &str) -> Result<Box<dyn Incoming>, FileError> {
        Ok(Box::new(Upload {
            store: Arc::clone(&self.0),
            path: Path::from(key),
            waiting: BytesMut::new(),
            parts: None,
        }))
    }

    async fn open(&self, key: &str) -> Result<Outgoing, FileError> {
        let found = self.0.get(&Path::from(key)).await.map_err(failed)?;
        let bytes = found.meta.size;
        Ok(Outgoing { bytes, content: found.into_stream().map_err(failed).boxed() })
    }

    async fn delete(&self, key: &str) -> Result<(), FileError> {
        match self.0.delete(&Path::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

/// A file on its way in: most are small enough to be sent at once.
struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    waiting: BytesMut,
    parts: Option<Box<dyn MultipartUpload>>,
}

#[async_trait]
impl Incoming for Upload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), FileError> {
        self.waiting.extend_from_slice(&chunk);
        while self.waiting.len() > PART_BYTES {
            let part = self.waiting.split_to(PART_BYTES).freeze();
            let parts = if let Some(parts) = &mut self.parts {
                parts
            } else {
                let begun = self.store.put_multipart(&self.path).await.map_err(failed)?;
                self.parts.insert(begun)
            };
            parts.put_part(PutPayload::from_bytes(part)).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), FileError> {
        let last = PutPayload::from_bytes(self.waiting.split().freeze());
        match &mut self.parts {
            None => self.store.put(&self.path, last).await.map(drop).map_err(failed),
            Some(parts) => {
                parts.put_part(last).await.map_err(failed)?;
                parts.complete().await.map(drop).map_err(failed)
            }
        }
    }

    async fn give_up(mut self: Box<Self>) {
        if let Some(mut parts) = self.parts.take()
            && let Err(error) = parts.abort().await
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "an upload that nobody needs could not be taken back");
        }
    }
}

fn failed(error: object_store::Error) -> FileError {
    match error {
        object_store::Error::NotFound { .. } => FileError::Missing,
        error => away(error),
    }
}

fn away(error: impl std::error::Error + Send + Sync + 'static) -> FileError {
    FileError::Unavailable(Box::new(error))
}

#[cfg(test)]
mod tests;
