//! The organization data that a person's sessions in one organization share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis_provider::{RedisProvider, SetOptions};
use serde::{Deserialize, Serialize};
use tenancy::{OrgId, Role, UserId};

use crate::error::StoreUnavailable;

/// How long a snapshot may be believed when nothing drops it.
const TTL: Duration = Duration::from_hours(1);

/// How long after a drop no snapshot is taken: longer than any read of a membership may last, so
/// that one which began before the change cannot be put afterwards.
const GRACE: Duration = Duration::from_secs(30);

/// Stands in a snapshot's place for [`GRACE`]. It is no JSON, so it cannot be mistaken for one.
const DROPPED: &[u8] = b"dropped";

/// The state of a tenant, as far as access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    /// Its members may work.
    Active,
    /// Nobody may.
    Suspended,
}

/// What a member's requests need to know of their organization and of their place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationData {
    /// The member's role.
    pub role: Role,
    /// The version of that role, which grows with each change.
    pub role_version: i32,
    /// The company's name.
    pub tenant_name: String,
    /// The company's name in addresses.
    pub tenant_slug: String,
    /// Whether the company's members may work.
    pub tenant_status: TenantStatus,
    /// The company's time zone, an IANA name.
    pub time_zone: String,
    /// The company's language, a BCP 47 tag.
    pub locale: String,
    /// The company's currency, an ISO 4217 code.
    pub currency: String,
}

/// Snapshots at `session:{user}:{organization}` (no literal braces; both parts have alphabets
/// that hold no separator, and the identity provider's `sub` is in neither).
///
/// They spare each request a look into the database. The membership row decides: a change of it
/// must [`drop`](Self::drop) the snapshot, and an hour is the longest that a lost drop can matter.
#[derive(Clone)]
pub struct Snapshots(Arc<dyn RedisProvider>);

impl Snapshots {
    /// Snapshots in `provider`. Does no I/O.
    pub fn new(provider: Arc<dyn RedisProvider>) -> Self {
        Self(provider)
    }

    /// The snapshot, where there is one that this build can read.
    pub async fn find(
        &self,
        user: UserId,
        org: &OrgId,
    ) -> Result<Option<OrganizationData>, StoreUnavailable> {
        let bytes = self.0.get(&redis_key(user, org)).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keeps what was read from the database; `Ok(false)` where a snapshot is there already or
    /// one was dropped so recently that `data` may be older than the drop.
    pub async fn put(
        &self,
        user: UserId,
        org: &OrgId,
        data: &OrganizationData,
    ) -> Result<bool, StoreUnavailable> {
        // A struct of texts and numbers: an error is impossible, and no snapshot is no harm.
        let Ok(bytes) = serde_json::to_vec(data) else { return Ok(false) };
        let options = SetOptions::with_ttl(TTL).if_absent();
        Ok(self.0.set(&redis_key(user, org), Bytes::from(bytes), options).await?)
    }

    /// Forgets the snapshot, and what any read of the membership that is under way will bring.
    pub async fn drop(&self, user: UserId, org: &OrgId) -> Result<(), StoreUnavailable> {
        let options = SetOptions::with_ttl(GRACE);
        self.0.set(&redis_key(user, org), Bytes::from_static(DROPPED), options).await?;
        Ok(())
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Snapshots").field(&self.0).finish()
    }
}

fn redis_key(user: UserId, org: &OrgId) -> String {
    format!("session:{}:{org}", user.as_uuid())
}
