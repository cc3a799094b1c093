//! Answers, whole and spoiled.

use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, error};
use bytes::Bytes;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::faults::Fault;

const DRIP: Duration = Duration::from_millis(500);
const HANG_MAX: Duration = Duration::from_secs(600);

/// A status, a content type and a body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// `{"error": …}`
    pub(super) fn error(status: StatusCode, text: &str) -> Self {
        let body = json!({ "error": text }).to_string().into_bytes();
        Self { status, content_type: "application/json", body }
    }

    /// The answer as it should be.
    pub(super) fn into_response(self) -> HttpResponse {
        HttpResponse::build(self.status).content_type(self.content_type).body(self.body)
    }

    /// The answer as a fault makes it.
    pub(super) fn spoil(mut self, fault: Fault, stop: &CancellationToken) -> HttpResponse {
        match fault {
            Fault::DropReply => cut_connection(),
            Fault::SlowDrip => self.drip(stop.clone()),
            Fault::CutStream => self.cut(),
            Fault::Garbage => {
                self.status = StatusCode::OK;
                self.body = br#"{"result":"#.to_vec();
                self.into_response()
            }
            _ => self.into_response(),
        }
    }

    /// One byte after the other, slowly.
    fn drip(self, stop: CancellationToken) -> HttpResponse {
        self.stream(move |rest| {
            let stop = stop.clone();
            async move {
                let stopped = stop.run_until_cancelled(sleep(DRIP)).await.is_none();
                (!stopped).then_some(rest.min(1))
            }
        })
    }

    /// The first half, and then the end of the connection.
    fn cut(self) -> HttpResponse {
        let half = self.body.len() / 2;
        let whole = self.body.len();
        self.stream(move |rest| async move {
            // What was yielded before is written while this waits.
            tokio::task::yield_now().await;
            (rest == whole).then_some(half)
        })
    }

    /// Sends as many bytes as `next` says for those that are left; nothing cuts the connection.
    fn stream<F>(self, next: impl Fn(usize) -> F + 'static) -> HttpResponse
    where
        F: Future<Output = Option<usize>> + 'static,
    {
        let body = Bytes::from(self.body);
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let pieces = unfold((body, next), |(mut rest, next)| async move {
            if rest.is_empty() {
                return None;
            }
            let piece = match next(rest.len()).await {
                Some(length) => Ok(rest.split_to(length.min(rest.len()))),
                None => Err(cut()),
            };
            Some((piece, (rest, next)))
        });
        HttpResponse::build(self.status)
            .content_type(self.content_type)
            .body(SizedStream::new(length, pieces))
    }
}

/// The answer of a fault that does not let the request in; `Hang` gives none, after a long time.
pub(super) async fn at_the_door(fault: Fault, stop: &CancellationToken) -> HttpResponse {
    let refuse = |status, text: &str| Answer::error(status, text).into_response();
    match fault {
        Fault::Hang => {
            stop.run_until_cancelled(sleep(HANG_MAX)).await;
            cut_connection()
        }
        Fault::Html502 => HttpResponse::BadGateway()
            .content_type("text/html")
            .body("<html><head><title>502 Bad Gateway</title></head><body>502</body></html>\n"),
        Fault::Status429 => {
            let text = "ERR too many requests";
            let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, text);
            let seconds = actix_web::http::header::HeaderValue::from_static("1");
            response.headers_mut().insert(actix_web::http::header::RETRY_AFTER, seconds);
            response
        }
        Fault::QuotaDaily => refuse(
            StatusCode::TOO_MANY_REQUESTS,
            "ERR max daily request limit exceeded. Limit: 10000, Usage: 10001. \
             See https://upstash.com/docs/redis/troubleshooting/max_daily_request_limit for details",
        ),
        Fault::QuotaMonthly => refuse(
            StatusCode::BAD_REQUEST,
            "ERR max requests limit exceeded. Limit: 500000, Usage: 500000. \
             See https://upstash.com/docs/redis/troubleshooting/max_requests_limit for details",
        ),
        _ => refuse(StatusCode::INTERNAL_SERVER_ERROR, "ERR internal error"),
    }
}

/// No answer at all: the framework closes a connection whose body fails before anything was sent.
fn cut_connection() -> HttpResponse {
    let failing = futures_util::stream::iter([Err::<Bytes, _>(cut())]);
    HttpResponse::Ok().body(SizedStream::new(1, failing))
}

fn cut() -> actix_web::Error {
    error::ErrorInternalServerError("cut by a fault")
}
