//! The names of one tenant's keys, for counting and, in development, for looking at.

use std::time::Duration;

use bytes::Bytes;
use redis_provider::{RedisError, ScanCursor};
use serde::{Deserialize, Serialize};
use tenancy::{Feature, TenantScope};
use time::OffsetDateTime;

use crate::cache::{Inner, TenantCache};
use crate::envelope::Place;
use crate::registry::Operation;

/// Pages that are asked for until one has keys of the tenant.
const LISTING_PAGES: usize = 20;
/// Values that are read at a time to learn their sizes.
const VALUES_AT_A_TIME: usize = 32;

/// A key of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The whole key.
    pub name: String,
    /// Its feature.
    pub feature: Feature,
    /// What is stored there.
    pub kind: KeyKind,
    /// Bytes of what is stored; `None` if it went in between.
    pub bytes: Option<usize>,
    /// How long the value may still be served; `None` where it has no end, or cannot be read.
    pub expires_in: Option<Duration>,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A cached value.
    Value,
    /// The generation that values depend on.
    Generation,
}

/// A page of a tenant's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPage {
    /// Keys found; may be empty although more pages follow.
    pub keys: Vec<KeyEntry>,
    /// Where to go on; `None` at the end.
    pub next: Option<KeyCursor>,
}

/// Where a list of keys goes on. What is in it comes from the provider and is good for it only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCursor {
    feature: usize,
    scan: String,
}

impl TenantCache {
    /// A page of the tenant's keys, with sizes and times to live. It reads the values, so it is
    /// for development.
    ///
    /// # Errors
    ///
    /// Any [`RedisError`]; [`RedisError::Rejected`] where the cursor is of another walk.
    pub async fn list_keys(
        &self,
        scope: &TenantScope,
        feature: Option<Feature>,
        after: Option<KeyCursor>,
    ) -> Result<KeyPage, RedisError> {
        let features = feature.map_or_else(|| Feature::ALL.to_vec(), |feature| vec![feature]);
        let (mut index, mut scan) = match after {
            Some(KeyCursor { feature, scan }) => (feature, ScanCursor(scan)),
            None => (0, ScanCursor::START),
        };
        for _ in 0..LISTING_PAGES {
            let Some(feature) = features.get(index) else { break };
            let page = self.page(scope, *feature, scan).await?;
            (index, scan) = match page.next.clone() {
                Some(next) => (index, next),
                None => (index + 1, ScanCursor::START),
            };
            if !page.names.is_empty() {
                let keys = self.look_at(scope, *feature, &page).await?;
                return Ok(KeyPage { keys, next: cursor_at(&features, index, scan) });
            }
        }
        Ok(KeyPage { keys: Vec::new(), next: cursor_at(&features, index, scan) })
    }

    async fn page(
        &self,
        scope: &TenantScope,
        feature: Feature,
        cursor: ScanCursor,
    ) -> Result<Names, RedisError> {
        let prefix = scope.feature_prefix(feature);
        let page = self.shared().provider.scan(&prefix, cursor).await?;
        // The adapters take prefixes literally; a wall that does not rest on them costs nothing.
        let names = page.keys.into_iter().filter(|key| key.starts_with(&prefix)).collect();
        Ok(Names { prefix, names, next: page.next })
    }

    /// The same, while there are pages left and the provider answers.
    pub(crate) async fn page_within(
        &self,
        scope: &TenantScope,
        feature: Feature,
        cursor: ScanCursor,
        pages: &mut usize,
    ) -> Option<Names> {
        *pages = pages.checked_sub(1)?;
        let page = self.page(scope, feature, cursor).await;
        page.inspect_err(|error| self.provider_failed("estimate", error)).ok()
    }

    async fn look_at(
        &self,
        scope: &TenantScope,
        feature: Feature,
        page: &Names,
    ) -> Result<Vec<KeyEntry>, RedisError> {
        let Inner { provider, clock, .. } = &**self.shared();
        let mut entries = Vec::with_capacity(page.names.len());
        for names in page.names.chunks(VALUES_AT_A_TIME) {
            let keys: Vec<&str> = names.iter().map(String::as_str).collect();
            let values = provider.get_many(&keys).await?;
            for (name, value) in names.iter().zip(values) {
                let is_generation = page.is_generation(name);
                let bytes = value.as_ref().map(Bytes::len);
                let expires_at =
                    value.and_then(|value| self.expiry_of(scope, feature, name, value));
                entries.push(KeyEntry {
                    name: name.clone(),
                    feature,
                    kind: if is_generation { KeyKind::Generation } else { KeyKind::Value },
                    bytes,
                    expires_in: expires_at.map(|at| until(at, clock.now())),
                });
            }
        }
        Ok(entries)
    }

    /// When the value stored under `name` is over, if it is one and can be read.
    fn expiry_of(
        &self,
        scope: &TenantScope,
        feature: Feature,
        name: &str,
        value: Bytes,
    ) -> Option<OffsetDateTime> {
        let identifier = name.strip_prefix(&scope.feature_prefix(feature))?;
        let operation = Operation::named(feature, identifier.split(':').next()?)?;
        let key = scope.stored_key(feature, operation.name(), name)?;
        let place = Place { org: scope.org(), key: &key, operation };
        let decoded = self.shared().codec.decode(&place, value).ok()?;
        Some(decoded.envelope.expires_at)
    }
}

/// A page of names within a feature of one tenant.
pub(crate) struct Names {
    prefix: String,
    names: Vec<String>,
    pub(crate) next: Option<ScanCursor>,
}

impl Names {
    /// Generations are marked by a character that no value's key has at this place.
    fn is_generation(&self, name: &str) -> bool {
        name.strip_prefix(&self.prefix).is_some_and(|identifier| identifier.starts_with('!'))
    }

    /// The keys of values, without what all of them begin with.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = &str> {
        let names = self.names.iter().filter(|name| !self.is_generation(name));
        names.filter_map(|name| name.strip_prefix(&self.prefix))
    }
}

fn cursor_at(features: &[Feature], index: usize, scan: ScanCursor) -> Option<KeyCursor> {
    (index < features.len()).then_some(KeyCursor { feature: index, scan: scan.0 })
}

fn until(expires_at: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(expires_at - now).unwrap_or_default()
}
