//! Requests by route.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of durations in seconds: an answer from the cache takes well below a millisecond,
/// and nobody waits longer than ten seconds.
const BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What stands for a path that is no route's: paths are chosen by whoever asks.
const NO_ROUTE: &str = "none";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

/// Counts requests and their durations. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct HttpFigures {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
}

impl HttpFigures {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let figures = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        };
        registry.register(
            "http_requests",
            "Requests that were answered, by route",
            figures.requests.clone(),
        );
        registry.register(
            "http_request_duration_seconds",
            "Time from the head of a request to the head of its answer, by route",
            figures.durations.clone(),
        );
        figures
    }

    /// Notes an answer. `route` is the template that the path fits, if it fits one.
    pub(crate) fn answered(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        took: Duration,
    ) {
        let method = name_of(method);
        let route = route.unwrap_or(NO_ROUTE);
        let labels = RequestLabels { method, route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { method, route: route.to_owned() };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// The methods that routes know; a client may send any word.
fn name_of(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    #[test]
    fn what_callers_choose_is_no_label() {
        let mut registry = Registry::with_prefix("portal");
        let figures = HttpFigures::register(&mut registry);
        let took = Duration::from_millis(3);
        figures.answered(&Method::GET, Some("/api/jobs/{id}"), StatusCode::OK, took);
        let invented = Method::from_bytes(b"STEAL").unwrap();
        figures.answered(&invented, None, StatusCode::NOT_FOUND, took);
        let mut told = String::new();
        text::encode(&mut told, &registry).unwrap();
        for line in [
            r#"portal_http_requests_total{method="GET",route="/api/jobs/{id}",status="200"} 1"#,
            r#"portal_http_requests_total{method="other",route="none",status="404"} 1"#,
            r#"portal_http_request_duration_seconds_bucket{le="0.005",method="GET",route="/api/jobs/{id}"} 1"#,
        ] {
            assert!(told.contains(line), "{line} is missing in\n{told}");
        }
        assert!(!told.contains("STEAL"));
    }
}
