//! `GET /api/analytics/*`: reports, read through the cache.

use std::future::Future;

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::analytics::{
    Breakdown, By, Funnel, Grain, Metric, Overview, Question, Rule, Sources, TimeInStage,
    TimeSeries, TimeToHire, breakdown, funnel, overview, sources, time_in_stage, time_series,
    time_to_hire,
};
use employer_store::jobs::find_job;
use employer_store::{StoreError, TenantTx};
use serde::Serialize;
use tenant_cache::{JobSlice, Loaded, Operation};

use super::query::{Asked, MOST_DAYS, Parameters, ReportParameters};
use crate::auth::{AnalyticsRead, Authorized};
use crate::error::ApiError;
use crate::extract::{EntityTag, Gated, ReadHeaders};
use crate::jobs::read::{Read, Representation, read_snapshot_through};
use crate::state::PortalState;

const OPERATION: Operation = Operation::AnalyticsReport;

/// Groups of a breakdown that nobody asks another number of.
const USUAL_GROUPS: i64 = 20;

/// What happened in a period, beside the days before, and how things are now.
///
/// Hiring managers see the figures of the jobs whose team they are on. Answers are cached for 300
/// seconds and dropped by no application: `as_of` says when they were taken, `version` whether
/// another answer or a live snapshot is newer.
#[utoipa::path(
    get, path = "/api/analytics/overview", tag = "analytics", operation_id = "getAnalyticsOverview",
    params(ReportParameters),
    responses((status = 200, description = "Figures of the period", body = Overview)),
)]
pub(crate) async fn get_overview(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<AnalyticsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let asked = ask(&state, &access, &request)?;
    let report = Report { state: &state, access: &access, name: "overview", parts: &[], asked };
    let load =
        |mut tx: TenantTx, question: Question| async move { overview(&mut tx, &question).await };
    report.respond(&headers, load).await
}

/// How figures went, step by step, beside the days before.
///
/// Steps are those of the zone: days have 23 to 25 hours. Series are at most 31 days by the hour,
/// 400 by the day, 1,830 by the week or month. Cached as the overview is.
#[utoipa::path(
    get, path = "/api/analytics/timeseries", tag = "analytics", operation_id = "getTimeSeries",
    params(
        ReportParameters,
        ("metric" = Option<Vec<Metric>>, Query, style = Form, explode = false, description = "What to count; `applications` where it is absent"),
        ("grain" = Option<Grain>, Query, description = "The step; `day` where it is absent"),
    ),
    responses((status = 200, description = "One value for each step", body = TimeSeries)),
)]
pub(crate) async fn get_time_series(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<AnalyticsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut parameters = Parameters::read(request.query_string(), &["metric", "grain"])?;
    let grain = parameters.word::<Grain>("grain").unwrap_or(Grain::Day);
    let mut metrics = parameters.words::<Metric>("metric", Metric::ALL.len());
    if metrics.is_empty() {
        metrics.push(Metric::Applications);
    }
    let asked = parameters.question(access.view, grain.most_days(), state.clock.now())?;
    let names: Vec<&str> = metrics.iter().map(|metric| metric.as_str()).collect();
    // In the order asked for: the answer has them in that order.
    let parts = [grain.as_str(), &names.join(",")];
    let report =
        Report { state: &state, access: &access, name: "timeseries", parts: &parts, asked };
    let load = move |mut tx: TenantTx, question: Question| async move {
        time_series(&mut tx, &question, &metrics, grain).await
    };
    report.respond(&headers, load).await
}

/// How far applications came.
///
/// By `cohort`, the usual rule, the applications of the period are followed to where they are now;
/// stages that were passed over count as reached. By `activity` it is counted what entered and left
/// each stage in the period. By `snapshot` it is where applications are now, whatever the period.
#[utoipa::path(
    get, path = "/api/analytics/funnel", tag = "analytics", operation_id = "getFunnel",
    params(
        ReportParameters,
        ("mode" = Option<Rule>, Query, description = "The rule; `cohort` where it is absent"),
    ),
    responses((status = 200, description = "The funnel by that rule", body = Funnel)),
)]
pub(crate) async fn get_funnel(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<AnalyticsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut parameters = Parameters::read(request.query_string(), &["mode"])?;
    let rule = parameters.word::<Rule>("mode").unwrap_or(Rule::Cohort);
    let asked = parameters.question(access.view, MOST_DAYS, state.clock.now())?;
    let parts = [rule.as_str()];
    let report = Report { state: &state, access: &access, name: "funnel", parts: &parts, asked };
    let load = move |mut tx: TenantTx, question: Question| async move {
        funnel(&mut tx, &question, rule).await
    };
    report.respond(&headers, load).await
}

/// What happened in a period, by job, source, department, workplace or kind of contract.
#[utoipa::path(
    get, path = "/api/analytics/breakdown", tag = "analytics", operation_id = "getBreakdown",
    params(
        ReportParameters,
        ("by" = Option<By>, Query, description = "What groups are made of; `job` where it is absent"),
        ("limit" = Option<u8>, Query, minimum = 1, maximum = 100, description = "Most groups, 20 where it is absent; the others are summed up"),
    ),
    responses((status = 200, description = "The groups", body = Breakdown)),
)]
pub(crate) async fn get_breakdown(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<AnalyticsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut parameters = Parameters::read(request.query_string(), &["by", "limit"])?;
    let by = parameters.word::<By>("by").unwrap_or(By::Job);
    let most = parameters.number("limit", 1..=100).unwrap_or(USUAL_GROUPS);
    let asked = parameters.question(access.view, MOST_DAYS, state.clock.now())?;
    let parts = [by.as_str(), &most.to_string()];
    let report = Report { state: &state, access: &access, name: "breakdown", parts: &parts, asked };
    let load = move |mut tx: TenantTx, question: Question| async move {
        breakdown(&mut tx, &question, by, most).await
    };
    report.respond(&headers, load).await
}

/// Where the applications of a period came from, and how far they came until now.
#[utoipa::path(
    get, path = "/api/analytics/sources", tag = "analytics", operation_id = "getSources",
    params(ReportParameters),
    responses((status = 200, description = "The sources", body = Sources)),
)]
pub(crate) async fn get_sources(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<AnalyticsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let asked = ask(&state, &access, &request)?;
    let report = Report { state: &state, access: &access, name: "sources", parts: &[], asked };
    let load =
        |mut tx: TenantTx, question: Question| async move { sources(&mut tx, &question).await };
    report.respond(&headers, load).await
}

/// How long applications stayed in the stages that they left in the period.
///
/// Half of them no longer than the median, nine of ten no longer than the 90th percentile. Those that
/// are still there are counted, and are part of no time.
#[utoipa::path(
    get, path = "/api/analytics/time-in-stage", tag = "analytics", operation_id = "getTimeInStage",
    params(ReportParameters),
    responses((status = 200, description = "The stages", body = TimeInStage)),
)]
pub(crate) async fn get_time_in_stage(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<AnalyticsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let asked = ask(&state, &access, &request)?;
    let report =
        Report { state: &state, access: &access, name: "time-in-stage", parts: &[], asked };
    let load = |mut tx: TenantTx, question: Question| async move {
        time_in_stage(&mut tx, &question).await
    };
    report.respond(&headers, load).await
}

/// How long it took from the application to the hire, for the hires of the period.
///
/// Open applications are counted, and are part of no time.
#[utoipa::path(
    get, path = "/api/analytics/time-to-hire", tag = "analytics", operation_id = "getTimeToHire",
    params(ReportParameters),
    responses((status = 200, description = "The times", body = TimeToHire)),
)]
pub(crate) async fn get_time_to_hire(
    state: web::Data<PortalState>,
    Gated(access, headers): Gated<AnalyticsRead, ReadHeaders>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let asked = ask(&state, &access, &request)?;
    let report = Report { state: &state, access: &access, name: "time-to-hire", parts: &[], asked };
    let load = |mut tx: TenantTx, question: Question| async move {
        time_to_hire(&mut tx, &question).await
    };
    report.respond(&headers, load).await
}

/// The question of a report that takes no further parameters.
fn ask(
    state: &PortalState,
    access: &Authorized<AnalyticsRead>,
    request: &HttpRequest,
) -> Result<Asked, ApiError> {
    let parameters = Parameters::read(request.query_string(), &[])?;
    parameters.question(access.view, MOST_DAYS, state.clock.now())
}

/// A report that somebody asks for.
pub(super) struct Report<'a> {
    pub(super) state: &'a PortalState,
    pub(super) access: &'a Authorized<AnalyticsRead>,
    pub(super) name: &'static str,
    /// What it is asked for beside the question, in one spelling.
    pub(super) parts: &'a [&'a str],
    pub(super) asked: Asked,
}

impl Report<'_> {
    /// The report, from the cache or as `load` makes it; 404 where it is about a job that the
    /// caller does not see.
    pub(super) async fn respond<T, F, Fut>(
        self,
        headers: &ReadHeaders,
        load: F,
    ) -> Result<HttpResponse, ApiError>
    where
        T: Serialize + Send + 'static,
        F: FnOnce(TenantTx, Question) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let scope = &self.access.scope;
        let key = self.asked.append_to(OPERATION.key(scope).part(self.name));
        let key = self.parts.iter().fold(key, |key, part| key.part(part)).build();
        let question = self.asked.0;
        let tags = OPERATION.tags(&JobSlice::of(question.view));
        let read = Read { scope, operation: OPERATION, key, tags: &tags };
        let answer = read_snapshot_through(self.state, read, move |mut tx| async move {
            if let Some(job) = question.job
                && find_job(&mut tx, question.view, job).await?.is_none()
            {
                return Ok(None);
            }
            Ok(Some(Loaded::new(load(tx, question).await?)))
        });
        let answer = answer.await?.ok_or_else(ApiError::not_found)?;
        let tag = EntityTag::quoted(&answer.etag);
        Ok(Representation::whole(&answer, tag).respond(headers))
    }
}
