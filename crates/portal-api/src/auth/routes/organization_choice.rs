//! What to do with somebody who signed in without naming an organization.

use std::fmt::Write as _;

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use employer_store::identity::{self, OrganizationOfUser};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::oidc::Identity;
use super::super::return_to::ReturnTo;
use super::callback::failed;
use super::login::{LoginRequest, begin};
use super::wants_html;
use crate::error::{ApiError, ErrorCode};
use crate::state::PortalState;

/// A person is always signed in to one organization. Where the identity provider did not ask for
/// it, the only one is taken, by a second round that is silent; of several the person chooses.
pub(super) async fn choose_organization(
    request: &HttpRequest,
    state: &PortalState,
    identity: &Identity,
    return_to: ReturnTo,
) -> Result<HttpResponse, ApiError> {
    let organizations = identity::list_organizations(&state.db, &identity.subject).await?;
    match organizations.as_slice() {
        [] => Err(ApiError::new(
            ErrorCode::Forbidden,
            "The account is not a member of any organization.",
        )),
        [only] => {
            let organization = Some(only.org.clone());
            begin(request, state, LoginRequest { organization, return_to, ..Default::default() })
                .await
        }
        several if wants_html(request) => Ok(HttpResponse::Ok()
            .insert_header(ContentType::html())
            .body(page(several, &return_to))),
        several => Err(refusal(several)),
    }
}

/// The choice for a program: each organization is one entry of `errors`.
fn refusal(organizations: &[OrganizationOfUser]) -> ApiError {
    let error = failed("Name the organization to sign in to; errors lists yours.");
    organizations.iter().fold(error, |error, organization| {
        let detail = format!("{} ({})", organization.org, organization.name);
        error.with_field("query:organization", "organization_required", detail)
    })
}

/// The choice for a person: plain links, which need no script and no style.
fn page(organizations: &[OrganizationOfUser], return_to: &ReturnTo) -> String {
    let return_to = utf8_percent_encode(return_to.as_str(), NON_ALPHANUMERIC);
    let mut items = String::new();
    for organization in organizations {
        let (org, name) = (&organization.org, escaped(&organization.name));
        // Writing to a String does not fail.
        let _ = writeln!(
            items,
            "<li><a href=\"/auth/login?organization={org}&amp;returnTo={return_to}\">{name}</a></li>"
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <title>Choose an organization</title></head>\n\
         <body>\n<h1>Choose an organization</h1>\n<ul>\n{items}</ul>\n</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use tenancy::Role;

    use super::*;

    fn organizations() -> Vec<OrganizationOfUser> {
        let organization = |org: &str, name: &str| OrganizationOfUser {
            org: org.parse().unwrap(),
            name: name.to_owned(),
            slug: "slug".to_owned(),
            role: Role::Viewer,
        };
        vec![organization("org_a", "Northwind"), organization("org_b", "<b>\"R&D\"</b>")]
    }

    #[test]
    fn names_and_addresses_cannot_leave_their_place() {
        let return_to = ReturnTo::try_from("/jobs?q=\"><script>&x=1".to_owned()).unwrap();
        let page = page(&organizations(), &return_to);
        assert!(page.contains(
            "<a href=\"/auth/login?organization=org_a&amp;returnTo=%2Fjobs%3Fq%3D%22%3E%3Cscript%3E%26x%3D1\">Northwind</a>"
        ));
        assert!(page.contains(">&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt;</a>"));
        assert!(!page.contains("<script") && !page.contains("<b>"));
    }

    #[test]
    fn a_program_is_told_which_there_are() {
        let error = refusal(&organizations());
        assert_eq!(error.code(), ErrorCode::LoginFailed);
        let details: Vec<_> = error.errors().iter().map(|field| field.detail.as_ref()).collect();
        assert_eq!(details, ["org_a (Northwind)", "org_b (<b>\"R&D\"</b>)"]);
    }
}
