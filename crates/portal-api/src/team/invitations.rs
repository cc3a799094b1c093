//! `/api/invitations`: who is asked to join.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::TenantTx;
use employer_store::invitations::{self as store, Invitation, NewInvitation, Obstacle};
use employer_store::team;
use secrecy::ExposeSecret as _;
use tenancy::{OrgId, Role};

use super::body::{InvitationDraft, read_invitation};
use super::view::{InvitationView, InvitationsView};
use super::{check_reach, id_of_path, not_at_provider, role_of_manager};
use crate::auth::management::Invite;
use crate::auth::{Person, TeamManage};
use crate::error::{ApiError, ErrorCode};
use crate::extract::{Gated, IdempotencyKey, Json, JsonBody, NoQuery};
use crate::state::PortalState;
use crate::writes::{Answer, Attempt, write_once};

/// Lists the open invitations.
#[utoipa::path(
    get, path = "/api/invitations", tag = "team", operation_id = "listInvitations",
    responses((status = 200, description = "The open invitations", body = InvitationsView)),
)]
pub(crate) async fn list_invitations(
    state: web::Data<PortalState>,
    Gated(access, _): Gated<TeamManage, NoQuery>,
) -> Result<HttpResponse, ApiError> {
    let mut tx = state.db.begin_read(&access.scope).await?;
    let open = store::list_open(&mut tx).await?;
    let data = open.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(InvitationsView { data }))
}

/// Invites somebody.
///
/// The identity provider mails the link. Whoever follows it and signs in with the invited address
/// becomes a member in the invited role, once. Never above your own role.
#[utoipa::path(
    post, path = "/api/invitations", tag = "team", operation_id = "createInvitation",
    params(("Idempotency-Key" = Option<String>, Header, description = "The caller's name for this attempt, 1 to 255 characters: repeating it within a day gives the first answer again")),
    request_body(content = InvitationDraft, content_type = "application/json"),
    responses((status = 201, description = "The invitation; `Location` says where", body = InvitationView)),
)]
pub(crate) async fn create_invitation(
    state: web::Data<PortalState>,
    Gated(access, (key, body, _)): Gated<TeamManage, (IdempotencyKey, JsonBody<Json>, NoQuery)>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let (email, role) = read_invitation(&body.object)?;
    let attempt = Attempt {
        scope: &access.scope,
        actor: &access.actor,
        route: format!("{} {}", request.method(), request.path()),
        key: &key,
        digest: body.digest,
    };
    let _turn = state.management.permit().await?;
    write_once(&state, attempt, async |tx| {
        let invitation = invite(&state, tx, person, &email, role).await?;
        let location = format!("/api/invitations/{}", invitation.id);
        let answer = Answer::json(StatusCode::CREATED, &InvitationView::from(invitation))?;
        Ok(answer.with_header("Location", location))
    })
    .await
}

async fn invite(
    state: &PortalState,
    tx: &mut TenantTx,
    person: Person,
    email: &str,
    role: Role,
) -> Result<Invitation, ApiError> {
    team::lock(tx).await?;
    let caller = role_of_manager(tx, person).await?;
    check_reach(caller, role)?;
    if let Some(obstacle) = store::find_obstacle(tx, email).await? {
        return Err(refused(obstacle));
    }
    let name = team::find_member(tx, person.user).await?.map(|member| member.name);
    let org = tx.scope().org().clone();
    let decides = state.settings.oidc.roles_claim.is_some();
    let invited = state
        .management
        .invite(&Invite {
            org: &org,
            email,
            inviter: name.as_deref().unwrap_or("A member"),
            role: decides.then_some(role),
            lifetime_seconds: state.settings.invitation_ttl.as_secs(),
            sends_mail: true,
        })
        .await?
        .ok_or_else(not_at_provider)?;
    let new = NewInvitation {
        email,
        role,
        ticket: invited.ticket.expose_secret(),
        provider_id: &invited.id,
        expires_at: invited.expires_at,
        invited_by: person.user,
    };
    match store::create_invitation(tx, &new).await {
        Ok(invitation) => Ok(invitation),
        Err(error) => {
            give_up(state, &org, &invited.id).await;
            Err(error.into())
        }
    }
}

/// Withdraws what has no row here. Where that fails too, the link leads to a sign-in that is
/// refused: without a row nobody becomes a member.
async fn give_up(state: &PortalState, org: &OrgId, id: &str) {
    if let Err(error) = state.management.withdraw_invitation(org, id).await {
        tracing::warn!(%error, "an invitation without a row could not be withdrawn");
    }
}

/// Withdraws an invitation.
#[utoipa::path(
    delete, path = "/api/invitations/{id}", tag = "team", operation_id = "withdrawInvitation",
    params(("id" = uuid::Uuid, Path, description = "The invitation")),
    responses((status = 204, description = "It cannot be accepted any more")),
)]
pub(crate) async fn withdraw_invitation(
    state: web::Data<PortalState>,
    Gated(access, _): Gated<TeamManage, NoQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let person = access.person()?;
    let id = id_of_path(&request, "id")?;
    let _turn = state.management.permit().await?;
    let mut tx = state.db.begin(&access.scope, &access.actor).await?;
    team::lock(&mut tx).await?;
    let found = store::find_open_for_update(&mut tx, id).await?;
    let invitation = found.ok_or_else(ApiError::not_found)?;
    let caller = role_of_manager(&mut tx, person).await?;
    check_reach(caller, invitation.role)?;
    store::withdraw(&mut tx, &invitation).await?;
    state.management.withdraw_invitation(access.scope.org(), &invitation.provider_id).await?;
    state.writes.commit(tx).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn refused(obstacle: Obstacle) -> ApiError {
    let (code, detail) = match obstacle {
        Obstacle::Member => ("already_member", "is a member's address already"),
        Obstacle::Invited => ("already_invited", "is invited already; withdraw that first"),
        Obstacle::Full => {
            let detail = "There are too many open invitations. Withdraw some first.";
            return ApiError::new(ErrorCode::Conflict, detail);
        }
    };
    ApiError::new(ErrorCode::Conflict, "This address cannot be invited; see errors.")
        .with_field("#/email", code, detail)
}
