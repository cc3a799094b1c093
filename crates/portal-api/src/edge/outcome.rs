//! From what the inner layers returned to what goes over the wire.

use std::error::Error as StdError;
use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderMap, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpResponse, ResponseError, web};
use tenant_cache::Budget;
use tokio::time::Instant;
use tracing::Span;

use super::client::Client;
use super::headers::CommonHeaders;
use super::origins::Sharing;
use super::timing;
use crate::audit::{AuditTrail, Known, Refused, note_refusal};
use crate::error::{ApiError, RequestContext, from_framework, render, status_problem};
use crate::limits::Quotas;
use crate::metrics::HttpFigures;

/// What is remembered of a request until its answer is known.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) context: RequestContext,
    pub(super) headers: CommonHeaders,
    pub(super) is_private: bool,
    /// What the limits have said so far.
    pub(super) quotas: Quotas,
    /// Who it was, if anybody found out.
    pub(super) known: Known,
    pub(super) client: Client,
    pub(super) path: String,
    /// Whether it came with a token or a key.
    pub(super) has_token: bool,
    /// Where refusals are told; nowhere in tests of a part.
    pub(super) audit: Option<AuditTrail>,
    /// With which pages of other origins the answer is shared.
    pub(super) sharing: Option<Sharing>,
    pub(super) started: Instant,
    /// The request's time for Redis, where the answer is to say what was spent of it.
    pub(super) told_budget: Option<Budget>,
    pub(super) method: Method,
    /// The template of the route that the path fits, if it fits one.
    pub(super) route: Option<String>,
    /// Where answers are counted; nowhere in tests of a part.
    pub(super) figures: Option<web::Data<HttpFigures>>,
}

impl Exchange {
    /// Finishes an answer that the inner layers gave, be it a success or an error.
    pub(super) fn conclude<B: MessageBody + 'static>(
        &self,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<BoxBody> {
        let (request, response) = response.into_parts();
        let mut response = self.as_problem(response.map_into_boxed_body());
        self.finish(response.headers_mut());
        self.record(response.status());
        ServiceResponse::new(request, response)
    }

    /// Finishes a request that no inner layer answered: only layers fail like this, handlers'
    /// errors are answers.
    pub(super) fn conclude_failure(self, error: &Error) -> Error {
        let problem = match error.as_error::<ApiError>() {
            Some(ours) => ours.restate(),
            None if session_store::is_store_outage(error) => {
                ApiError::unavailable(format!("{error:?}"))
            }
            None => from_framework(error),
        };
        log(&problem);
        self.note(&problem);
        self.record(problem.code().status());
        Failure { problem, exchange: self }.into()
    }

    /// Replaces every error that is not a problem body yet, keeping the cookies it set.
    fn as_problem(&self, response: HttpResponse) -> HttpResponse {
        let problem = match response.error() {
            Some(error) => match error.as_error::<ApiError>() {
                Some(ours) => ours.restate(),
                None => from_framework(error),
            },
            None if is_bare_error(&response) => bare_problem(&response),
            None => return response,
        };
        log(&problem);
        self.note(&problem);
        let mut rendered = render(&problem, &self.context);
        for cookie in response.headers().get_all(SET_COOKIE) {
            rendered.headers_mut().append(SET_COOKIE, cookie.clone());
        }
        rendered
    }

    /// Takes note of what somebody may not.
    fn note(&self, problem: &ApiError) {
        let Some(trail) = &self.audit else { return };
        let refused = Refused {
            method: &self.method,
            route: self.route.as_deref().unwrap_or(&self.path),
            request_id: Some(self.client.request.as_uuid()),
            ip: self.client.address,
            has_token: self.has_token,
            known: &self.known,
        };
        note_refusal(trail, refused, problem);
    }

    fn finish(&self, headers: &mut HeaderMap) {
        let id = self.context.request_id.as_deref().unwrap_or_default();
        if let Some(sharing) = self.sharing.as_ref().filter(|_| self.is_private) {
            sharing.tell(headers);
        }
        self.quotas.tell(headers);
        self.headers.apply(headers, self.is_private, id);
        if let Some(budget) = &self.told_budget {
            timing::tell(headers, budget.spent());
        }
    }

    fn record(&self, status: StatusCode) {
        let took = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let span = Span::current();
        if let Some(route) = &self.route {
            span.record("http.route", route);
        }
        span.record("http.response.status_code", status.as_u16());
        span.record("duration_ms", took);
        if let Some(figures) = &self.figures {
            figures.answered(&self.method, self.route.as_deref(), status, self.started.elapsed());
        }
        tracing::debug!("answered");
    }
}

/// An error status with a body that is not ours: empty, or a text of the framework.
fn is_bare_error(response: &HttpResponse) -> bool {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    is_error && kind.is_none_or(|kind| kind.starts_with("text/"))
}

/// The problem that an error without a body of ours stands for.
fn bare_problem(response: &HttpResponse) -> ApiError {
    let problem = status_problem(response.status());
    match response.headers().get(ALLOW).and_then(|value| value.to_str().ok()) {
        Some(methods) => problem.with_allow(methods.to_owned()),
        None => problem,
    }
}

/// The one log line of an error.
fn log(problem: &ApiError) {
    let (code, status) = (problem.code().as_str(), problem.code().status());
    if status.is_server_error() {
        tracing::error!(error.code = code, error.chain = problem.source_chain(), "request failed");
    } else {
        tracing::debug!(
            error.code = code,
            error.chain = problem.source_chain(),
            error.detail = problem.detail(),
            "request refused"
        );
    }
}

/// A request that no inner layer answered, with all that its answer needs.
#[derive(Debug)]
struct Failure {
    problem: ApiError,
    exchange: Exchange,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(formatter)
    }
}

impl StdError for Failure {}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.problem.code().status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = render(&self.problem, &self.exchange.context);
        self.exchange.finish(response.headers_mut());
        response
    }
}
