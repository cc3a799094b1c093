//! Who an access token is about.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use crate::authorization_request::Scope;
use crate::error::OAuthError;
use crate::faults::Place;
use crate::ledger::Authorization;
use crate::provider::Provider;
use crate::tokens;

/// `GET|POST /userinfo`
pub(super) async fn userinfo(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, OAuthError> {
    provider.counters().userinfo += 1;
    let authorization = authorization_of(&request, &provider)
        .filter(|authorization| authorization.scope.has("openid"))
        .ok_or_else(OAuthError::invalid_token)?;
    let faults = provider.take_faults(Place::UserInfo, Some(&authorization.subject));
    if let Some(status) = faults.userinfo_status {
        return Err(OAuthError::outage(status));
    }
    let mut claims = tokens::profile_claims(&provider, &authorization)
        .map_err(|_| OAuthError::invalid_token())?;
    tokens::insert_organization(&provider, &authorization, &mut claims)
        .map_err(|_| OAuthError::invalid_token())?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(claims))
}

fn authorization_of(request: &HttpRequest, provider: &Provider) -> Option<Authorization> {
    let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let opaque = provider.ledger().find_opaque_token(token, provider.now());
    opaque.or_else(|| {
        let audience = provider.settings.endpoint("userinfo");
        let claims = tokens::verify(provider, token, &audience, false)?;
        let text = |name| claims.get(name).and_then(Value::as_str);
        Some(Authorization {
            subject: text("sub")?.to_owned(),
            org: text("org_id").and_then(|org| org.parse().ok()),
            sid: String::new(),
            scope: Scope::parse(text("scope")?),
            audience: None,
            auth_time: None,
        })
    })
}
