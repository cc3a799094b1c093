//! `PATCH /api/team/{user}/role`: another role for a member.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::team::{self, Member, TeamOutcome};
use tenancy::Role;

use super::body::{RoleChange, read_role_change};
use super::view::MemberView;
use super::{
    CHANGE_DEADLINE, Change, check_reach, last_owner, member_of_path, not_at_provider,
    role_of_manager, target,
};
use crate::auth::TeamManage;
use crate::auth::management::Place;
use crate::error::{ApiError, ErrorCode};
use crate::extract::{Gated, Json, JsonBody, NoQuery};
use crate::state::PortalState;

/// Gives a member another role.
///
/// Never above your own, and never your own. The last owner stays one. It holds on every instance
/// within a second; the person stays signed in.
#[utoipa::path(
    patch, path = "/api/team/{user}/role", tag = "team", operation_id = "changeRole",
    params(("user" = uuid::Uuid, Path, description = "The member")),
    request_body(content = RoleChange, content_type = "application/json"),
    responses((status = 200, description = "The member", body = MemberView)),
)]
pub(crate) async fn change_role(
    state: web::Data<PortalState>,
    Gated(access, (body, _)): Gated<TeamManage, (JsonBody<Json>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let target = member_of_path(&request)?;
    let role = read_role_change(&body.object)?;
    let change = Change { scope: access.scope, actor: access.actor, person, target };
    // Seen through although the caller may hang up: the identity provider's part must not stand
    // alone.
    let work = change_in(state.clone(), change, role);
    let member = state.writes.see_through(CHANGE_DEADLINE, work).await??;
    Ok(HttpResponse::Ok().json(MemberView::from(member)))
}

async fn change_in(
    state: web::Data<PortalState>,
    change: Change,
    role: Role,
) -> Result<Member, ApiError> {
    let decides = state.settings.oidc.roles_claim.is_some();
    let _turn = if decides { Some(state.management.permit().await?) } else { None };
    let mut tx = state.db.begin(&change.scope, &change.actor).await?;
    team::lock(&mut tx).await?;
    let caller = role_of_manager(&mut tx, change.person).await?;
    check_reach(caller, role)?;
    let member = target(&mut tx, caller, change.target).await?;
    if change.person.user == change.target {
        let detail = "Somebody else has to change your role.";
        return Err(ApiError::new(ErrorCode::Forbidden, detail));
    }
    if member.role != role && team::is_last_owner(&mut tx, &member).await? {
        return Err(last_owner());
    }
    if decides {
        let org = change.scope.org();
        match state.management.put_role(org, &member.subject, role).await? {
            Place::Member(now) if now == role => {}
            Place::Member(_) => return Err(stays_another()),
            Place::Stranger => return Err(not_at_provider()),
        }
    }
    let outcome = team::change_role(&mut tx, change.target, role).await?;
    match outcome {
        TeamOutcome::Done(member) | TeamOutcome::Unchanged(member) => {
            state.writes.commit(tx).await?;
            Ok(member)
        }
        TeamOutcome::NotFound => Err(ApiError::not_found()),
        TeamOutcome::LastOwner => Err(last_owner()),
    }
}

fn stays_another() -> ApiError {
    ApiError::new(
        ErrorCode::Conflict,
        "At the identity provider a group gives them another role. Change it there.",
    )
}
