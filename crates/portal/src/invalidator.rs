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
        self.0
            .invalidate(&scope, event.kind, event.subject)
            .await
            .map_err(|error| HandlerError(Box::new(error)))
    }
}
