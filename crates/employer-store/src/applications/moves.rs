//! The steps of an application, each with its event and its audit row in the same transaction.

use serde_json::json;
use tenancy::{ApplicationId, EventKind, JobView};
use uuid::Uuid;

use super::model::Application;
use super::read::{find_application, find_application_for_update};
use super::vocabulary::{ApplicationStatus, MoveAction, RejectReason, StageKind};
use crate::audit;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// A step that somebody takes with an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An open one to another stage.
    Move {
        /// The kind of the stage; only those that are open.
        to: StageKind,
    },
    /// An open one is turned down.
    Reject {
        /// Why, where somebody says.
        reason: Option<RejectReason>,
    },
    /// One that was turned down comes back to the stage where it was.
    Unreject,
    /// An open one is taken on.
    Hire,
    /// An open one is taken back by the person.
    Withdraw,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum MoveOutcome {
    /// It is taken, once the transaction commits.
    Done(Box<Application>),
    /// There is no such application in the view.
    NotFound,
    /// Somebody else changed it first.
    VersionMismatch {
        /// The version that it has now.
        current: i32,
    },
    /// There is no such step from where it stands.
    Refused {
        /// Whether it is open.
        status: ApplicationStatus,
        /// Where it stands.
        stage: StageKind,
    },
}

/// Where a step leads.
struct Target {
    status: ApplicationStatus,
    stage: Option<StageRow>,
}

struct StageRow {
    id: Uuid,
    kind: StageKind,
}

impl Step {
    /// The step in the words of the history.
    pub const fn action(&self) -> MoveAction {
        match self {
            Self::Move { .. } => MoveAction::Move,
            Self::Reject { .. } => MoveAction::Reject,
            Self::Unreject => MoveAction::Unreject,
            Self::Hire => MoveAction::Hire,
            Self::Withdraw => MoveAction::Withdraw,
        }
    }

    const fn audit_action(self) -> &'static str {
        match self {
            Self::Move { .. } => "application_moved",
            Self::Reject { .. } => "application_rejected",
            Self::Unreject => "application_unrejected",
            Self::Hire => "application_hired",
            Self::Withdraw => "application_withdrawn",
        }
    }

    fn leads_on_from(self, status: ApplicationStatus, stage: StageKind) -> bool {
        match self {
            Self::Unreject => status == ApplicationStatus::Rejected,
            Self::Move { to } => status == ApplicationStatus::Active && to.is_open() && to != stage,
            Self::Reject { .. } | Self::Hire | Self::Withdraw => {
                status == ApplicationStatus::Active
            }
        }
    }
}

/// Takes a step, where the version is the expected one (any, where none is) and there is such a
/// step from where the application stands.
pub async fn take_step(
    tx: &mut TenantTx,
    view: JobView,
    id: ApplicationId,
    expected_version: Option<i32>,
    step: &Step,
) -> Result<MoveOutcome, StoreError> {
    let Some(application) = find_application_for_update(tx, view, id).await? else {
        return Ok(MoveOutcome::NotFound);
    };
    let before = &application.summary;
    if expected_version.is_some_and(|expected| expected != before.version) {
        return Ok(MoveOutcome::VersionMismatch { current: before.version });
    }
    if !step.leads_on_from(before.status, before.stage) {
        return Ok(MoveOutcome::Refused { status: before.status, stage: before.stage });
    }
    let reason = match step {
        Step::Reject { reason } => reason.map(RejectReason::as_str),
        _ => None,
    };
    let target = target_of(tx, &application, step).await?;
    let to = target.stage.as_ref().map(|stage| stage.kind);
    save(tx, &application, step, &target, reason).await?;
    let mut payload = json!({
        "v": 1, "job": before.job.id, "application": id, "source": before.source,
        "from": before.stage, "to": to, "action": step.action(),
    });
    if let (Some(reason), Some(said)) = (reason, payload.as_object_mut()) {
        said.insert("reason".to_owned(), reason.into());
    }
    tx.emit(EventKind::ApplicationStageChanged, Some(id.as_uuid()), payload).await?;
    let detail = json!({ "job": before.job.id, "from": before.stage, "to": to, "reason": reason });
    audit::record(tx, step.audit_action(), &format!("application:{id}"), detail, None).await?;
    let after = find_application(tx, view, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok(MoveOutcome::Done(Box::new(after)))
}

async fn target_of(
    tx: &mut TenantTx,
    application: &Application,
    step: &Step,
) -> Result<Target, StoreError> {
    let (status, kind) = match step {
        Step::Move { to } => (ApplicationStatus::Active, *to),
        Step::Reject { .. } => (ApplicationStatus::Rejected, StageKind::Rejected),
        Step::Hire => (ApplicationStatus::Hired, StageKind::Hired),
        Step::Withdraw => {
            return Ok(Target { status: ApplicationStatus::Withdrawn, stage: None });
        }
        Step::Unreject => {
            let stage = stage_before_rejection(tx, application).await?;
            return Ok(Target { status: ApplicationStatus::Active, stage: Some(stage) });
        }
    };
    Ok(Target { status, stage: Some(stage_of_kind(tx, application, kind).await?) })
}

/// The first stage of a kind: of the job's own pipeline, else of the tenant's.
async fn stage_of_kind(
    tx: &mut TenantTx,
    application: &Application,
    kind: StageKind,
) -> Result<StageRow, StoreError> {
    let tenant = tx.tenant();
    let id = sqlx::query_scalar!(
        "SELECT id FROM job_stages
         WHERE tenant_id = $1 AND (job_id = $2 OR job_id IS NULL) AND kind = $3
         ORDER BY job_id IS NULL, ord LIMIT 1",
        tenant,
        application.summary.job.id.as_uuid(),
        kind.as_str(),
    )
    .fetch_optional(tx.connection())
    .await?
    .ok_or_else(|| StoreError::inconsistent("pipeline without a stage of every kind"))?;
    Ok(StageRow { id, kind })
}

/// Where it was when it was turned down last.
async fn stage_before_rejection(
    tx: &mut TenantTx,
    application: &Application,
) -> Result<StageRow, StoreError> {
    let tenant = tx.tenant();
    // A stage may be gone since; then it is the first one of its kind.
    let row = sqlx::query!(
        r#"SELECT m.from_kind AS "kind!", s.id AS "id?"
           FROM stage_moves m
           LEFT JOIN job_stages s ON s.tenant_id = $1 AND s.id = m.from_stage
           WHERE m.tenant_id = $1 AND m.application_id = $2 AND m.action = 'reject'
           ORDER BY m.at DESC, m.id DESC LIMIT 1"#,
        tenant,
        application.summary.id.as_uuid(),
    )
    .fetch_optional(tx.connection())
    .await?
    .ok_or_else(|| StoreError::inconsistent("rejection without a step"))?;
    let kind: StageKind =
        row.kind.parse().map_err(|_| StoreError::inconsistent("kind of a stage"))?;
    match row.id {
        Some(id) => Ok(StageRow { id, kind }),
        None => stage_of_kind(tx, application, kind).await,
    }
}

async fn save(
    tx: &mut TenantTx,
    application: &Application,
    step: &Step,
    target: &Target,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let (tenant, actor) = (tx.tenant(), tx.actor().audit_name());
    let summary = &application.summary;
    // One statement: the history tells of exactly what the row became. Steps of one application
    // follow each other in time, whatever the clock of the database does.
    sqlx::query!(
        "WITH before AS (
             SELECT stage_id, stage, job_id FROM applications WHERE tenant_id = $1 AND id = $2
         ), moved AS (
             UPDATE applications
             SET stage_id = coalesce($3, stage_id), stage = coalesce($4, stage), status = $5,
                 reject_reason = CASE WHEN $5 = 'rejected' THEN $6 END,
                 stage_since = CASE WHEN $3::uuid IS NULL THEN stage_since ELSE now() END,
                 version = version + 1, updated_at = now()
             WHERE tenant_id = $1 AND id = $2
         )
         INSERT INTO stage_moves (tenant_id, id, application_id, job_id, action, from_stage,
             to_stage, from_kind, to_kind, reason, actor, at)
         SELECT $1, $7, $2, b.job_id, $8, b.stage_id, $3, b.stage, $4, $6, $9,
                greatest(now(), (SELECT max(m.at) + interval '1 microsecond' FROM stage_moves m
                                 WHERE m.tenant_id = $1 AND m.application_id = $2))
         FROM before b",
        tenant,
        summary.id.as_uuid(),
        target.stage.as_ref().map(|stage| stage.id) as Option<Uuid>,
        target.stage.as_ref().map(|stage| stage.kind.as_str()) as Option<&str>,
        target.status.as_str(),
        reason as Option<&str>,
        Uuid::now_v7(),
        step.action().as_str(),
        actor,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
