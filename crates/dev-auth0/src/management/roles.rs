//! Roles, and the roles of members.

use std::fmt::Write as _;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Page;
use super::access::{Call, ManagementError, admit, admit_without_organization, user_of};
use crate::event_streams::{self, Happening, Kind};
use crate::provider::Provider;

/// Most roles of one call.
const ROLES_MAX: usize = 50;

/// The id of a role; it follows from the name, so that it is the same at every start.
pub(crate) fn role_id(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(8).fold("rol_".to_owned(), |mut id, byte| {
        // Writing to a String does not fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// A role as the Management API writes it.
pub(super) fn role_view(name: &str) -> Value {
    json!({ "id": role_id(name), "name": name, "description": format!("The role {name}") })
}

/// The names behind ids of roles.
pub(super) fn names_of(
    provider: &Provider,
    ids: &[String],
) -> Result<Vec<String>, ManagementError> {
    let known = provider.directory().role_names();
    ids.iter()
        .map(|id| {
            known.iter().find(|name| role_id(name) == *id).cloned().ok_or_else(|| {
                ManagementError::missing("inexistent_role", format!("The role {id} does not exist"))
            })
        })
        .collect()
}

/// `?name_filter=` of [`list_roles`].
#[derive(Debug, Deserialize)]
pub(super) struct NameFilter {
    #[serde(default)]
    name_filter: String,
}

/// `GET /api/v2/roles`
pub(super) async fn list_roles(
    request: HttpRequest,
    page: web::Query<Page>,
    filter: web::Query<NameFilter>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    admit_without_organization(&request, &provider, "read:roles").await?;
    let wanted = filter.name_filter.to_lowercase();
    let names = provider.directory().role_names();
    let roles: Vec<Value> = names
        .iter()
        .filter(|name| name.to_lowercase().contains(&wanted))
        .map(|name| role_view(name))
        .collect();
    Ok(HttpResponse::Ok().json(page.of("roles", &roles)))
}

/// `GET /api/v2/organizations/{org}/members/{user}/roles`
pub(super) async fn list_member_roles(
    request: HttpRequest,
    page: web::Query<Page>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "read:organization_member_roles").await?;
    let roles: Vec<Value> =
        roles_of(&call, &request, &provider)?.iter().map(|role| role_view(role)).collect();
    call.answer(HttpResponse::Ok().json(page.of("roles", &roles)))
}

/// `GET /api/v2/organizations/{org}/members/{user}/effective-roles`: there are no groups here, so
/// these are the same.
pub(super) async fn effective_roles(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "read:organization_member_effective_roles").await?;
    let roles: Vec<Value> = roles_of(&call, &request, &provider)?
        .iter()
        .map(|role| {
            let mut view = role_view(role);
            if let Some(view) = view.as_object_mut() {
                view.insert("sources".to_owned(), json!(["direct"]));
            }
            view
        })
        .collect();
    call.answer(HttpResponse::Ok().json(json!({ "roles": roles })))
}

/// `{"roles": […]}`, by id.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleIds {
    roles: Vec<String>,
}

/// `POST /api/v2/organizations/{org}/members/{user}/roles`
pub(super) async fn assign_member_roles(
    request: HttpRequest,
    wanted: web::Json<RoleIds>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "create:organization_member_roles").await?;
    let (user, names) = member_and_roles(&call, &request, &wanted, &provider)?;
    let added = provider.directory_mut().assign(&user, &call.org, &names);
    for role in &added {
        let happening = Happening::role(Kind::RoleAssigned, &call.org, &user, role);
        event_streams::tell(&provider, &happening);
    }
    call.answer(HttpResponse::NoContent().finish())
}

/// `DELETE /api/v2/organizations/{org}/members/{user}/roles`
pub(super) async fn delete_member_roles(
    request: HttpRequest,
    wanted: web::Json<RoleIds>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "delete:organization_member_roles").await?;
    let (user, names) = member_and_roles(&call, &request, &wanted, &provider)?;
    let taken = provider.directory_mut().withdraw(&user, &call.org, &names);
    for role in &taken {
        let happening = Happening::role(Kind::RoleDeleted, &call.org, &user, role);
        event_streams::tell(&provider, &happening);
    }
    call.answer(HttpResponse::NoContent().finish())
}

fn roles_of(
    call: &Call,
    request: &HttpRequest,
    provider: &Provider,
) -> Result<Vec<String>, ManagementError> {
    let user = user_of(request).unwrap_or_default();
    let directory = provider.directory();
    let roles = directory.find_person(&user).and_then(|person| person.roles_in(&call.org));
    roles.map(<[String]>::to_vec).ok_or_else(not_a_member)
}

fn member_and_roles(
    call: &Call,
    request: &HttpRequest,
    wanted: &RoleIds,
    provider: &Provider,
) -> Result<(String, Vec<String>), ManagementError> {
    if !(1..=ROLES_MAX).contains(&wanted.roles.len()) {
        return Err(ManagementError::invalid_body("roles must have 1 to 50 items"));
    }
    roles_of(call, request, provider)?;
    let names = names_of(provider, &wanted.roles)?;
    Ok((user_of(request).unwrap_or_default(), names))
}

fn not_a_member() -> ManagementError {
    let message = "The user is not a member of the organization";
    ManagementError::missing("inexistent_organization_member", message)
}
