//! Invitations of an organization.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Page;
use super::access::{ManagementError, admit};
use super::roles::{names_of, role_id};
use crate::directory::check_text;
use crate::invitations::Invitation;
use crate::provider::Provider;

const TTL_DEFAULT: u32 = 7 * 24 * 3_600;
const TTL_MAX: u32 = 30 * 24 * 3_600;

/// The body of [`create_invitation`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InvitationRequest {
    inviter: Inviter,
    invitee: Invitee,
    client_id: String,
    #[serde(default)]
    roles: Vec<String>,
    ttl_sec: Option<u32>,
    #[serde(default = "yes")]
    send_invitation_email: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inviter {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitee {
    email: String,
}

fn yes() -> bool {
    true
}

/// `POST /api/v2/organizations/{org}/invitations`
pub(super) async fn create_invitation(
    request: HttpRequest,
    wanted: web::Json<InvitationRequest>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "create:organization_invitations").await?;
    let wanted = wanted.into_inner();
    check_text("the name of the inviter", &wanted.inviter.name)?;
    check_text("an e-mail address", &wanted.invitee.email)?;
    if wanted.client_id != provider.settings.client_id {
        return Err(ManagementError::missing("inexistent_client", "The client does not exist"));
    }
    let seconds = wanted.ttl_sec.unwrap_or(TTL_DEFAULT);
    if !(1..=TTL_MAX).contains(&seconds) || !wanted.invitee.email.contains('@') {
        return Err(ManagementError::invalid_body("Payload validation error"));
    }
    let roles = names_of(&provider, &wanted.roles)?;
    let lifetime = Duration::from_secs(seconds.into());
    let org = call.org.clone();
    let invitation = Invitation {
        inviter: wanted.inviter.name,
        roles,
        ..Invitation::new(org, wanted.invitee.email, lifetime, provider.now())
    };
    let answer = view(&provider, &invitation);
    if wanted.send_invitation_email {
        // Nothing here sends mail; whoever develops finds the link in the log.
        let url = answer.get("invitation_url").and_then(Value::as_str);
        tracing::info!(to = %invitation.email, url, "an invitation would be mailed");
    }
    provider.invitations().add(invitation, provider.now());
    call.answer(HttpResponse::Created().json(answer))
}

/// `GET /api/v2/organizations/{org}/invitations`
pub(super) async fn list_invitations(
    request: HttpRequest,
    page: web::Query<Page>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "read:organization_invitations").await?;
    let open = provider.invitations().list(&call.org, provider.now());
    let views: Vec<Value> = open.iter().map(|invitation| view(&provider, invitation)).collect();
    call.answer(HttpResponse::Ok().json(page.of("invitations", &views)))
}

/// `DELETE /api/v2/organizations/{org}/invitations/{invitation}`
pub(super) async fn delete_invitation(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "delete:organization_invitations").await?;
    let wanted = request.match_info().get("invitation").unwrap_or_default();
    let now = provider.now();
    let open = provider.invitations().list(&call.org, now);
    let found = open.into_iter().find(|invitation| invitation.id == wanted).ok_or_else(|| {
        ManagementError::missing("invitation_not_found", "The invitation does not exist.")
    })?;
    provider.invitations().close(&found.ticket, now);
    call.answer(HttpResponse::NoContent().finish())
}

fn view(provider: &Provider, invitation: &Invitation) -> Value {
    let roles: Vec<String> = invitation.roles.iter().map(|role| role_id(role)).collect();
    json!({
        "id": invitation.id,
        "organization_id": invitation.organization,
        "inviter": { "name": invitation.inviter },
        "invitee": { "email": invitation.email },
        "invitation_url": link(provider, invitation),
        "ticket_id": invitation.ticket,
        "client_id": provider.settings.client_id,
        "roles": roles,
        "created_at": instant(invitation.created_at),
        "expires_at": instant(invitation.expires_at),
    })
}

/// The application's login address with the ticket, as the mail has it.
fn link(provider: &Provider, invitation: &Invitation) -> Option<String> {
    let directory = provider.directory();
    let organization = directory.find_organization(&invitation.organization)?;
    let mut url = provider.settings.login_uri.clone();
    url.query_pairs_mut()
        .append_pair("invitation", &invitation.ticket)
        .append_pair("organization", organization.id.as_str())
        .append_pair("organization_name", &organization.name);
    Some(url.into())
}

fn instant(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}
