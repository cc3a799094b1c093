//! `POST /public/boards/{slug}/jobs/{job_slug}/apply`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::StoreError;
use employer_store::public_board::{
    Board, NewResume, NewSubmission, PublicDb, SubmitKey, SubmitOutcome, Submitted,
};
use serde::Serialize;
use tenancy::{Evidence, TenantScope};
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use uuid::Uuid;

use super::digest::digest_of;
use super::form::ApplicationForm;
use super::upload::Upload;
use super::{for_everybody, limits, refuse_while_starting, upload};
use crate::error::{ApiError, ErrorCode};
use crate::extract::{IdempotencyKey, NoQuery};
use crate::files::{Files, StoredResume};
use crate::state::PortalState;
use crate::writes::COMMIT_DEADLINE;

/// What somebody is told who has applied.
#[derive(Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// Names this application in questions about it.
    reference: Uuid,
}

/// Applies for a published job.
///
/// The answer is the same whether the person is new, known to the employer, or has applied for the
/// job before: it says nothing about anybody. `Idempotency-Key` makes it safe to send again.
#[utoipa::path(
    post, path = "/public/boards/{slug}/jobs/{job_slug}/apply", tag = "public",
    operation_id = "apply",
    params(
        ("slug" = String, Path, description = "The employer"),
        ("job_slug" = String, Path, description = "The job"),
        ("Idempotency-Key" = Option<String>, Header, description = "The applicant's name for this \
            attempt, 1 to 255 characters: repeating it within a day gives the first answer again"),
    ),
    request_body(
        content((ApplicationForm = "multipart/form-data"), (ApplicationForm = "application/json")),
    ),
    responses((status = 202, description = "It was taken in", body = Receipt)),
)]
pub(crate) async fn apply(
    state: web::Data<PortalState>,
    path: web::Path<(String, String)>,
    key: IdempotencyKey,
    _: NoQuery,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    refuse_while_starting(&state)?;
    limits::admit_address(&state, &request).await?;
    let (board_slug, job_slug) = path.into_inner();
    let board = &state.board;
    let Some(found) = board.db.find_board(&board_slug).await? else {
        return Err(ApiError::not_found());
    };
    let upload = upload::take(board, found.tenant, &request, payload).await?;
    let reference = decide(&state, &found, (&board_slug, &job_slug), upload, &key).await?;
    let receipt = HttpResponse::build(StatusCode::ACCEPTED).json(Receipt { reference });
    Ok(for_everybody(receipt))
}

/// The reference that the person is told.
async fn decide(
    state: &web::Data<PortalState>,
    found: &Board,
    (board_slug, job_slug): (&str, &str),
    upload: Upload,
    key: &IdempotencyKey,
) -> Result<Uuid, ApiError> {
    let now = state.clock.now().format(&Rfc3339).map_err(ApiError::internal)?;
    let given = upload.form.read(&now)?;
    limits::admit_person(state, found.tenant, &given.email).await?;
    limits::wait_for_turn(state, &state.board, found.tenant).await?;
    let key = key.0.as_ref().map(|key| SubmitKey {
        key: key.clone(),
        sha256: digest_of(&given, upload.resume.as_ref()),
        ttl: state.settings.idempotency_ttl,
    });
    let attempt = Attempt {
        board_slug: board_slug.to_owned(),
        job_slug: job_slug.to_owned(),
        given,
        is_of_a_machine: upload.form.is_of_a_machine(),
        resume: upload.resume,
        key,
    };
    match attempt.submit(state, found).await? {
        SubmitOutcome::Submitted(submitted) => Ok(submitted.reference),
        SubmitOutcome::Replayed { reference } => Ok(reference),
        SubmitOutcome::NotFound => Err(ApiError::not_found()),
        SubmitOutcome::Closed => {
            Err(ApiError::new(ErrorCode::Gone, "The job takes no applications any more."))
        }
        SubmitOutcome::ConsentOutdated => Err(consent_outdated(found)),
        SubmitOutcome::Mismatch => Err(crate::writes::mismatch()),
        SubmitOutcome::InFlight => Err(crate::writes::in_flight()),
    }
}

/// Everything that the transaction needs, so that it goes on when the applicant hangs up.
struct Attempt {
    board_slug: String,
    job_slug: String,
    given: NewSubmission,
    is_of_a_machine: bool,
    resume: Option<StoredResume>,
    key: Option<SubmitKey>,
}

impl Attempt {
    /// Takes the application in and does what follows from it, on a task of its own: once it is
    /// committed, nothing that the applicant does leaves a stale list behind.
    async fn submit(
        self,
        state: &web::Data<PortalState>,
        found: &Board,
    ) -> Result<SubmitOutcome, ApiError> {
        let (db, files) = (state.board.db.clone(), state.board.files.clone());
        let (writes, scope) = (state.writes.clone(), scope_of(found));
        let work = async move {
            if self.is_of_a_machine {
                return self.rehearse(&db).await;
            }
            let outcome = self.write(&db, &files).await?;
            if let SubmitOutcome::Submitted(submitted) = &outcome {
                let Submitted { event, .. } = submitted.as_ref();
                writes.finish(&scope, vec![event.clone()]).await;
            }
            Ok::<_, StoreError>(outcome)
        };
        Ok(state.writes.see_through(COMMIT_DEADLINE, work).await??)
    }

    /// A machine is told exactly what a person would be told at this moment; nothing is kept.
    async fn rehearse(self, db: &PublicDb) -> Result<SubmitOutcome, StoreError> {
        let Self { board_slug, job_slug, given, resume, key, .. } = self;
        let row = resume.as_ref().map(row_of);
        db.rehearse(&board_slug, &job_slug, &given, row.as_ref(), key.as_ref()).await
    }

    async fn write(self, db: &PublicDb, files: &Files) -> Result<SubmitOutcome, StoreError> {
        let Self { board_slug, job_slug, given, resume, key, .. } = self;
        let row = resume.as_ref().map(row_of);
        // From here on the file may belong to a row: it goes only where it is known not to.
        if let Some(resume) = resume {
            resume.file.claim();
        }
        let outcome = db.submit(&board_slug, &job_slug, &given, row.as_ref(), key.as_ref()).await;
        if let Some(row) = row {
            match &outcome {
                Ok(SubmitOutcome::Submitted(submitted)) if submitted.keeps_file => {}
                Err(error) if error.leaves_open() => tracing::warn!(
                    file.id = %row.id,
                    "whether an application was taken in is not known; its file stays"
                ),
                _ => files.discard(row.id, row.storage_key),
            }
        }
        outcome
    }
}

/// The tenant whose board this is; whoever knows its address may do what everybody may.
#[expect(clippy::disallowed_methods, reason = "a board was found by its name a moment ago")]
fn scope_of(board: &Board) -> TenantScope {
    TenantScope::from_verified(board.tenant, board.org.clone(), Evidence::BoardSlug)
}

fn row_of(resume: &StoredResume) -> NewResume {
    NewResume {
        id: resume.id,
        storage_key: resume.storage_key.clone(),
        name: resume.name.clone(),
        mime: resume.mime.to_owned(),
        bytes: resume.bytes,
        sha256: resume.sha256,
    }
}

fn consent_outdated(board: &Board) -> ApiError {
    let version = board.consent_version.as_deref().unwrap_or_default();
    ApiError::new(ErrorCode::ValidationFailed, "Agreement to the privacy notice is needed.")
        .with_field("#/consent_version", "consent_required", format!("is {version}"))
}
