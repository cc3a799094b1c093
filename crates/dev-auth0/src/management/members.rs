//! Who belongs to an organization.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Page;
use super::access::{ManagementError, admit};
use crate::event_streams::{self, Happening, Kind};
use crate::provider::Provider;

/// Most people that one call adds or removes.
const MEMBERS_MAX: usize = 100;

/// `{"members": […]}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    members: Vec<String>,
}

impl Members {
    fn check(&self) -> Result<(), ManagementError> {
        if (1..=MEMBERS_MAX).contains(&self.members.len()) {
            return Ok(());
        }
        Err(ManagementError::invalid_body("members must have 1 to 100 items"))
    }
}

/// `GET /api/v2/organizations/{org}/members`
pub(super) async fn list_members(
    request: HttpRequest,
    page: web::Query<Page>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "read:organization_members").await?;
    let members: Vec<Value> = provider
        .directory()
        .people()
        .filter(|person| person.roles_in(&call.org).is_some())
        .map(|person| {
            json!({ "user_id": person.subject, "name": person.name, "email": person.email })
        })
        .collect();
    call.answer(HttpResponse::Ok().json(page.of("members", &members)))
}

/// `POST /api/v2/organizations/{org}/members`
pub(super) async fn add_members(
    request: HttpRequest,
    wanted: web::Json<Members>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "create:organization_members").await?;
    wanted.check()?;
    for user in &wanted.members {
        if provider.directory().find_person(user).is_none() {
            return Err(ManagementError::invalid_body("One or more of the users do not exist"));
        }
    }
    for user in &wanted.members {
        if provider.directory_mut().join(user, &call.org) {
            let happening = Happening::member(Kind::MemberAdded, &call.org, user);
            event_streams::tell(&provider, &happening);
        }
    }
    call.answer(HttpResponse::NoContent().finish())
}

/// `DELETE /api/v2/organizations/{org}/members`: whoever is no member stays none.
pub(super) async fn delete_members(
    request: HttpRequest,
    wanted: web::Json<Members>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, ManagementError> {
    let call = admit(&request, &provider, "delete:organization_members").await?;
    wanted.check()?;
    for user in &wanted.members {
        if provider.directory_mut().leave(user, &call.org) {
            let happening = Happening::member(Kind::MemberDeleted, &call.org, user);
            event_streams::tell(&provider, &happening);
        }
    }
    call.answer(HttpResponse::NoContent().finish())
}
