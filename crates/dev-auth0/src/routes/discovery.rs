//! What the application finds out by itself: the endpoints and the keys.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::error::OAuthError;
use crate::faults::Place;
use crate::provider::{Provider, delay};

/// `GET /.well-known/openid-configuration`
pub(super) async fn configuration(
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    provider.counters().discovery += 1;
    let faults = provider.take_faults(Place::Discovery, None);
    delay(faults.discovery_delay_ms).await;
    if let Some(status) = faults.discovery_status {
        return Err(OAuthError::outage(status));
    }
    let settings = &provider.settings;
    let endpoint = |path| settings.endpoint(path);
    Ok(cacheable().json(json!({
        "issuer": settings.issuer,
        "authorization_endpoint": endpoint("authorize"),
        "token_endpoint": endpoint("oauth/token"),
        "userinfo_endpoint": endpoint("userinfo"),
        "revocation_endpoint": endpoint("oauth/revoke"),
        "end_session_endpoint": endpoint("oidc/logout"),
        "jwks_uri": endpoint(".well-known/jwks.json"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "sid",
            "name", "nickname", "email", "email_verified", "org_id", settings.roles_claim,
        ],
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })))
}

/// `GET /.well-known/jwks.json`
pub(super) async fn key_set(provider: web::Data<Provider>) -> Result<HttpResponse, OAuthError> {
    provider.counters().jwks += 1;
    let faults = provider.take_faults(Place::KeySet, None);
    delay(faults.jwks_delay_ms).await;
    match faults.jwks_status {
        Some(status) => Err(OAuthError::outage(status)),
        None => Ok(cacheable().json(provider.keys().key_set())),
    }
}

/// The header is Auth0's; what an application makes of it is its own affair.
fn cacheable() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "public, max-age=15"));
    response
}
