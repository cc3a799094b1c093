//! `POST /api/applications/{id}/…`: the steps of an application.
//!
//! Every step takes an optional `If-Match` and an optional `Idempotency-Key`.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::applications::{
    Application, ApplicationStatus, MoveOutcome, RejectReason, StageKind, Step, take_step,
};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::item::changed;
use crate::auth::{ApplicationsDecide, ApplicationsWrite, Needs};
use crate::error::{ApiError, ErrorCode, Faults};
use crate::extract::{
    ApplicationPath, Gated, IdempotencyKey, IfMatch, JsonBody, NoQuery, OptionalJson,
};
use crate::jobs::body::{invalid, no_fields};
use crate::jobs::fields::Fields;
use crate::jobs::write::attempt;
use crate::state::PortalState;
use crate::writes::write_once;

/// What a step takes from its request.
type StepInput = (ApplicationPath, IfMatch, IdempotencyKey, JsonBody<OptionalJson>, NoQuery);

/// The body of `move`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct MoveBody {
    /// The stage to go to: `applied`, `screen`, `interview` or `offer`.
    stage: StageKind,
}

/// The body of `reject`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct RejectBody {
    /// Why.
    reason: Option<RejectReason>,
}

/// Moves an open application to another open stage.
#[utoipa::path(
    post, path = "/api/applications/{id}/move", tag = "applications",
    operation_id = "moveApplication",
    params(("id" = uuid::Uuid, Path, description = "The application")),
    request_body(content = MoveBody, content_type = "application/json"),
    responses((status = 200, description = "The application in its new stage", body = Application)),
)]
pub(crate) async fn move_application(
    state: web::Data<PortalState>,
    gated: Gated<ApplicationsWrite, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body| Ok(Step::Move { to: stage_of(body)? })).await
}

/// Turns an open application down.
#[utoipa::path(
    post, path = "/api/applications/{id}/reject", tag = "applications",
    operation_id = "rejectApplication",
    params(("id" = uuid::Uuid, Path, description = "The application")),
    request_body(content = Option<RejectBody>, content_type = "application/json"),
    responses((status = 200, description = "The rejected application", body = Application)),
)]
pub(crate) async fn reject_application(
    state: web::Data<PortalState>,
    gated: Gated<ApplicationsDecide, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body| Ok(Step::Reject { reason: reason_of(body)? })).await
}

/// Takes a rejection back: the application stands where it stood before.
#[utoipa::path(
    post, path = "/api/applications/{id}/unreject", tag = "applications",
    operation_id = "unrejectApplication",
    params(("id" = uuid::Uuid, Path, description = "The application")),
    responses((status = 200, description = "The open application", body = Application)),
)]
pub(crate) async fn unreject_application(
    state: web::Data<PortalState>,
    gated: Gated<ApplicationsDecide, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body| no_fields(body).map(|()| Step::Unreject)).await
}

/// Takes the person on.
#[utoipa::path(
    post, path = "/api/applications/{id}/hire", tag = "applications",
    operation_id = "hireApplicant",
    params(("id" = uuid::Uuid, Path, description = "The application")),
    responses((status = 200, description = "The application of somebody hired", body = Application)),
)]
pub(crate) async fn hire_applicant(
    state: web::Data<PortalState>,
    gated: Gated<ApplicationsDecide, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body| no_fields(body).map(|()| Step::Hire)).await
}

/// Notes that the person has taken the application back.
#[utoipa::path(
    post, path = "/api/applications/{id}/withdraw", tag = "applications",
    operation_id = "withdrawApplication",
    params(("id" = uuid::Uuid, Path, description = "The application")),
    responses((status = 200, description = "The withdrawn application", body = Application)),
)]
pub(crate) async fn withdraw_application(
    state: web::Data<PortalState>,
    gated: Gated<ApplicationsDecide, StepInput>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    step(&state, gated, &request, |body| no_fields(body).map(|()| Step::Withdraw)).await
}

/// Takes one step: find the application, check the version, understand the body, move.
async fn step<P: Needs>(
    state: &PortalState,
    Gated(access, (id, if_match, key, body, _)): Gated<P, StepInput>,
    request: &HttpRequest,
    step_of: impl FnOnce(&Map<String, Value>) -> Result<Step, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let attempt = attempt(&access, request, &key, body.digest);
    write_once(state, attempt, async |tx| {
        let (id, view) = (id.0, access.view);
        let found = employer_store::applications::find_application_for_update(tx, view, id).await?;
        let version = found.ok_or_else(ApiError::not_found)?.summary.version;
        if_match.check(version)?;
        let step = step_of(&body.object)?;
        changed(&done(take_step(tx, view, id, Some(version), &step).await?, step)?)
    })
    .await
}

/// What a step came to, or why it was refused.
fn done(outcome: MoveOutcome, step: Step) -> Result<Application, ApiError> {
    match outcome {
        MoveOutcome::Done(application) => Ok(*application),
        MoveOutcome::NotFound => Err(ApiError::not_found()),
        MoveOutcome::VersionMismatch { current } => Err(IfMatch::mismatch(current)),
        MoveOutcome::Refused { status, stage } => {
            let action = step.action();
            let detail = match status {
                ApplicationStatus::Active => {
                    format!("Cannot {action} an application that is at the stage {stage}.")
                }
                _ => format!("Cannot {action} an application that is {status}."),
            };
            Err(ApiError::new(ErrorCode::TransitionRefused, detail))
        }
    }
}

fn stage_of(object: &Map<String, Value>) -> Result<StageKind, ApiError> {
    let mut faults = Faults::default();
    let fields = Fields::of_body(object);
    fields.refuse_others(&["stage"], &[], &mut faults);
    let stage: Option<StageKind> =
        fields.word("stage", &mut faults).required("#/stage", &mut faults);
    if stage.is_some_and(|stage| !stage.is_open()) {
        faults.add("#/stage", "not_open", "is reached by hire or reject");
    }
    match stage {
        Some(stage) if faults.is_empty() => Ok(stage),
        _ => Err(invalid(faults)),
    }
}

fn reason_of(object: &Map<String, Value>) -> Result<Option<RejectReason>, ApiError> {
    let mut faults = Faults::default();
    let fields = Fields::of_body(object);
    fields.refuse_others(&["reason"], &[], &mut faults);
    let reason = fields.word("reason", &mut faults).optional();
    if faults.is_empty() { Ok(reason) } else { Err(invalid(faults)) }
}
