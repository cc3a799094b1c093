//! A document of the identity provider, kept while it is of use.

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::error::{FetchError, OidcError};

/// How long after a failed attempt the next one waits, so that an identity provider that is away
/// does not cost each sign-in a whole deadline.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How often an unknown name may cause an attempt of its own.
const FORCED_AT_MOST_EVERY: Duration = Duration::from_secs(30);

/// The last good version of a document.
///
/// While it is fresh it is simply given out. Afterwards one caller fetches it anew and the others
/// get the old one; the old one also serves while the fetching fails, until it is too old to be
/// trusted. A good version is never thrown away for a failure.
#[derive(Debug)]
pub(super) struct Kept<T> {
    fresh_for: Duration,
    usable_for: Duration,
    version: StdMutex<Option<Version<T>>>,
    /// Held by whoever fetches: one at a time in the process.
    attempts: Mutex<Attempts>,
}

/// What came of an attempt to fetch a document that is fresh, see [`Kept::refetch`].
#[derive(Debug)]
pub(super) enum Refetched<T> {
    /// It was fetched just now.
    Now(Arc<T>),
    /// It was not: that was done a moment ago. This is what there is.
    TooSoon(Option<Arc<T>>),
}

#[derive(Debug)]
struct Version<T> {
    document: Arc<T>,
    fetched_at: Instant,
}

#[derive(Debug, Default)]
struct Attempts {
    failed_at: Option<Instant>,
    forced: Option<Forced>,
}

#[derive(Clone, Copy, Debug)]
struct Forced {
    at: Instant,
    has_failed: bool,
}

impl<T> Kept<T> {
    pub(super) fn new(fresh_for: Duration, usable_for: Duration) -> Self {
        Self {
            fresh_for,
            usable_for,
            version: StdMutex::new(None),
            attempts: Mutex::new(Attempts::default()),
        }
    }

    /// The document, fetched by `load` where the kept one is not fresh.
    pub(super) async fn get(
        &self,
        load: impl AsyncFnOnce() -> Result<T, OidcError>,
    ) -> Result<Arc<T>, OidcError> {
        if let Some(document) = self.younger_than(self.fresh_for) {
            return Ok(document);
        }
        let usable = self.younger_than(self.usable_for);
        let mut attempts = match (self.attempts.try_lock(), &usable) {
            (Ok(attempts), _) => attempts,
            (Err(_), Some(document)) => return Ok(Arc::clone(document)),
            (Err(_), None) => self.attempts.lock().await,
        };
        if let Some(document) = self.younger_than(self.fresh_for) {
            return Ok(document);
        }
        if is_within(attempts.failed_at, PAUSE_AFTER_FAILURE) {
            return usable.ok_or(OidcError::Unavailable(FetchError::JustFailed));
        }
        match self.fetch(&mut attempts, load).await {
            Ok(document) => Ok(document),
            Err(error) => usable.map_or_else(
                || Err(error),
                |document| {
                    tracing::warn!("a document of the identity provider is served past its time");
                    Ok(document)
                },
            ),
        }
    }

    /// Fetches the document although it is fresh, because it lacks something; not where that was
    /// tried a moment ago. A failure is one, also for those who come too soon after it: nobody
    /// knows whether the thing exists.
    pub(super) async fn refetch(
        &self,
        load: impl AsyncFnOnce() -> Result<T, OidcError>,
    ) -> Result<Refetched<T>, OidcError> {
        let mut attempts = self.attempts.lock().await;
        match attempts.forced {
            Some(forced) if forced.at.elapsed() < FORCED_AT_MOST_EVERY => {
                if forced.has_failed {
                    return Err(OidcError::Unavailable(FetchError::JustFailed));
                }
                return Ok(Refetched::TooSoon(self.peek()));
            }
            _ if is_within(attempts.failed_at, PAUSE_AFTER_FAILURE) => {
                return Err(OidcError::Unavailable(FetchError::JustFailed));
            }
            _ => {}
        }
        let at = Instant::now();
        // Noted beforehand: whoever hangs up while it lasts has used up the attempt as well.
        attempts.forced = Some(Forced { at, has_failed: true });
        let document = self.fetch(&mut attempts, load).await?;
        attempts.forced = Some(Forced { at, has_failed: false });
        Ok(Refetched::Now(document))
    }

    /// The kept document, of whatever usable age, without fetching anything.
    pub(super) fn peek(&self) -> Option<Arc<T>> {
        self.younger_than(self.usable_for)
    }

    async fn fetch(
        &self,
        attempts: &mut Attempts,
        load: impl AsyncFnOnce() -> Result<T, OidcError>,
    ) -> Result<Arc<T>, OidcError> {
        match load().await {
            Ok(document) => {
                let document = Arc::new(document);
                let version =
                    Version { document: Arc::clone(&document), fetched_at: Instant::now() };
                *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
                attempts.failed_at = None;
                Ok(document)
            }
            Err(error) => {
                attempts.failed_at = Some(Instant::now());
                Err(error)
            }
        }
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<T>> {
        let version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        let version = version.as_ref()?;
        (version.fetched_at.elapsed() < age).then(|| Arc::clone(&version.document))
    }
}

fn is_within(instant: Option<Instant>, age: Duration) -> bool {
    instant.is_some_and(|instant| instant.elapsed() < age)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::advance;

    use super::*;

    const FRESH: Duration = Duration::from_mins(10);
    const USABLE: Duration = Duration::from_hours(24);

    fn away() -> OidcError {
        FetchError::Status(502).into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_fresh_document_is_not_fetched_again() {
        let kept = Kept::new(FRESH, USABLE);
        let fetches = Cell::new(0);
        let load = async || {
            fetches.set(fetches.get() + 1);
            Ok(fetches.get())
        };
        assert_eq!(*kept.get(load).await.unwrap(), 1);
        advance(Duration::from_mins(9)).await;
        assert_eq!(*kept.get(load).await.unwrap(), 1);
        advance(Duration::from_mins(1)).await;
        assert_eq!(*kept.get(load).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_document_serves_while_the_provider_is_away_but_not_for_ever() {
        let kept = Kept::new(FRESH, USABLE);
        kept.get(async || Ok(1)).await.unwrap();
        advance(FRESH).await;
        assert_eq!(*kept.get(async || Err(away())).await.unwrap(), 1);
        advance(USABLE).await;
        assert!(kept.get(async || Err(away())).await.is_err());
        advance(PAUSE_AFTER_FAILURE).await;
        assert_eq!(*kept.get(async || Ok(2)).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_followed_by_a_pause() {
        let kept = Kept::<u8>::new(FRESH, USABLE);
        assert!(kept.get(async || Err(away())).await.is_err());
        let refused = kept.get(async || panic!("no attempt is due")).await;
        assert!(matches!(refused, Err(OidcError::Unavailable(FetchError::JustFailed))));
        advance(PAUSE_AFTER_FAILURE).await;
        assert_eq!(*kept.get(async || Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_during_a_refresh_gets_the_old_document() {
        let kept = Kept::new(FRESH, USABLE);
        kept.get(async || Ok(1)).await.unwrap();
        advance(FRESH).await;
        let seen = Cell::new(0);
        let refreshed = kept
            .get(async || {
                seen.set(*kept.get(async || panic!("one fetch at a time")).await.unwrap());
                Ok(2)
            })
            .await
            .unwrap();
        assert_eq!((seen.get(), *refreshed), (1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_names_cause_one_attempt_in_thirty_seconds() {
        let kept = Kept::new(FRESH, USABLE);
        kept.get(async || Ok(1)).await.unwrap();
        let now = |refetched: Result<Refetched<i32>, OidcError>| match refetched {
            Ok(Refetched::Now(document)) => *document,
            other => panic!("{other:?}"),
        };
        assert_eq!(now(kept.refetch(async || Ok(2)).await), 2);
        let second = kept.refetch(async || panic!("no attempt is due")).await;
        assert!(matches!(second, Ok(Refetched::TooSoon(Some(kept))) if *kept == 2));
        advance(FORCED_AT_MOST_EVERY).await;
        assert!(kept.refetch(async || Err(away())).await.is_err());
        assert_eq!(*kept.get(async || panic!("it is fresh")).await.unwrap(), 2);
        // A failure says nothing about the name, but it was the attempt of these 30 seconds.
        advance(PAUSE_AFTER_FAILURE).await;
        let refused = kept.refetch(async || panic!("no attempt is due")).await;
        assert!(matches!(refused, Err(OidcError::Unavailable(FetchError::JustFailed))));
        advance(FORCED_AT_MOST_EVERY).await;
        assert_eq!(now(kept.refetch(async || Ok(3)).await), 3);
    }
}
