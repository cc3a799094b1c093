//! What measurements need of the inside.

use std::sync::Arc;

use bytes::Bytes;
use tenancy::{OrgId, TenantKey};

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
        Arc::new(Self(Bytes::from_owner(Apart(value.0.clone()))))
    }
}

/// What a twin owns, with the count of references to it on cache lines of its own.
#[repr(align(128))]
struct Apart(Bytes);

impl AsRef<[u8]> for Apart {
    fn as_ref(&self) -> &[u8] {
        &self.0
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
