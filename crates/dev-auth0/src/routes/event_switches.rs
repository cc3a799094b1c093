//! The switches of tests for event streams.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use tenancy::OrgId;
use time::OffsetDateTime;
use url::Url;

use crate::directory::check_text;
use crate::error::OAuthError;
use crate::event_streams::{self, EventStream, Happening, Kind, StreamToken, event_id};
use crate::provider::Provider;

/// Registers the switches.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/event-streams/{name}", web::put().to(put_stream))
        .route("/event-streams/{name}", web::get().to(show_stream))
        .route("/event-streams/{name}", web::delete().to(remove_stream))
        .route("/events", web::post().to(send_event));
}

async fn put_stream(
    name: web::Path<String>,
    stream: web::Json<EventStream>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let (name, stream) = (name.into_inner(), stream.into_inner());
    check_text("a name", &name).map_err(|error| OAuthError::invalid_request(error.to_string()))?;
    check_url(&stream.url)?;
    if provider.event_streams().put(name, stream) {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(OAuthError::invalid_request("there are too many streams"))
    }
}

async fn show_stream(
    name: web::Path<String>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let deliveries = provider.event_streams().deliveries(&name);
    deliveries
        .map(|deliveries| HttpResponse::Ok().json(deliveries))
        .ok_or_else(|| OAuthError::invalid_request("there is no such stream"))
}

async fn remove_stream(name: web::Path<String>, provider: web::Data<Provider>) -> HttpResponse {
    provider.event_streams().remove(&name);
    HttpResponse::NoContent().finish()
}

/// The body of `POST /dev/events`: one event, made up and posted once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventRequest {
    url: Url,
    token: StreamToken,
    #[serde(rename = "type")]
    kind: Kind,
    organization: OrgId,
    user: String,
    role: Option<String>,
    id: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    time: Option<OffsetDateTime>,
}

async fn send_event(
    wanted: web::Json<EventRequest>,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    let wanted = wanted.into_inner();
    check_url(&wanted.url)?;
    let happening = Happening {
        kind: wanted.kind,
        org: wanted.organization,
        user: wanted.user,
        role: wanted.role,
    };
    let id = wanted.id.unwrap_or_else(event_id);
    let event = happening.event(&id, wanted.time.unwrap_or_else(|| provider.now()));
    let status =
        event_streams::post(&provider, &wanted.url, wanted.token.expose(), &event).await.ok();
    Ok(HttpResponse::Ok().json(json!({ "status": status, "event": event })))
}

fn check_url(url: &Url) -> Result<(), OAuthError> {
    if matches!(url.scheme(), "http" | "https") {
        Ok(())
    } else {
        Err(OAuthError::invalid_request("url must be an http(s) address"))
    }
}
