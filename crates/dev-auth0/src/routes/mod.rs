//! The endpoints, and where they are.

mod authorize;
mod choose;
mod dev_switches;
mod discovery;
mod event_switches;
mod logout;
mod logout_token;
mod token;
mod userinfo;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::error::{JsonPayloadError, QueryPayloadError};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use crate::error::OAuthError;
use crate::ledger::SsoSession;
use crate::management;
use crate::provider::Provider;

const BODY_MAX: usize = 64 * 1024;

/// Registers every endpoint.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(BODY_MAX))
        .app_data(web::JsonConfig::default().limit(BODY_MAX).error_handler(refuse_json))
        .app_data(web::QueryConfig::default().error_handler(refuse_query))
        .route("/.well-known/openid-configuration", web::get().to(discovery::configuration))
        .route("/.well-known/jwks.json", web::get().to(discovery::key_set))
        .route("/authorize", web::get().to(authorize::authorize))
        .route("/authorize/choose", web::post().to(choose::choose))
        .route("/oauth/token", web::post().to(token::token))
        .route("/oauth/revoke", web::post().to(token::revoke))
        .route("/userinfo", web::get().to(userinfo::userinfo))
        .route("/userinfo", web::post().to(userinfo::userinfo))
        .route("/oidc/logout", web::get().to(logout::oidc_logout_get))
        .route("/oidc/logout", web::post().to(logout::oidc_logout_post))
        .route("/v2/logout", web::get().to(logout::v2_logout))
        .service(web::scope("/api/v2").configure(management::configure))
        .service(web::scope("/dev").configure(dev_switches::configure))
        .default_service(web::to(not_found));
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound()
        .json(json!({ "error": "not_found", "error_description": "there is nothing here" }))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of an error handler of actix-web")]
fn refuse_json(error: JsonPayloadError, _: &HttpRequest) -> actix_web::Error {
    OAuthError::invalid_request(error.to_string()).into()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of an error handler of actix-web")]
fn refuse_query(error: QueryPayloadError, _: &HttpRequest) -> actix_web::Error {
    OAuthError::invalid_request(error.to_string()).into()
}

/// The browser's cookie and the session that it opens, when there is one.
fn find_session(request: &HttpRequest, provider: &Provider) -> Option<(String, SsoSession)> {
    let cookie = request.cookie(&provider.settings.cookie_name)?.value().to_owned();
    let session = provider.ledger().find_session(&cookie, provider.now())?;
    Some((cookie, session))
}

/// The cookie of a session, for as long as the browser runs.
fn session_cookie(provider: &Provider, value: String) -> Cookie<'static> {
    Cookie::build(provider.settings.cookie_name.clone(), value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(provider.settings.issuer.scheme() == "https")
        .finish()
}
