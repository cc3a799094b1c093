//! What instances tell each other when access changes, and live streams within one.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tenancy::{OrgId, TenantId, UserId};

use crate::sid::Sid;

/// The topic of these messages.
pub const TOPIC: &str = "access:changed";

/// A committed change of who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    /// Where.
    pub tenant: TenantId,
    /// The organization of that tenant.
    pub org: OrgId,
    /// Whose access changed; none where it is everybody's.
    pub user: Option<UserId>,
    /// Whose organization data is to be read anew.
    pub members: Vec<UserId>,
    /// Sessions that have ended.
    pub ended: Vec<Sid>,
}

/// Says to whoever keeps something open for a person to look again whether they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessSignal {
    /// A member's sessions or role changed.
    Member(TenantId, UserId),
    /// The tenant was suspended or resumed.
    Tenant(TenantId),
    /// Messages were lost: anybody's may have.
    Anybody,
}

/// A message. It only ends leases, so it may come twice, late, or not at all.
#[derive(Serialize, Deserialize)]
struct Message {
    tenant: TenantId,
    user: Option<UserId>,
}

impl AccessSignal {
    pub(crate) const fn of(change: &AccessChange) -> Self {
        match change.user {
            Some(user) => Self::Member(change.tenant, user),
            None => Self::Tenant(change.tenant),
        }
    }

    /// The message to other instances; none where there is nothing to say.
    pub(crate) fn to_message(self) -> Option<Bytes> {
        let message = match self {
            Self::Member(tenant, user) => Message { tenant, user: Some(user) },
            Self::Tenant(tenant) => Message { tenant, user: None },
            Self::Anybody => return None,
        };
        serde_json::to_vec(&message).ok().map(Bytes::from)
    }

    /// What a message says. One that cannot be read may say anything.
    pub(crate) fn from_message(payload: &[u8]) -> Self {
        match serde_json::from_slice::<Message>(payload) {
            Ok(Message { tenant, user: Some(user) }) => Self::Member(tenant, user),
            Ok(Message { tenant, user: None }) => Self::Tenant(tenant),
            Err(_) => Self::Anybody,
        }
    }

    pub(crate) fn concerns(self, of_tenant: TenantId, of_user: UserId) -> bool {
        match self {
            Self::Member(tenant, user) => (tenant, user) == (of_tenant, of_user),
            Self::Tenant(tenant) => tenant == of_tenant,
            Self::Anybody => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let tenant = TenantId::from_uuid(Uuid::from_u128(1));
        let user = UserId::from_uuid(Uuid::from_u128(2));
        for signal in [AccessSignal::Member(tenant, user), AccessSignal::Tenant(tenant)] {
            assert_eq!(AccessSignal::from_message(&signal.to_message().unwrap()), signal);
        }
        assert_eq!(AccessSignal::from_message(b"?"), AccessSignal::Anybody);
    }
}
