//! What measurements need of the inside.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tenancy::{OrgId, TenantKey};
use time::OffsetDateTime;

use crate::answer::{Content, entity_tag};
use crate::envelope::{Codec, Envelope, Place};
use crate::registry::Operation;
use crate::settings::CacheSettings;

use crate::kept::apart;
use crate::shelves::{ShelfSettings, Shelves, Weighed};

/// A value of the store: bytes as they go to the caller. On cache lines of its own, so that the
/// counts of references to it and to its twin are on different ones.
#[derive(Debug)]
#[repr(align(128))]
pub struct Ready(pub Bytes);

impl Weighed for Ready {
    fn weight(&self) -> usize {
        size_of::<Self>() + self.0.len()
    }

    fn twin(value: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self(apart(&value.0)))
    }
}

/// The store in the process alone, without the generations that decide what may be served.
#[derive(Debug)]
pub struct Store(Shelves<Ready>);

impl Store {
    /// Keeps so many bytes, all of which one tenant may take.
    pub fn new(max_bytes: usize) -> Self {
        Self(Shelves::new(ShelfSettings { max_bytes, max_tenant_share: 1.0 }))
    }

    /// Keeps a value.
    pub fn put(&self, org: &OrgId, key: &TenantKey, value: Bytes) {
        self.0.put(org, key, Arc::new(Ready(value)));
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, key: &TenantKey) -> Option<Arc<Ready>> {
        self.0.get(key)
    }

    /// The bytes of a key's value, without a reference to the value.
    #[inline]
    pub fn bytes(&self, key: &TenantKey) -> Option<Bytes> {
        self.0.with(key, |value| value.0.clone())
    }
}

/// A list's forms in memory and in the provider, made and read as the cache does it.
#[derive(Debug)]
pub struct Forms {
    codec: Codec,
    org: OrgId,
    key: TenantKey,
}

impl Forms {
    /// For the value of a key.
    pub fn new(org: OrgId, key: TenantKey) -> Self {
        Self { codec: Codec::unchecked(None, &CacheSettings::default()), org, key }
    }

    /// The compressed form of a body of less than 64 KiB, where it is worth having.
    pub fn compress(&self, body: &Bytes) -> Option<Bytes> {
        self.codec.pack(Operation::JobsList, body.clone()).now_or_never()?.gzip
    }

    /// The stored form of a body, with its compressed form if there is one; nothing if it is too
    /// large.
    pub fn store(&self, body: Bytes, gzip: Option<Bytes>) -> Option<Bytes> {
        let now = OffsetDateTime::UNIX_EPOCH;
        let envelope = Envelope {
            generations: Vec::new(),
            created_at: now,
            expires_at: now,
            stale_until: now,
            load_cost: Duration::ZERO,
            content: Arc::new(Content { etag: entity_tag(&body), body, gzip }),
        };
        self.codec.encode(&self.place(), &envelope).ok()
    }

    /// The body of a stored form, and the compressed one.
    pub fn read(&self, stored: Bytes) -> Option<(Bytes, Option<Bytes>)> {
        let content = self.codec.decode(&self.place(), stored).ok()?.envelope.content;
        Some((content.body.clone(), content.gzip.clone()))
    }

    fn place(&self) -> Place<'_> {
        Place { org: &self.org, key: &self.key, operation: Operation::JobsList }
    }
}
