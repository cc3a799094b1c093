//! `GET /api/analytics/export.csv`: figures as a file, sent as they are read.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use employer_store::analytics::{Export, Grain};
use employer_store::jobs::find_job;
use employer_store::{StoreError, audit};
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::csv::Parts;
use super::query::{Parameters, ReportParameters};
use crate::auth::AnalyticsExport;
use crate::error::{ApiError, ErrorCode};
use crate::extract::Gated;
use crate::state::PortalState;

/// Longest time that an export holds its connection. Who stops reading is cut off by the database
/// before, after a minute.
const LONGEST: Duration = Duration::from_secs(600);

/// When somebody should come again who was one too many.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// How many exports there may be at a time. Clones share them.
#[derive(Clone, Debug)]
pub struct Exports(Arc<Semaphore>);

impl Exports {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }
}

/// Gives out what happened in a period, by step of time, job and source, as a file.
///
/// Comma-separated values (RFC 4180) in UTF-8, with a line of names. A text that a spreadsheet would
/// take for a formula has an apostrophe before it. Steps, jobs and sources without anything are left
/// out. Each export leaves a row in the audit trail.
#[utoipa::path(
    get, path = "/api/analytics/export.csv", tag = "analytics", operation_id = "exportFigures",
    params(
        ReportParameters,
        ("grain" = Option<Grain>, Query, description = "The step; `day` where it is absent"),
    ),
    responses((status = 200, description = "The file", body = String, content_type = "text/csv")),
)]
pub(crate) async fn export_figures(
    state: web::Data<PortalState>,
    Gated(access, ()): Gated<AnalyticsExport, ()>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut parameters = Parameters::read(request.query_string(), &["grain"])?;
    let grain = parameters.word::<Grain>("grain").unwrap_or(Grain::Day);
    let question =
        parameters.question(access.view, grain.most_days(), state.clock.now())?.into_question();
    let place = Arc::clone(&state.exports.0).try_acquire_owned().map_err(|_| {
        let detail = "As many files are being given out as may be; try again in a moment.";
        ApiError::new(ErrorCode::Unavailable, detail).with_retry_after(RETRY_AFTER)
    })?;
    let mut tx = state.db.begin_snapshot(&access.scope).await?;
    if let Some(job) = question.job
        && find_job(&mut tx, question.view, job).await?.is_none()
    {
        return Err(ApiError::not_found());
    }
    let export = Export::begin(tx, &question, grain).await?;
    // Nothing leaves without its row.
    let mut trail = state.db.begin(&access.scope, &access.actor).await?;
    let (from, to) = export.days();
    let detail = json!({
        "from": from, "to": to, "grain": grain.as_str(), "time_zone": export.zone(),
        "job": question.job,
    });
    audit::record(&mut trail, "analytics_exported", "analytics", detail, None).await?;
    state.writes.commit(trail).await?;
    let disposition = format!("attachment; filename=\"figures-{from}-{to}.csv\"");
    let file = File { parts: Parts::of(export), begun: Instant::now(), _place: place };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8; header=present"))
        .insert_header((CONTENT_DISPOSITION, disposition))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("private, no-store")))
        .streaming(stream::try_unfold(file, File::next)))
}

/// A file that is being given out.
struct File {
    parts: Parts,
    begun: Instant,
    _place: OwnedSemaphorePermit,
}

/// Why a file ends before its end. Whoever reads it sees that the connection broke.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the store did not answer")]
    Store(#[from] StoreError),
    #[error("the client took too long")]
    TooLong,
}

impl File {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Broken> {
        if self.begun.elapsed() > LONGEST {
            return Err(Broken::TooLong);
        }
        Ok(self.parts.next().await?.map(|part| (part, self)))
    }
}
