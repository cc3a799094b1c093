//! When keys were used: noted in memory, written down now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tenancy::{ApiKeyId, TenantId};
use time::OffsetDateTime;

/// Most keys that are noted between two writings; the uses of others are lost, which harms nobody.
const MAX_NOTED: usize = 100_000;

/// A key and when it was used last.
pub type KeyUse = (TenantId, ApiKeyId, OffsetDateTime);

/// The uses of keys that are not written down yet. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct KeyUses(Arc<Mutex<HashMap<ApiKeyId, (TenantId, OffsetDateTime)>>>);

impl KeyUses {
    /// Notes a use.
    pub(in crate::auth) fn note(&self, tenant: TenantId, key: ApiKeyId, at: OffsetDateTime) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MAX_NOTED || noted.contains_key(&key) {
            noted.insert(key, (tenant, at));
        }
    }

    /// Takes what has been noted, to be written down.
    pub fn take(&self) -> Vec<KeyUse> {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        noted.into_iter().map(|(key, (tenant, at))| (tenant, key, at)).collect()
    }

    /// Takes back what could not be written down.
    pub fn give_back(&self, uses: Vec<KeyUse>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (tenant, key, at) in uses {
            if noted.len() < MAX_NOTED {
                noted.entry(key).or_insert((tenant, at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_last_use_counts_and_none_is_lost_to_a_failure() {
        let uses = KeyUses::default();
        let (tenant, first) = (TenantId::from_uuid(Uuid::nil()), datetime!(2026-11-20 08:00 UTC));
        let key = |number| ApiKeyId::from_uuid(Uuid::from_u128(number));
        let later = first + Duration::from_secs(5);
        uses.note(tenant, key(1), first);
        uses.note(tenant, key(1), later);
        uses.note(tenant, key(2), first);
        let taken = uses.take();
        assert_eq!(taken.len(), 2);
        assert!(taken.contains(&(tenant, key(1), later)) && uses.take().is_empty());
        uses.note(tenant, key(2), later);
        uses.give_back(taken);
        let again = uses.take();
        assert!(
            again.contains(&(tenant, key(1), later)) && again.contains(&(tenant, key(2), later))
        );
    }
}
