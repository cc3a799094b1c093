//! `GET /api/jobs/{id}`.

use actix_web::{HttpResponse, web};
use employer_store::jobs::{Job, JobStatus, find_job};
use serde::Deserialize;
use tenancy::{JobView, Tag, UserId};
use tenant_cache::{Loaded, Operation};

use super::read::{Read, Representation, job_tag, read_through};
use crate::auth::JobsRead;
use crate::error::ApiError;
use crate::extract::{Gated, JobPath, NoQuery, ReadHeaders};
use crate::state::PortalState;

/// The part of a job that its tag is made from, and that says who sees it.
#[derive(Deserialize)]
struct Cover {
    version: i32,
    status: JobStatus,
    team: Vec<OnTeam>,
}

#[derive(Deserialize)]
struct OnTeam {
    user_id: UserId,
}

impl Cover {
    /// As the store decides it for lists: [`find_job`] with the same view.
    fn is_seen_in(&self, view: JobView) -> bool {
        match view {
            JobView::All => true,
            JobView::Published => self.status != JobStatus::Draft,
            JobView::Assigned(user) => self.team.iter().any(|member| member.user_id == user),
        }
    }
}

/// Reads a job.
///
/// The answer is the same for everybody who sees the job, so it is kept once for all of them, and
/// says itself who they are. The `ETag` begins with the version; send it back as `If-Match` with a change.
#[utoipa::path(
    get, path = "/api/jobs/{id}", tag = "jobs", operation_id = "getJob",
    params(("id" = uuid::Uuid, Path, description = "The job")),
    responses((status = 200, description = "The job", body = Job)),
)]
pub(crate) async fn get_job(
    state: web::Data<PortalState>,
    Gated(access, (id, headers, _)): Gated<JobsRead, (JobPath, ReadHeaders, NoQuery)>,
) -> Result<HttpResponse, ApiError> {
    let id = id.0;
    let read = Read {
        scope: &access.scope,
        operation: Operation::JobsItem,
        key: Operation::JobsItem
            .key(&access.scope)
            .part(&JobView::All.key_part())
            .part(&id.to_string())
            .build(),
        tags: &[Tag::entity("job", id.as_uuid())],
    };
    let answer = read_through(&state, read, move |mut tx| async move {
        let job = find_job(&mut tx, JobView::All, id).await?;
        Ok(job.map(|job| {
            // A published job is another one after its last day, whoever gets to say so first.
            let is_open = job.summary.status == JobStatus::Published;
            let last_day = job.summary.valid_through.filter(|_| is_open);
            Loaded::until(job, last_day)
        }))
    });
    let answer = answer.await?.ok_or_else(ApiError::not_found)?;
    let cover: Cover = serde_json::from_slice(&answer.body).map_err(ApiError::internal)?;
    // Whoever does not see the job is not told that it is there.
    if !cover.is_seen_in(access.view) {
        return Err(ApiError::not_found());
    }
    let tag = job_tag(cover.version, &answer.etag);
    Ok(Representation::whole(&answer, tag).respond(&headers))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_job_is_seen_by_whom_it_says() {
        let (member, stranger) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let cover = |status: &str| -> Cover {
            let team = [json!({"user_id": member, "name": "Ada", "access": "view"})];
            serde_json::from_value(json!({"version": 1, "status": status, "team": team})).unwrap()
        };
        let of = |user| JobView::Assigned(UserId::from_uuid(user));
        for (view, sees_drafts, sees_others) in [
            (JobView::All, true, true),
            (JobView::Published, false, true),
            (of(member), true, true),
            (of(stranger), false, false),
        ] {
            assert_eq!(cover("draft").is_seen_in(view), sees_drafts, "{view:?}");
            for status in ["published", "paused", "closed", "archived"] {
                assert_eq!(cover(status).is_seen_in(view), sees_others, "{view:?} {status}");
            }
        }
    }
}
