//! The answer to the page: somebody was chosen.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tenancy::OrgId;

use super::authorize::{not_a_member, succeed};
use super::{find_session, session_cookie};
use crate::authorization_request::{AuthorizationRequest, Refusal};
use crate::directory::Person;
use crate::error::PageError;
use crate::event_streams::{self, Happening, Kind};
use crate::parameters::Parameters;
use crate::provider::Provider;

/// `POST /authorize/choose`
pub(super) async fn choose(
    request: HttpRequest,
    body: web::Bytes,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, PageError> {
    provider.counters().choose += 1;
    let form = Parameters::from_form(&body)
        .map_err(|error| PageError::bad_request("Invalid request", error.to_string()))?;
    let transaction = form.get("transaction").unwrap_or_default();
    let wanted = provider
        .ledger()
        .find_transaction(transaction, provider.now())
        .cloned()
        .ok_or_else(transaction_gone)?;
    let person = find_person(&provider, &form)?;
    let org = chosen_organization(&wanted, &person, &form)?;
    provider.ledger().close_transaction(transaction, provider.now());
    if let Err(refusal) = admit(&provider, &wanted, &person, org.as_ref()) {
        return Ok(wanted.callback.refuse(&refusal));
    }
    let old_cookie = find_session(&request, &provider).map(|(cookie, _)| cookie);
    let (cookie, session) =
        provider.ledger().sign_in(old_cookie.as_deref(), &person.subject, provider.now());
    let mut response = succeed(&provider, &wanted, &session, org);
    response.add_cookie(&session_cookie(&provider, cookie)).map_err(|_| PageError {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "Sign-in failed",
        description: "The session cookie could not be written.".into(),
    })?;
    Ok(response)
}

fn transaction_gone() -> PageError {
    PageError::bad_request(
        "This sign-in is over",
        "It was used or it expired. Go back to the application and start again.",
    )
}

fn find_person(provider: &Provider, form: &Parameters) -> Result<Person, PageError> {
    let subject = form.get("subject").unwrap_or_default();
    provider
        .directory()
        .find_person(subject)
        .cloned()
        .ok_or_else(|| PageError::bad_request("Unknown person", "Nobody has this subject."))
}

/// The organization of the request, or the one that was chosen with the person, or the only one
/// that the person is a member of.
fn chosen_organization(
    wanted: &AuthorizationRequest,
    person: &Person,
    form: &Parameters,
) -> Result<Option<OrgId>, PageError> {
    let unfit = |description| PageError::bad_request("Choose an organization", description);
    let chosen: Option<OrgId> = form
        .get("organization")
        .map(|text| text.parse().map_err(|_| unfit("This is not the id of an organization.")))
        .transpose()?;
    match (&wanted.organization, chosen, person.memberships.as_slice()) {
        (Some(asked), Some(chosen), _) if *asked != chosen => {
            Err(unfit("The application asked for another organization."))
        }
        (Some(asked), _, _) => Ok(Some(asked.clone())),
        (None, Some(chosen), _) => Ok(Some(chosen)),
        (None, None, []) => Ok(None),
        (None, None, [only]) => Ok(Some(only.org.clone())),
        (None, None, _) => Err(unfit("This person is a member of several organizations.")),
    }
}

/// Lets a member in; an invitation makes the invited person one.
fn admit(
    provider: &web::Data<Provider>,
    wanted: &AuthorizationRequest,
    person: &Person,
    org: Option<&OrgId>,
) -> Result<(), Refusal> {
    let Some(org) = org else { return Ok(()) };
    if let Some(ticket) = wanted.invitation.as_deref() {
        let invitation = provider.invitations().find(ticket, provider.now()).cloned();
        let invitation = invitation
            .filter(|invitation| invitation.email.eq_ignore_ascii_case(&person.email))
            .ok_or_else(|| {
                Refusal::new("access_denied", "the invitation is for somebody else, or was used")
            })?;
        let (subject, roles) = (person.subject.as_str(), &invitation.roles);
        let is_new = provider.directory_mut().join(subject, &invitation.organization);
        let added = provider.directory_mut().assign(subject, &invitation.organization, roles);
        provider.invitations().close(ticket, provider.now());
        if is_new {
            event_streams::tell(provider, &Happening::member(Kind::MemberAdded, org, subject));
        }
        for role in &added {
            event_streams::tell(provider, &Happening::role(Kind::RoleAssigned, org, subject, role));
        }
        return Ok(());
    }
    if person.role_in(org).is_some() { Ok(()) } else { Err(not_a_member(person, org)) }
}
