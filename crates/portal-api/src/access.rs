//! What a committed change of who may do what does to the copies of it.
//!
//! Whoever changes access writes rows and one event, in one transaction. What follows is the same
//! for all of them, and the relay repeats it from the event where the request path left it undone.

use employer_store::sessions::{list_member_ids, list_revoked};
use employer_store::{OutboxEvent, StoreError, TenantDb};
use session_store::{AccessChange, AccessCopies, Sid};
use tenancy::{EventKind, TenantScope, UserId};

use crate::auth::Callers;

/// A change of access could not be made to bite everywhere; it is to be repeated.
#[derive(Debug, thiserror::Error)]
#[error("a change of access is not told everywhere")]
pub struct AccessError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Makes changes of access bite.
#[derive(Clone, Debug)]
pub struct AccessChanges {
    copies: AccessCopies,
    callers: Callers,
    db: TenantDb,
}

impl AccessChanges {
    /// On these copies and callers, with what the events do not say from `db`.
    pub fn new(copies: AccessCopies, callers: Callers, db: TenantDb) -> Self {
        Self { copies, callers, db }
    }

    /// Acts on an event; nothing where it changes nobody's access. May be repeated.
    pub async fn apply(&self, scope: &TenantScope, event: &OutboxEvent) -> Result<(), AccessError> {
        self.callers.act_on(event);
        let Some(change) = self.change(scope, event).await? else { return Ok(()) };
        self.copies.apply(&change).await.map_err(|error| AccessError(error.into()))
    }

    async fn change(
        &self,
        scope: &TenantScope,
        event: &OutboxEvent,
    ) -> Result<Option<AccessChange>, AccessError> {
        let user = event.subject.map(UserId::from_uuid);
        let ended = match (event.kind, user) {
            (EventKind::MemberJoined | EventKind::MemberRoleChanged, Some(_)) => Vec::new(),
            (EventKind::MemberRemoved, Some(user)) => self.ended(scope, user).await?,
            (EventKind::SessionsRevoked, Some(user)) => match named(event) {
                Some(ended) => ended,
                None => self.ended(scope, user).await?,
            },
            (
                EventKind::MemberJoined
                | EventKind::MemberRoleChanged
                | EventKind::MemberRemoved
                | EventKind::SessionsRevoked
                | EventKind::TenantSuspended
                | EventKind::TenantResumed,
                _,
            ) => return self.of_all(scope).await.map(Some),
            _ => return Ok(None),
        };
        let members = user.into_iter().collect();
        let (tenant, org) = (scope.tenant(), scope.org().clone());
        Ok(Some(AccessChange { tenant, org, user, members, ended }))
    }

    /// A change for everybody in the tenant.
    async fn of_all(&self, scope: &TenantScope) -> Result<AccessChange, AccessError> {
        let mut tx = self.db.begin_read(scope).await.map_err(store)?;
        let members = list_member_ids(&mut tx).await.map_err(store)?;
        let (tenant, org) = (scope.tenant(), scope.org().clone());
        Ok(AccessChange { tenant, org, user: None, members, ended: Vec::new() })
    }

    async fn ended(&self, scope: &TenantScope, user: UserId) -> Result<Vec<Sid>, AccessError> {
        let mut tx = self.db.begin_read(scope).await.map_err(store)?;
        let hashes = list_revoked(&mut tx, user).await.map_err(store)?;
        Ok(hashes.into_iter().map(Sid::from_bytes).collect())
    }
}

/// The sessions that an event names; none where it does not say, or not in words of this version.
fn named(event: &OutboxEvent) -> Option<Vec<Sid>> {
    let names = event.payload.get("sids")?.as_array()?;
    names.iter().map(|name| name.as_str().and_then(Sid::parse)).collect()
}

fn store(error: StoreError) -> AccessError {
    AccessError(error.into())
}
