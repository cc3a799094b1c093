//! `GET /metrics`: the figures of this instance, in the text format of OpenMetrics.
//!
//! A scrape reads counters and asks nobody: no query, no call to the provider. Labels are closed
//! sets (methods, route templates, operations, states); whatever a caller can choose, such as a
//! path, a key or a search, never becomes one. The only names of tenants are those of the busiest
//! ones, by organization id, and only where [`Sources::tenants`] asks for them.

mod collector;
mod exports;
mod figures;
mod http;
mod page;
mod streams;
mod upkeep;

use std::fmt;
use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use employer_store::PoolWatch;
use event_notifier::mail::MailStatistics;
use event_notifier::webhooks::WebhookHandle;
use event_notifier::{FanOutStatistics, Hub};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use secrecy::{ExposeSecret, SecretString};
use session_store::AccessCopies;
use tenant_cache::TenantCache;

use self::collector::Collector;
pub use self::figures::FigureAudits;
pub(crate) use self::http::HttpFigures;
pub use self::upkeep::UpkeepFigures;
use crate::audit::AuditTrail;
use crate::error::{ApiError, ErrorCode};
use crate::exports::ExportQueue;
use crate::health::Probe;
use crate::state::{Lifecycle, PortalState};
use crate::writes::Writes;

/// Before every name.
const PREFIX: &str = "portal";

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Who may read the figures.
#[derive(Clone, Debug)]
pub enum MetricsAccess {
    /// Anybody who reaches the address; for development.
    Open,
    /// Whoever shows this token as bearer.
    Token(SecretString),
    /// Nobody: the address is not there.
    Closed,
}

/// Where figures come from.
#[derive(Debug)]
pub struct Sources {
    /// Answers, invalidations, and the calls of its provider.
    pub cache: TenantCache,
    /// The copies of sessions and memberships.
    pub access: AccessCopies,
    /// What was left to the relay, and the relay.
    pub writes: Writes,
    /// The lane that tells people.
    pub fan_out: Arc<FanOutStatistics>,
    /// What sends webhooks.
    pub webhooks: WebhookHandle,
    /// The comparisons of figures with the log of events.
    pub figures: FigureAudits,
    /// What is cleared away beside requests.
    pub upkeep: UpkeepFigures,
    /// What makes files of figures in the background.
    pub exports: ExportQueue,
    /// The streams of events.
    pub live: Hub,
    /// What sends mails.
    pub mail: Arc<MailStatistics>,
    /// Rows of the audit trail.
    pub audit: AuditTrail,
    /// Whether what we depend on answers.
    pub probe: Probe,
    /// Whether we are starting, ready or draining.
    pub lifecycle: Lifecycle,
    /// Pools of connections to the database, with their names.
    pub pools: Vec<(&'static str, PoolWatch)>,
    /// How many tenants are told one by one, the busiest; 0 for none.
    pub tenants: usize,
}

/// The figures of this instance. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    http: HttpFigures,
}

impl Metrics {
    /// Figures that are read from `sources` at every scrape.
    pub fn new(sources: Sources) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let http = HttpFigures::register(&mut registry);
        registry.register_collector(Box::new(Collector(sources)));
        Self { registry: Arc::new(registry), http }
    }

    pub(crate) fn http(&self) -> &HttpFigures {
        &self.http
    }

    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The figures of this instance, for Prometheus.
///
/// Needs the token of `METRICS_TOKEN` as bearer where one is set. Without one, the address is there
/// in development only.
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((
        status = 200, description = "The figures, in the text format of OpenMetrics",
        body = String, content_type = "application/openmetrics-text",
    )),
)]
pub(crate) async fn metrics(
    state: web::Data<PortalState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    match &state.settings.metrics_access {
        MetricsAccess::Open => {}
        MetricsAccess::Token(token) if shows(&request, token) => {}
        MetricsAccess::Token(_) => {
            return Err(ApiError::new(
                ErrorCode::Unauthenticated,
                "The figures need a bearer token.",
            ));
        }
        MetricsAccess::Closed => return Err(ApiError::not_found()),
    }
    let text = state.metrics.text().map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, OPEN_METRICS))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}

/// Whether the request carries the token, compared in constant time.
fn shows(request: &HttpRequest, token: &SecretString) -> bool {
    let header = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    header.and_then(bearer).is_some_and(|shown| {
        verify_slices_are_equal(shown, token.expose_secret().as_bytes()).is_ok()
    })
}

/// The token of a bearer header; the scheme's name may be written in any case.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let token = SecretString::from("a-token-of-24-characters");
        let shows = |header: &str| {
            let request = TestRequest::get().insert_header((AUTHORIZATION, header));
            shows(&request.to_http_request(), &token)
        };
        assert!(shows("Bearer a-token-of-24-characters"));
        assert!(shows("bearer a-token-of-24-characters"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a-token-of-24-character",
            "Bearer a-token-of-24-characters2",
            "Bearer  a-token-of-24-characters",
            "Basic a-token-of-24-characters",
            "a-token-of-24-characters",
        ] {
            assert!(!shows(wrong), "{wrong:?}");
        }
        let request = TestRequest::get().to_http_request();
        assert!(!super::shows(&request, &token));
    }
}
