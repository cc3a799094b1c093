//! The switches of tests, under `/dev`. Auth0 has none of them.
//!
//! Bodies are JSON objects. Except for key rotation and for faults of everybody, tests that run side
//! by side do not disturb one another when each has its own people.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::event_switches::configure as configure_events;
use super::logout_token::backchannel_logout;
use crate::directory::{DirectoryError, Organization, Person, check_roles, check_text};
use crate::error::OAuthError;
use crate::faults::Faults;
use crate::invitations::{Invitation, InvitationRequest};
use crate::keys::{Rotation, SigningKey};
use crate::provider::Provider;

/// Registers the switches.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/faults", web::put().to(put_faults))
        .route("/faults", web::get().to(list_faults))
        .route("/faults", web::delete().to(clear_faults))
        .route("/rotate-key", web::post().to(rotate_key))
        .route("/backchannel-logout", web::post().to(backchannel_logout))
        .route("/organizations", web::post().to(put_organization))
        .route("/people", web::post().to(put_person))
        .route("/invitations", web::post().to(create_invitation))
        .route("/callbacks", web::post().to(allow_callback))
        .configure(configure_events)
        .route("/requests", web::get().to(show_requests));
}

/// `?subject=` of the switches that may concern one person.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectQuery {
    subject: Option<String>,
}

async fn put_faults(
    faults: web::Json<Faults>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let faults = faults.into_inner();
    tracing::info!(?faults, "faults set");
    provider
        .faults()
        .put(faults)
        .map_err(|error| OAuthError::invalid_request(error.to_string()))?;
    Ok(HttpResponse::NoContent().finish())
}

async fn list_faults(provider: web::Data<Provider>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "faults": provider.faults().list() }))
}

async fn clear_faults(
    query: web::Query<SubjectQuery>,
    provider: web::Data<Provider>,
) -> HttpResponse {
    provider.faults().clear(query.subject.as_deref());
    HttpResponse::NoContent().finish()
}

/// The body of `POST /dev/rotate-key`; it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RotateRequest {
    /// Sign with a key that nobody could have fetched before.
    unannounced: bool,
    /// Stop publishing the previous keys.
    revoke_previous: bool,
}

async fn rotate_key(
    body: web::Bytes,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let wanted: RotateRequest = if body.is_empty() {
        RotateRequest::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| OAuthError::invalid_request(error.to_string()))?
    };
    let fresh = web::block(SigningKey::generate)
        .await
        .map_err(|error| OAuthError::internal(&error))?
        .map_err(|error| OAuthError::internal(&error))?;
    let rotation =
        Rotation { is_unannounced: wanted.unannounced, revokes_previous: wanted.revoke_previous };
    let mut keys = provider.keys_mut();
    keys.rotate(fresh, rotation);
    Ok(HttpResponse::Ok().json(json!({ "kid": keys.current().kid() })))
}

async fn put_organization(
    organization: web::Json<Organization>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let organization = organization.into_inner();
    provider.directory_mut().put_organization(organization.clone()).map_err(refuse)?;
    Ok(HttpResponse::Created().json(organization))
}

async fn put_person(
    person: web::Json<Person>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let person = person.into_inner();
    provider.directory_mut().put_person(person.clone()).map_err(refuse)?;
    Ok(HttpResponse::Created().json(person))
}

async fn create_invitation(
    wanted: web::Json<InvitationRequest>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let wanted = wanted.into_inner();
    check_text("an e-mail address", &wanted.email).map_err(refuse)?;
    let invitation = Invitation::from_request(wanted, provider.now());
    check_roles(&invitation.roles).map_err(refuse)?;
    if provider.directory().find_organization(&invitation.organization).is_none() {
        return Err(OAuthError::invalid_request("this organization does not exist"));
    }
    let ticket = invitation.ticket.clone();
    provider.invitations().add(invitation, provider.now());
    Ok(HttpResponse::Created().json(json!({ "invitation": ticket })))
}

/// The body of `POST /dev/callbacks`: a portal of a test knows its port only when it runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallbackRequest {
    /// Its origin is allowed as a logout URL, too.
    callback: Option<Url>,
    logout_url: Option<Url>,
}

async fn allow_callback(
    wanted: web::Json<CallbackRequest>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let mut list = provider.allow_list_mut();
    let refuse = |_| OAuthError::invalid_request("no more addresses can be allowed");
    if let Some(callback) = &wanted.callback {
        list.add_callback(callback).map_err(refuse)?;
    }
    if let Some(url) = &wanted.logout_url {
        list.add_logout_url(url).map_err(refuse)?;
    }
    Ok(HttpResponse::NoContent().finish())
}

async fn show_requests(
    query: web::Query<SubjectQuery>,
    provider: web::Data<Provider>,
) -> HttpResponse {
    let counters = provider.counters();
    match &query.subject {
        Some(subject) => HttpResponse::Ok().json(json!({ "token": counters.of_subject(subject) })),
        None => HttpResponse::Ok().json(&*counters),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn refuse(error: DirectoryError) -> OAuthError {
    OAuthError::invalid_request(error.to_string())
}
