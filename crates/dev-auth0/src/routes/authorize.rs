//! The front door: a code at once for a browser that is signed in, else the page.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tenancy::OrgId;

use super::find_session;
use crate::authorization_request::{AuthorizationRequest, Callback, Prompt, Refusal};
use crate::directory::Person;
use crate::error::PageError;
use crate::faults::Place;
use crate::ledger::{Authorization, SsoSession};
use crate::pages::{self, sign_in::SignInPage};
use crate::parameters::Parameters;
use crate::provider::Provider;

/// `GET /authorize`
pub(super) async fn authorize(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, PageError> {
    provider.counters().authorize += 1;
    let parameters = Parameters::from_form(request.query_string().as_bytes())
        .map_err(|error| PageError::bad_request("Invalid request", error.to_string()))?;
    let callback = Callback::check(&provider, &parameters)?;
    let wanted = match AuthorizationRequest::parse(&provider, callback.clone(), &parameters) {
        Ok(wanted) => wanted,
        Err(refusal) => return Ok(callback.refuse(&refusal)),
    };
    let session = find_session(&request, &provider).map(|(_, session)| session);
    Ok(match answer_silently(&provider, &wanted, session.as_ref()) {
        Silence::Code(session, org) => succeed(&provider, &wanted, session, org),
        Silence::Refused(refusal) => callback.refuse(&refusal),
        Silence::Impossible => show_page(&provider, &wanted, session.as_ref()),
    })
}

/// What can be answered without asking anybody.
enum Silence<'a> {
    Code(&'a SsoSession, Option<OrgId>),
    Refused(Refusal),
    Impossible,
}

fn answer_silently<'a>(
    provider: &Provider,
    wanted: &AuthorizationRequest,
    session: Option<&'a SsoSession>,
) -> Silence<'a> {
    let is_silent = wanted.prompt == Prompt::Never;
    let unless_silent = |error: &'static str, description: &'static str| {
        if is_silent {
            Silence::Refused(Refusal::new(error, description))
        } else {
            Silence::Impossible
        }
    };
    let directory = provider.directory();
    let known = session
        .filter(|session| wanted.prompt != Prompt::Always && is_fresh(provider, wanted, session))
        .and_then(|session| Some((session, directory.find_person(&session.subject)?)))
        .filter(|(_, person)| {
            wanted.login_hint.as_deref().is_none_or(|hint| person.matches_hint(hint))
        });
    let Some((session, person)) = known else {
        return unless_silent("login_required", "Login required");
    };
    if wanted.invitation.is_some() {
        return unless_silent("interaction_required", "An invitation is accepted on the page");
    }
    match (&wanted.organization, person.memberships.as_slice()) {
        (Some(org), _) if person.role_in(org).is_some() => {
            Silence::Code(session, Some(org.clone()))
        }
        (Some(org), _) if is_silent => Silence::Refused(not_a_member(person, org)),
        (Some(_), _) => Silence::Impossible,
        (None, [only]) => Silence::Code(session, Some(only.org.clone())),
        (None, []) => Silence::Code(session, None),
        (None, _) => unless_silent("interaction_required", "An organization has to be chosen"),
    }
}

fn is_fresh(provider: &Provider, wanted: &AuthorizationRequest, session: &SsoSession) -> bool {
    let age = (provider.now() - session.signed_in_at).whole_seconds();
    wanted.max_age.is_none_or(|max_age| age.unsigned_abs() < max_age)
}

/// The error for somebody who is not a member of the organization that was asked for.
pub(super) fn not_a_member(person: &Person, org: &OrgId) -> Refusal {
    let subject = &person.subject;
    Refusal::new("access_denied", format!("user {subject} is not part of the {org} organization"))
}

/// Sends the browser back with a code.
pub(super) fn succeed(
    provider: &Provider,
    wanted: &AuthorizationRequest,
    session: &SsoSession,
    org: Option<OrgId>,
) -> HttpResponse {
    let faults = provider.take_faults(Place::Authorize, Some(&session.subject));
    if let Some(error) = faults.authorize_error {
        return wanted.callback.refuse(&Refusal::new(error, "a fault of /dev/faults"));
    }
    tracing::info!(subject = %session.subject, org = org.as_ref().map(OrgId::as_str), "signed in");
    let authorization = Authorization {
        subject: session.subject.clone(),
        org,
        sid: session.sid.clone(),
        scope: wanted.scope.clone(),
        audience: wanted.audience.clone(),
        auth_time: wanted.max_age.map(|_| session.signed_in_at),
    };
    let code = provider.ledger().issue_code(wanted, authorization, provider.now());
    let mut callback = wanted.callback.clone();
    if faults.wrong_state {
        callback.state = Some("another-state".to_owned());
    }
    callback.succeed(&code)
}

fn show_page(
    provider: &Provider,
    wanted: &AuthorizationRequest,
    session: Option<&SsoSession>,
) -> HttpResponse {
    let callback = &wanted.callback.redirect_uri;
    let transaction = provider.ledger().open_transaction(wanted.clone(), provider.now());
    let directory = provider.directory();
    let page = SignInPage {
        client_name: &provider.settings.client_name,
        transaction: &transaction,
        request: wanted,
        directory: &directory,
        signed_in: session.and_then(|session| directory.find_person(&session.subject)),
    };
    pages::respond(StatusCode::OK, &page.render(), Some(callback))
}
