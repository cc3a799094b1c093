//! What this process has found out a moment ago about callers with tokens and keys.

use std::sync::Arc;
use std::time::Duration;

use employer_store::OutboxEvent;
use employer_store::api_keys::ResolvedApiKey;
use employer_store::identity::FoundTenant;
use sha2::{Digest, Sha256};
use tenancy::{ApiKeyId, EventKind, OrgId, TenantId, UserId};

use super::held::Held;
use super::oidc::AccessToken;

/// Most of each kind that are held.
const MAX_HELD: usize = 20_000;

/// How long the ids of a person are held. They say nothing about what the person may do.
const IDS_LEASE: Duration = Duration::from_hours(1);

/// Holds what was verified of tokens and keys for at most the lease, so that a busy machine costs
/// one look-up a second and not one a request. Cheap to clone; all clones are one, shared by all
/// workers of the process.
#[derive(Clone, Debug)]
pub struct Callers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tokens: Held<Digested, Arc<AccessToken>>,
    keys: Held<Digested, Arc<ResolvedApiKey>>,
    tenants: Held<OrgId, FoundTenant>,
    ids: Held<Digested, Ids>,
}

/// Entries are found by a hash, so that no secret lies around in memory.
pub(super) type Digested = [u8; 32];

/// Who a subject is in an organization, by our own ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
}

impl Callers {
    /// Holds nobody yet; `lease` is how long what was verified is believed.
    pub fn new(lease: Duration) -> Self {
        Self(Arc::new(Inner {
            tokens: Held::new(lease, MAX_HELD),
            keys: Held::new(lease, MAX_HELD),
            tenants: Held::new(lease, MAX_HELD),
            ids: Held::new(IDS_LEASE, MAX_HELD),
        }))
    }

    /// Forgets whom an event concerns: what they may do is not what it was.
    pub(crate) fn act_on(&self, event: &OutboxEvent) {
        let (tenant, keys) = (event.tenant, self.keys());
        match (event.kind, event.subject) {
            (EventKind::ApiKeyRevoked, Some(key)) => {
                let key = ApiKeyId::from_uuid(key);
                keys.drop_where(|held| held.id == key);
            }
            (EventKind::MemberRoleChanged | EventKind::MemberRemoved, Some(user)) => {
                let user = UserId::from_uuid(user);
                keys.drop_where(|held| held.tenant == tenant && held.creator == user);
            }
            (EventKind::TenantSuspended | EventKind::TenantResumed, _) => {
                keys.drop_where(|held| held.tenant == tenant);
                self.tenants().drop_where(|held| held.tenant == tenant);
            }
            _ => {}
        }
    }

    /// Tokens whose signature and claims were verified; who stands behind them is asked each time.
    pub(super) fn tokens(&self) -> &Held<Digested, Arc<AccessToken>> {
        &self.0.tokens
    }

    /// Keys, with what their creators were.
    pub(super) fn keys(&self) -> &Held<Digested, Arc<ResolvedApiKey>> {
        &self.0.keys
    }

    /// Tenants that machines work in.
    pub(super) fn tenants(&self) -> &Held<OrgId, FoundTenant> {
        &self.0.tenants
    }

    /// People with tokens.
    pub(super) fn ids(&self) -> &Held<Digested, Ids> {
        &self.0.ids
    }
}

/// The hash of a token or of a key.
pub(super) fn digest(secret: &str) -> Digested {
    Sha256::digest(secret).into()
}

/// The hash of a subject in an organization; the latter has no space in it.
pub(super) fn digest_of(subject: &str, org: &OrgId) -> Digested {
    Sha256::new()
        .chain_update(org.as_str())
        .chain_update(" ")
        .chain_update(subject)
        .finalize()
        .into()
}
