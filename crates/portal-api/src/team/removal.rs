//! `DELETE /api/team/{user}`: a member leaves or is removed.

use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::team::{self, TeamOutcome};

use super::{
    CHANGE_DEADLINE, Change, last_owner, member_of_path, role_of_caller, role_of_manager, target,
};
use crate::auth::{Authorized, Principal, SessionManage, TeamManage};
use crate::error::ApiError;
use crate::state::PortalState;

/// Removes a member, or leaves.
///
/// Anybody may leave; removing others takes the right to manage the team, and nobody is removed
/// who is above you. The last owner stays. The person's sessions end on every instance within a
/// second.
#[utoipa::path(
    delete, path = "/api/team/{user}", tag = "team", operation_id = "removeMember",
    params(("user" = uuid::Uuid, Path, description = "The member; oneself to leave")),
    responses((status = 204, description = "They are no member any more")),
)]
pub(crate) async fn remove_member(
    state: web::Data<PortalState>,
    principal: Principal,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let path = member_of_path(&request);
    let leaves = path.as_ref().is_ok_and(|user| principal.actor.user() == Some(*user));
    let (scope, actor, person) = if leaves {
        let access = Authorized::<SessionManage>::check(principal)?;
        let person = access.person()?;
        (access.scope, access.actor, person)
    } else {
        let access = Authorized::<TeamManage>::check(principal)?;
        let person = access.person()?;
        (access.scope, access.actor, person)
    };
    let change = Change { scope, actor, person, target: path? };
    let work = remove_in(state.clone(), change);
    state.writes.see_through(CHANGE_DEADLINE, work).await??;
    Ok(HttpResponse::NoContent().finish())
}

async fn remove_in(state: web::Data<PortalState>, change: Change) -> Result<(), ApiError> {
    let decides = state.settings.oidc.roles_claim.is_some();
    let _turn = if decides { Some(state.management.permit().await?) } else { None };
    let mut tx = state.db.begin(&change.scope, &change.actor).await?;
    team::lock(&mut tx).await?;
    let caller = if change.person.user == change.target {
        role_of_caller(&mut tx, change.person).await?
    } else {
        role_of_manager(&mut tx, change.person).await?
    };
    let member = target(&mut tx, caller, change.target).await?;
    if team::is_last_owner(&mut tx, &member).await? {
        return Err(last_owner());
    }
    if decides {
        state.management.remove_member(change.scope.org(), &member.subject).await?;
    }
    match team::remove_member(&mut tx, change.target).await? {
        TeamOutcome::Done(_) | TeamOutcome::Unchanged(_) => state.writes.commit(tx).await,
        TeamOutcome::NotFound => Err(ApiError::not_found()),
        TeamOutcome::LastOwner => Err(last_owner()),
    }
}
