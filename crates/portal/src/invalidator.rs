//! Repeats the cache invalidations that a request left undone.

use async_trait::async_trait;
use employer_store::OutboxEvent;
use event_notifier::{EventHandler, HandlerError};
use tenancy::{Evidence, TenantScope};
use tenant_cache::TenantCache;

/// The relay's handler: what an event drops, it drops again.
#[derive(Debug)]
pub(crate) struct Invalidator(pub(crate) TenantCache);

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
        let dropped = self.0.invalidate_change(&scope, &event.change()).await;
        dropped.map_err(|error| HandlerError(Box::new(error)))
    }
}
