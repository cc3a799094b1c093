//! Where a value belongs.

use sha2::{Digest as _, Sha256};
use tenancy::{OrgId, TenantKey};

use crate::registry::Operation;

/// Bytes of the place's digest in the stored form; enough to notice a mistake.
pub(super) const DIGEST_BYTES: usize = 8;

/// Where a value belongs: it is no value anywhere else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) org: &'a OrgId,
    pub(crate) key: &'a TenantKey,
    pub(crate) operation: Operation,
}

impl Place<'_> {
    /// The place in bytes that no other place has: each part behind its length.
    pub(super) fn to_context(self) -> Vec<u8> {
        let parts = [
            "portal tenant-cache",
            self.org.as_str(),
            self.key.as_str(),
            self.operation.feature().as_str(),
            self.operation.name(),
        ];
        let mut context = Vec::with_capacity(512);
        for part in parts {
            context.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.extend_from_slice(part.as_bytes());
        }
        context
    }

    /// Tells two places apart in logs, where keys may not stand.
    pub(crate) fn hash(self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.digest()))
    }

    pub(super) fn digest(self) -> [u8; DIGEST_BYTES] {
        let digest = Sha256::digest(self.to_context());
        digest.first_chunk().copied().unwrap_or_default()
    }
}
