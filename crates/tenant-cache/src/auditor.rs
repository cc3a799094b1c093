//! Whether what is served is right, asked now and then: a share of the hits is loaded once more, and
//! compared. And who asks for what, as a sample.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tenancy::{TenantKey, TenantScope};
use tokio::sync::Semaphore;

use crate::answer::{CachedAnswer, Loaded, Outcome, entity_tag};
use crate::cache::{Inner, TenantCache};
use crate::coherence::{Record, Stamp};
use crate::envelope::Place;
use crate::generation::Dependencies;
use crate::read::Read;
use crate::registry::Operation;

/// Beyond the lease, what a write may take from its commit to its new generations before an answer
/// of before counts as stale.
const GRACE: Duration = Duration::from_secs(1);

/// One comparison at a time: it is to cost the database next to nothing.
#[derive(Debug)]
pub(crate) struct Auditor(Arc<Semaphore>);

impl Default for Auditor {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

/// A hit to be compared.
struct Served {
    scope: TenantScope,
    operation: Operation,
    key: TenantKey,
    dependencies: Dependencies,
    etag: Arc<str>,
}

impl Served {
    fn place(&self) -> Place<'_> {
        Place { org: self.scope.org(), key: &self.key, operation: self.operation }
    }
}

impl Operation {
    /// Whether values differ with the time at which they are loaded, though nothing has happened.
    const fn varies_with_time(self) -> bool {
        match self {
            // "In the last seven days", and the instant of the count.
            Self::JobsStats | Self::AnalyticsReport => true,
            Self::JobsList | Self::JobsItem | Self::JobFacets | Self::ApplicationsList => false,
            #[cfg(any(test, feature = "testing"))]
            Self::SealedProbe => false,
        }
    }
}

/// Whether this is the one of so many; of none where that is 0.
fn draws(one_in: u32) -> bool {
    one_in > 0 && rand::random_range(0..one_in) == 0
}

impl TenantCache {
    /// Has a hit compared with what a load comes to, if it is one of the sample and nobody else is
    /// at it. Takes nobody's time.
    pub(crate) fn audits<T, E, F, Fut>(
        &self,
        place: Place<'_>,
        scope: &TenantScope,
        dependencies: impl FnOnce() -> Dependencies,
        answer: &CachedAnswer,
        load: F,
    ) where
        T: Serialize + Send + 'static,
        E: Error + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Loaded<T>>, E>> + Send + 'static,
    {
        let Inner { settings, auditor, tasks, .. } = &**self.shared();
        let is_comparable = answer.outcome == Outcome::Hit && !place.operation.varies_with_time();
        if !is_comparable || !draws(settings.audit_one_in) {
            return;
        }
        let Ok(turn) = Arc::clone(&auditor.0).try_acquire_owned() else { return };
        let served = Served {
            scope: scope.clone(),
            operation: place.operation,
            key: place.key.clone(),
            dependencies: dependencies(),
            etag: Arc::clone(&answer.etag),
        };
        let cache = self.clone();
        tasks.spawn(async move {
            let stop = cache.shared().stop.clone();
            let is_stale = stop.run_until_cancelled(cache.is_stale(&served, load)).await;
            cache.audited(&served, is_stale.flatten());
            drop(turn);
        });
    }

    /// Whether the cache serves, and goes on serving, something else than is loaded. `None`: that
    /// cannot be told.
    async fn is_stale<T, E, F, Fut>(&self, served: &Served, load: F) -> Option<bool>
    where
        T: Serialize,
        E: Error,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Option<Loaded<T>>, E>>,
    {
        let Inner { settings, admission, .. } = &**self.shared();
        let before = self.stamps_in_force(served).await?;
        let loaded = {
            let _permit = admission.spare()?;
            tokio::time::timeout(settings.load_timeout, load()).await.ok()?.ok()?
        };
        let loaded = match loaded {
            Some(loaded) => Some(entity_tag(&serde_json::to_vec(&loaded.value).ok()?)),
            None => None,
        };
        if loaded.as_ref() == Some(&served.etag) {
            return Some(false);
        }
        // A write may have been committed already whose new generations are on their way.
        tokio::time::sleep(settings.lease.max(settings.process_lease) + GRACE).await;
        if self.stamps_in_force(served).await? != before {
            return None;
        }
        let is_served_still = match self.peek(&served.place()) {
            Some(answer) => answer.etag == served.etag,
            None => match self.read(&served.scope, served.place(), &served.dependencies).await {
                Read::Answer { answer: Some(answer), .. } => {
                    answer.outcome == Outcome::Hit && answer.etag == served.etag
                }
                _ => false,
            },
        };
        is_served_still.then_some(true)
    }

    /// The stamps that the provider holds now, all of them or none.
    async fn stamps_in_force(&self, served: &Served) -> Option<Vec<Stamp>> {
        let keys: Vec<&str> = served.dependencies.keys().iter().map(String::as_str).collect();
        let found = self.shared().provider.get_many(&keys).await.ok()?;
        let stamp = |record: Option<bytes::Bytes>| Some(Record::parse(&record?)?.stamp);
        found.into_iter().map(stamp).collect()
    }

    fn audited(&self, served: &Served, is_stale: Option<bool>) {
        let Some(is_stale) = is_stale else { return };
        let Inner { statistics, .. } = &**self.shared();
        statistics.audited(served.scope.org(), served.operation, is_stale);
        if is_stale {
            tracing::error!(
                target: "audit",
                {
                    audit.action = "cache.stale_hit",
                    tenant.org = %served.scope.org(),
                    cache.feature = %served.operation.feature(),
                    cache.operation = served.operation.name(),
                    cache.key_hash = served.place().hash(),
                },
                "the cache serves something else than the database holds"
            );
        }
    }

    /// Tells who asked for what, if it is one of the sample. Keys may hold what people search for.
    pub(crate) fn tells_access(&self, place: Place<'_>, outcome: Outcome) {
        if draws(self.shared().settings.access_log_one_in) {
            tracing::info!(
                target: "cache.access",
                {
                    tenant.org = %place.org,
                    cache.feature = %place.operation.feature(),
                    cache.operation = place.operation.name(),
                    cache.key_hash = place.hash(),
                    cache.outcome = outcome.as_str(),
                },
                "cache read"
            );
        }
    }
}
