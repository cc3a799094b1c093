//! What every handler may reach.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use actix_web::cookie::Key;
use employer_store::TenantDb;
use event_notifier::Hub;
use event_notifier::mail::UnsubscribeKeys;
use secrecy::SecretString;
use session_store::{AccessCopies, PortalSessionStore};
use tenancy::Clock;
use tenant_cache::TenantCache;
use url::Url;

use crate::analytics::Exports;
use crate::audit::AuditTrail;
use crate::auth::management::ManagementClient;
use crate::auth::oidc::{OidcClient, OidcSettings};
use crate::auth::refresh::TokenRefresher;
use crate::auth::{Callers, KeyUses};
use crate::edge::Reach;
use crate::exports::ExportQueue;
use crate::health::Probe;
use crate::jobs::CursorKey;
use crate::limits::RateLimits;
use crate::metrics::{Metrics, MetricsAccess};
use crate::operator::Operators;
use crate::public::PublicBoard;
use crate::webhooks::Webhooks;
use crate::writes::Writes;

/// What every handler may reach; made once at start and shared by all workers.
pub struct PortalState {
    /// Bounds, lifetimes and keys.
    pub settings: ApiSettings,
    /// Tenant tables.
    pub db: TenantDb,
    /// Cached answers.
    pub cache: TenantCache,
    /// Where sessions live.
    pub sessions: PortalSessionStore,
    /// What is held of sessions and memberships, and who is told when access changes.
    pub access: AccessCopies,
    /// The OpenID provider.
    pub identity_provider: Arc<OidcClient>,
    /// Keeps the tokens of sessions fresh.
    pub refresher: TokenRefresher,
    /// Who belongs to an organization at the OpenID provider.
    pub management: ManagementClient,
    /// Callers with tokens and keys, verified a moment ago.
    pub callers: Callers,
    /// When API keys were used, until it is written down.
    pub key_uses: KeyUses,
    /// How often somebody may ask.
    pub rate_limits: RateLimits,
    /// Takes note of what is refused.
    pub audit: AuditTrail,
    /// The platform's own people.
    pub operators: Operators,
    /// The streams of events that are open.
    pub live: Hub,
    /// Files of figures that are being given out.
    pub exports: Exports,
    /// Files of figures that are made in the background.
    pub export_queue: ExportQueue,
    /// What everybody may do.
    pub board: PublicBoard,
    /// What follows a committed write.
    pub writes: Writes,
    /// Read the links at the end of mails.
    pub mail_links: UnsubscribeKeys,
    /// Telling the tenants' own systems.
    pub webhooks: Webhooks,
    /// What we depend on, as it was a moment ago.
    pub probe: Probe,
    /// The figures of this instance.
    pub metrics: Metrics,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Whether we are starting, ready or draining.
    pub lifecycle: Lifecycle,
}

impl fmt::Debug for PortalState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PortalState")
            .field("lifecycle", &self.lifecycle)
            .finish_non_exhaustive()
    }
}

/// Bounds, lifetimes and keys of the HTTP surface.
pub struct ApiSettings {
    /// The public origin, the same for all instances.
    pub base_url: Url,
    /// Who may reach the portal, and through whom.
    pub reach: Reach,
    /// How the server listens.
    pub http: HttpSettings,
    /// Signs and encrypts the cookies of the login transaction and signs the session's.
    pub cookie_key: Key,
    /// Keys of before, whose cookies are still accepted.
    pub older_cookie_keys: Vec<Key>,
    /// Signs page cursors; the same on all instances.
    pub cursor_key: CursorKey,
    /// Bounds of input.
    pub limits: Limits,
    /// How long one request may wait for Redis in all.
    pub redis_budget: Duration,
    /// How long the answer to an `Idempotency-Key` is kept.
    pub idempotency_ttl: Duration,
    /// How long a sign-in may take from its start to the callback.
    pub login_transaction_ttl: Duration,
    /// The OpenID provider.
    pub oidc: OidcSettings,
    /// What the OpenID provider's events come with; without it none are taken.
    pub events_token: Option<SecretString>,
    /// How long an invitation can be accepted.
    pub invitation_ttl: Duration,
    /// Bounds of API keys.
    pub api_keys: ApiKeySettings,
    /// Who may read the figures of this instance.
    pub metrics_access: MetricsAccess,
    /// Whether conveniences of development are on.
    pub environment_is_development: bool,
}

/// Without the keys.
impl fmt::Debug for ApiSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiSettings")
            .field("base_url", &self.base_url.as_str())
            .field("reach", &self.reach)
            .field("http", &self.http)
            .field("limits", &self.limits)
            .field("redis_budget", &self.redis_budget)
            .finish_non_exhaustive()
    }
}

/// Bounds of API keys.
#[derive(Clone, Copy, Debug)]
pub struct ApiKeySettings {
    /// Most keys in force of one tenant.
    pub per_tenant: u32,
    /// Longest life of a key.
    pub longest: Duration,
}

/// How the server listens.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Worker threads; each runs its own event loop.
    pub workers: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long the head of a request may take to arrive.
    pub client_request_timeout: Duration,
    /// How long the body of a request may take to arrive.
    pub body_timeout: Duration,
    /// How long requests in flight may take once we are told to stop.
    pub shutdown_timeout: Duration,
    /// Most connections of one worker.
    pub max_connections: usize,
    /// How long a client may leave unread what was sent to it before its connection is cut.
    pub unread_timeout: Duration,
}

/// Bounds of input.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest JSON body in bytes.
    pub json_bytes: usize,
    /// Largest page.
    pub page_size_max: u16,
    /// Largest `skip`; deeper pages are reached with the cursor.
    pub skip_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { json_bytes: 256 * 1024, page_size_max: 100, skip_max: 10_000 }
    }
}

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not yet ready for requests.
    Starting,
    /// Taking requests.
    Ready,
    /// Finishing what it has, taking nothing new.
    Draining,
}

/// The shared [`Phase`] of this instance; it only moves forward.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<AtomicU8>);

impl Lifecycle {
    /// The phase right now.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Requests may come.
    pub fn set_ready(&self) {
        self.0.fetch_max(1, Ordering::AcqRel);
    }

    /// Requests should go elsewhere.
    pub fn start_draining(&self) {
        self.0.fetch_max(2, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_drains_is_never_ready_again() {
        let lifecycle = Lifecycle::default();
        assert_eq!(lifecycle.phase(), Phase::Starting);
        lifecycle.set_ready();
        assert_eq!(lifecycle.phase(), Phase::Ready);
        lifecycle.start_draining();
        lifecycle.set_ready();
        assert_eq!(lifecycle.phase(), Phase::Draining);
    }
}
