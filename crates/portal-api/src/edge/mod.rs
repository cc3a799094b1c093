//! The outermost layer: every request passes here once on its way in and once on its way out.
//!
//! It names the request, opens its span, turns whatever went wrong into a problem body, sets the
//! headers that all answers share and writes the one log line of an error.

mod cookies;
mod headers;
mod outcome;
mod request_id;
mod span;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use tokio::time::Instant;
use tracing::Instrument as _;

pub(crate) use headers::CommonHeaders;
use request_id::RequestId;

use crate::error::RequestContext;

/// The layer as `actix_web::middleware::from_fn` takes it.
pub(crate) async fn edge<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = RequestId::new();
    let headers = request
        .app_data::<web::Data<CommonHeaders>>()
        .map_or_else(CommonHeaders::default, |data| *data.get_ref());
    let exchange = outcome::Exchange {
        context: RequestContext { request_id: Some(id.to_string()), path: Some(path_of(&request)) },
        headers,
        is_private: headers::is_private(request.path()),
        started,
    };
    cookies::drop_unreadable(request.headers_mut());
    let span = span::of_request(&request, id);
    let answer = next.call(request).instrument(span.clone()).await;
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
