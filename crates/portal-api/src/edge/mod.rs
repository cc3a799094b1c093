//! The outermost layer: every request passes here once on its way in and once on its way out.
//!
//! It names the request, opens its span, finds the client's address, refuses what comes from places
//! that it must not come from, gives the rest its time for Redis, turns whatever went wrong into a
//! problem body, sets the headers that all answers share and writes the one log line of an error.

mod client;
mod cookies;
mod gate;
mod headers;
mod networks;
mod origins;
mod outcome;
mod request_id;
mod span;
mod timing;

use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, web};
use employer_store::audit::RequestOrigin;
use tenant_cache::Budget;
use tokio::time::Instant;
use tracing::Instrument as _;

pub(crate) use client::Client;
pub(crate) use headers::CommonHeaders;
pub use networks::{InvalidNetwork, Networks};
pub(crate) use origins::Origins;
pub use origins::{AllowedOrigins, InvalidOrigin};
pub(crate) use request_id::RequestId;

use crate::audit::{AuditTrail, Known};
use crate::error::RequestContext;
use crate::limits::{Quotas, RateLimits, admit_arrival};
use crate::metrics::HttpFigures;

/// Who may reach the portal, and through whom.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Pages of other origins that may use the API with a person's session.
    pub allowed_origins: AllowedOrigins,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Networks,
    /// Networks that may reach the portal at all; empty means all.
    pub admitted: Networks,
    /// Networks that may list the cache's keys; empty means all.
    pub admitted_to_keys: Networks,
}

/// What the layer depends on.
#[derive(Clone, Debug)]
pub(crate) struct EdgeSettings {
    /// The headers that all answers share.
    pub(crate) headers: CommonHeaders,
    /// How long one request may wait for Redis in all, whatever the number of its calls.
    pub(crate) redis_budget: Duration,
    /// Whether answers say what they waited for. It tells a stranger whether something was cached,
    /// hence in development only.
    pub(crate) shows_timing: bool,
    /// The pages that are known; in tests of a part there are none, and nothing is checked.
    pub(crate) origins: Option<Origins>,
    /// Proxies whose word about addresses is believed.
    pub(crate) proxies: Networks,
    /// Networks that may come in; empty means all.
    pub(crate) admitted: Networks,
    /// How often an address may ask.
    pub(crate) limits: Option<RateLimits>,
    /// Takes note of what is refused.
    pub(crate) audit: Option<AuditTrail>,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            headers: CommonHeaders::default(),
            redis_budget: Duration::from_millis(300),
            shows_timing: false,
            origins: None,
            proxies: Networks::default(),
            admitted: Networks::default(),
            limits: None,
            audit: None,
        }
    }
}

/// What becomes of a request.
type Passing = Pin<Box<dyn Future<Output = Result<ServiceResponse<BoxBody>, Error>>>>;

/// The layer as `actix_web::middleware::from_fn` takes it. Apart from the connection, which keeps room
/// for what its requests go through for as long as it is open: streams are open for minutes, and all
/// that they need of this is over by then.
pub(crate) fn edge<B: MessageBody + 'static>(request: ServiceRequest, next: Next<B>) -> Passing {
    Box::pin(pass(request, next))
}

async fn pass<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = RequestId::new();
    let settings = request
        .app_data::<web::Data<EdgeSettings>>()
        .map_or_else(|| web::Data::new(EdgeSettings::default()), Clone::clone);
    let client = Client::find(&request, id, &settings.proxies);
    let quotas = Quotas::default();
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(quotas.clone());
    let known = Known::default();
    request.extensions_mut().insert(known.clone());
    let budget = Budget::new(settings.redis_budget);
    let exchange = outcome::Exchange {
        context: RequestContext { request_id: Some(id.to_string()), path: Some(path_of(&request)) },
        headers: settings.headers,
        is_private: headers::is_private(request.path()),
        quotas,
        known,
        client,
        path: request.path().to_owned(),
        has_token: has_token(&request),
        audit: settings.audit.clone(),
        sharing: settings.origins.as_ref().and_then(|known| known.sharing(request.headers())),
        started,
        told_budget: settings.shows_timing.then(|| budget.clone()),
        method: request.method().clone(),
        route: request.match_pattern(),
        figures: request.app_data::<web::Data<HttpFigures>>().cloned(),
    };
    cookies::drop_foreign(request.headers_mut());
    let span = span::of_request(&request, client);
    if let Some(answer) = gate::stop(&request, client, &settings) {
        let _entered = span.enter();
        let request = request.into_parts().0;
        return Ok(exchange.conclude(ServiceResponse::new(request, answer)));
    }
    let whole = async {
        if let Some(limits) = &settings.limits
            && let Err(refusal) = admit_arrival(&request, client, limits).await
        {
            let request = request.into_parts().0;
            let refusal = HttpResponse::from_error(refusal);
            return Ok(ServiceResponse::new(request, refusal));
        }
        next.call(request).await.map(ServiceResponse::map_into_boxed_body)
    };
    let origin = RequestOrigin { request_id: client.request.as_uuid(), ip: client.address };
    let answer = budget.scope(origin.scope(whole)).instrument(span.clone()).await;
    let _entered = span.enter();
    match answer {
        Ok(response) => Ok(exchange.conclude(response)),
        Err(error) => Err(exchange.conclude_failure(&error)),
    }
}

/// Whether the request came with a token or a key.
fn has_token(request: &ServiceRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(AUTHORIZATION) || headers.contains_key("x-api-key")
}

/// Longest path that a body repeats.
const MAX_INSTANCE_BYTES: usize = 512;

/// The path as it was asked for: percent-encoded, hence printable ASCII; without the query, which
/// may hold what people searched for.
fn path_of(request: &ServiceRequest) -> String {
    request.path().chars().take(MAX_INSTANCE_BYTES).collect()
}

#[cfg(test)]
mod tests;
