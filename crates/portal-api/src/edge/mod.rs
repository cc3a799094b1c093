//! The outermost layer: every request passes here once on its way in and once on its way out.
//!
//! It names the request, opens its span, gives it its time for Redis, turns whatever went wrong
//! into a problem body, sets the headers that all answers share and writes the one log line of an
//! error.

mod cookies;
mod headers;
mod outcome;
mod request_id;
mod span;
mod timing;

use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use tenant_cache::Budget;
use tokio::time::Instant;
use tracing::Instrument as _;

pub(crate) use headers::CommonHeaders;
use request_id::RequestId;

use crate::error::RequestContext;
use crate::metrics::HttpFigures;

/// What the layer depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EdgeSettings {
    /// The headers that all answers share.
    pub(crate) headers: CommonHeaders,
    /// How long one request may wait for Redis in all, whatever the number of its calls.
    pub(crate) redis_budget: Duration,
    /// Whether answers say what they waited for. It tells a stranger whether something was cached,
    /// hence in development only.
    pub(crate) shows_timing: bool,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            headers: CommonHeaders::default(),
            redis_budget: Duration::from_millis(300),
            shows_timing: false,
        }
    }
}

/// The layer as `actix_web::middleware::from_fn` takes it.
pub(crate) async fn edge<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = RequestId::new();
    let settings = request
        .app_data::<web::Data<EdgeSettings>>()
        .map_or_else(EdgeSettings::default, |data| *data.get_ref());
    let budget = Budget::new(settings.redis_budget);
    let exchange = outcome::Exchange {
        context: RequestContext { request_id: Some(id.to_string()), path: Some(path_of(&request)) },
        headers: settings.headers,
        is_private: headers::is_private(request.path()),
        started,
        told_budget: settings.shows_timing.then(|| budget.clone()),
        method: request.method().clone(),
        route: request.match_pattern(),
        figures: request.app_data::<web::Data<HttpFigures>>().cloned(),
    };
    cookies::drop_unreadable(request.headers_mut());
    let span = span::of_request(&request, id);
    let answer = budget.scope(next.call(request)).instrument(span.clone()).await;
    let _entered = span.enter();
    match answer {
        Ok(response) => Ok(exchange.conclude(response)),
        Err(error) => Err(exchange.conclude_failure(&error)),
    }
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
