//! Organizations, and those of a person.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Page;
use super::access::{ManagementError, admit, admit_without_organization, user_of};
use crate::directory::Organization;
use crate::provider::Provider;

/// `GET /api/v2/organizations/{org}`
pub(super) async fn get_organization(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "read:organizations").await?;
    let found = provider.directory().find_organization(&call.org).map(view);
    call.answer(HttpResponse::Ok().json(found))
}

/// `GET /api/v2/users/{user}/organizations`
pub(super) async fn list_of_user(
    request: HttpRequest,
    page: web::Query<Page>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    admit_without_organization(&request, &provider, "read:organizations").await?;
    let user = user_of(&request).unwrap_or_default();
    let directory = provider.directory();
    let person = directory
        .find_person(&user)
        .ok_or_else(|| ManagementError::missing("inexistent_user", "The user does not exist."))?;
    let organizations: Vec<Value> = person
        .memberships
        .iter()
        .filter_map(|membership| directory.find_organization(&membership.org))
        .map(view)
        .collect();
    Ok(HttpResponse::Ok().json(page.of("organizations", &organizations)))
}

fn view(organization: &Organization) -> Value {
    json!({
        "id": organization.id,
        "name": organization.name,
        "display_name": organization.display_name,
    })
}
