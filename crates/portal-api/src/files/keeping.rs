//! The file store as requests use it: nobody waits for it without an end, and what nobody claims is
//! taken away, whatever became of the request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{FileError, FileStore, Incoming, Outgoing};

/// Longest wait for the beginning of a file.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);
/// Longest time for a part of an upload, and for its end. Less than what an application may take to
/// arrive, so that whoever applies while the store hangs is told that it is away, and not that they
/// were too slow.
const PART_DEADLINE: Duration = Duration::from_secs(25);
/// Longest time for what is done beside requests.
const TASK_DEADLINE: Duration = Duration::from_secs(60);

/// A file store with deadlines. Clones share its tasks.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    store: Arc<dyn FileStore>,
    tasks: TaskTracker,
    /// Where tasks run: it outlives the server's threads, which may be what drops a file.
    runtime: Handle,
}

impl Files {
    /// To be called on the runtime that ends last.
    pub(crate) fn new(store: Arc<dyn FileStore>) -> Self {
        Self { store, tasks: TaskTracker::new(), runtime: Handle::current() }
    }

    /// Gives a file out.
    pub(crate) async fn open(&self, key: &str) -> Result<Outgoing, FileError> {
        within(OPEN_DEADLINE, self.store.open(key)).await
    }

    /// Begins to keep a file.
    pub(crate) async fn begin(&self, id: Uuid, key: &str) -> Result<Arriving, FileError> {
        let incoming = within(OPEN_DEADLINE, self.store.begin(key)).await?;
        let (files, key) = (self.clone(), key.to_owned());
        Ok(Arriving { files, id, key, incoming: Some(incoming) })
    }

    /// Deletes a file; whoever asks wants to know that it is gone.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), FileError> {
        within(TASK_DEADLINE, self.store.delete(key)).await
    }

    /// Deletes a file, beside whoever asks. Where that fails it stays, and is found by nobody: no
    /// row names it.
    pub(crate) fn discard(&self, id: Uuid, key: String) {
        let store = Arc::clone(&self.store);
        self.spawn(async move {
            if let Err(error) = within(TASK_DEADLINE, store.delete(&key)).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, file.id = %id, "a file that nobody needs was not deleted");
            }
        });
    }

    /// Waits for what is done beside requests; part of the shutdown.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn_on(work.in_current_span(), &self.runtime)
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, FileError>>,
) -> Result<T, FileError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|elapsed| Err(away(elapsed)))
}

fn away(error: impl std::error::Error + Send + Sync + 'static) -> FileError {
    FileError::Unavailable(Box::new(error))
}

/// A file on its way in. Dropped before its end it is taken back.
pub(crate) struct Arriving {
    files: Files,
    id: Uuid,
    key: String,
    incoming: Option<Box<dyn Incoming>>,
}

impl Arriving {
    /// Takes more of it.
    pub(crate) async fn write(&mut self, chunk: Bytes) -> Result<(), FileError> {
        match &mut self.incoming {
            Some(incoming) => within(PART_DEADLINE, incoming.write(chunk)).await,
            None => Err(FileError::Missing),
        }
    }

    /// It is whole. The store's last word is waited for by a task: where the caller goes away
    /// meanwhile, or the store says no, what it may have kept is deleted.
    pub(crate) async fn finish(mut self) -> Result<Unclaimed, FileError> {
        let Some(incoming) = self.incoming.take() else { return Err(FileError::Missing) };
        let (files, key) = (self.files.clone(), self.key.clone());
        let kept = Unclaimed { files, id: self.id, key: Some(key) };
        let work = async move {
            within(PART_DEADLINE, incoming.finish()).await?;
            Ok(kept)
        };
        self.files.spawn(work).await.unwrap_or_else(|error| Err(away(error)))
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            let work = async move {
                let given_up = tokio::time::timeout(TASK_DEADLINE, incoming.give_up());
                if given_up.await.is_err() {
                    tracing::warn!("an upload that nobody needs could not be taken back in time");
                }
            };
            drop(self.files.spawn(work));
        }
    }
}

/// A file that is in the store and nobody's yet. Dropped it is deleted.
#[must_use]
pub(crate) struct Unclaimed {
    files: Files,
    id: Uuid,
    key: Option<String>,
}

impl Unclaimed {
    /// It is somebody's, or may be: it stays.
    pub(crate) fn claim(mut self) {
        self.key = None;
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.files.discard(self.id, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use tokio::sync::Notify;

    use super::super::Listed;
    use super::*;

    /// What a shelf has under a key: nothing whole yet, or a file.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Kept {
        Part,
        Whole,
    }

    /// A store in memory. While it is closed, what is finished waits.
    #[derive(Clone, Debug, Default)]
    struct Shelf {
        files: Arc<Mutex<BTreeMap<String, Kept>>>,
        opens: Arc<Notify>,
        is_closed: bool,
    }

    impl Shelf {
        fn files(&self) -> Vec<Kept> {
            self.files.lock().unwrap().values().copied().collect()
        }
    }

    #[async_trait]
    impl FileStore for Shelf {
        async fn begin(&self, key: &str) -> Result<Box<dyn Incoming>, FileError> {
            self.files.lock().unwrap().insert(key.to_owned(), Kept::Part);
            Ok(Box::new(Place(self.clone(), key.to_owned())))
        }

        async fn open(&self, _key: &str) -> Result<Outgoing, FileError> {
            std::future::pending().await
        }

        async fn delete(&self, key: &str) -> Result<(), FileError> {
            self.files.lock().unwrap().remove(key);
            Ok(())
        }

        async fn holds(&self, key: &str) -> Result<bool, FileError> {
            Ok(self.files.lock().unwrap().contains_key(key))
        }

        async fn list(
            &self,
            _prefix: &str,
            _after: Option<&str>,
            _limit: usize,
        ) -> Result<Vec<Listed>, FileError> {
            Ok(Vec::new())
        }
    }

    struct Place(Shelf, String);

    #[async_trait]
    impl Incoming for Place {
        async fn write(&mut self, _chunk: Bytes) -> Result<(), FileError> {
            if self.0.is_closed {
                self.0.opens.notified().await;
            }
            Ok(())
        }

        async fn finish(self: Box<Self>) -> Result<(), FileError> {
            if self.0.is_closed {
                self.0.opens.notified().await;
            }
            self.0.files.lock().unwrap().insert(self.1, Kept::Whole);
            Ok(())
        }

        async fn give_up(self: Box<Self>) {
            self.0.files.lock().unwrap().remove(&self.1);
        }
    }

    async fn arriving(shelf: &Shelf) -> (Files, Arriving) {
        let files = Files::new(Arc::new(shelf.clone()));
        let arriving = files.begin(Uuid::now_v7(), "resumes/a").await.unwrap();
        (files, arriving)
    }

    #[tokio::test]
    async fn what_is_claimed_stays_and_what_is_dropped_goes() {
        let shelf = Shelf::default();
        let (files, arriving) = arriving(&shelf).await;
        arriving.finish().await.unwrap().claim();
        files.drain().await;
        assert_eq!(shelf.files(), [Kept::Whole]);

        let again = files.begin(Uuid::now_v7(), "resumes/a").await.unwrap();
        drop(again.finish().await.unwrap());
        files.drain().await;
        assert_eq!(shelf.files(), []);
    }

    #[tokio::test]
    async fn an_upload_that_is_dropped_is_taken_back() {
        let shelf = Shelf::default();
        let (files, mut arriving) = arriving(&shelf).await;
        arriving.write(Bytes::from_static(b"%PDF-")).await.unwrap();
        assert_eq!(shelf.files(), [Kept::Part]);
        drop(arriving);
        files.drain().await;
        assert_eq!(shelf.files(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_hangs_up_at_the_last_moment_leaves_nothing_behind() {
        let shelf = Shelf { is_closed: true, ..Shelf::default() };
        let (files, arriving) = arriving(&shelf).await;
        let waiting = tokio::time::timeout(Duration::from_millis(1), arriving.finish());
        assert!(waiting.await.is_err(), "the store has not answered");
        shelf.opens.notify_one();
        files.drain().await;
        assert_eq!(shelf.files(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_store_that_hangs() {
        let files = Files::new(Arc::new(Shelf::default()));
        let refused = files.open("resumes/a").await.unwrap_err();
        assert!(matches!(refused, FileError::Unavailable(_)), "{refused:?}");
        // An application may take a minute to arrive: by then it has been decided.
        let closed = Shelf { is_closed: true, ..Shelf::default() };
        let began = tokio::time::Instant::now();
        let (_files, mut arriving) = arriving(&closed).await;
        let refused = arriving.write(Bytes::from_static(b"%PDF-")).await.unwrap_err();
        assert!(matches!(refused, FileError::Unavailable(_)), "{refused:?}");
        let refused = arriving.finish().await.err().unwrap();
        assert!(matches!(refused, FileError::Unavailable(_)), "{refused:?}");
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
