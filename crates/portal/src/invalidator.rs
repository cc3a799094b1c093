//! Repeats what a request left undone: a change of access, a cache invalidation.

use async_trait::async_trait;
use employer_store::OutboxEvent;
use event_notifier::{EventHandler, HandlerError};
use portal_api::access::AccessChanges;
use portal_api::writes;
use tenancy::{Evidence, TenantScope};
use tenant_cache::TenantCache;

/// The relay's handler: what an event ends or drops, it ends or drops again.
#[derive(Debug)]
pub(crate) struct Invalidator {
    pub(crate) access: AccessChanges,
    pub(crate) cache: TenantCache,
}

#[async_trait]
impl EventHandler for Invalidator {
    async fn handle(&self, event: &OutboxEvent) -> Result<(), HandlerError> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the row was written under row level security by the tenant it names"
        )]
        let scope = TenantScope::from_verified(
            event.tenant,
            event.org.clone(),
            Evidence::SystemTask("outbox relay"),
        );
        writes::act(&self.access, &self.cache, &scope, event).await.map_err(HandlerError)
    }
}
