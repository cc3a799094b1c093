//! The end of a browser's session: RP-initiated logout, and the older endpoint of Auth0.
//!
//! As at Auth0, refresh tokens outlive it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::{find_session, session_cookie};
use crate::authorization_request::redirect;
use crate::error::PageError;
use crate::pages;
use crate::parameters::Parameters;
use crate::provider::Provider;
use crate::tokens;

/// `GET /oidc/logout`
pub(super) async fn oidc_logout_get(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, PageError> {
    oidc_logout(&request, request.query_string().as_bytes(), &provider)
}

/// `POST /oidc/logout`
pub(super) async fn oidc_logout_post(
    request: HttpRequest,
    body: web::Bytes,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, PageError> {
    oidc_logout(&request, &body, &provider)
}

/// `GET /v2/logout`
pub(super) async fn v2_logout(
    request: HttpRequest,
    provider: web::Data<Provider>,
) -> Result<HttpResponse, PageError> {
    provider.counters().logout += 1;
    let parameters = parse(request.query_string().as_bytes())?;
    check_client(&provider, parameters.get("client_id"))?;
    let return_to = Return::check(&provider, parameters.get_owned("returnTo"), None)?;
    if let Some((cookie, _)) = find_session(&request, &provider) {
        provider.ledger().end_session(&cookie, provider.now());
    }
    signed_out(&provider, &return_to)
}

fn oidc_logout(
    request: &HttpRequest,
    encoded: &[u8],
    provider: &Provider,
) -> Result<HttpResponse, PageError> {
    provider.counters().logout += 1;
    let parameters = parse(encoded)?;
    check_client(provider, parameters.get("client_id"))?;
    let hinted = hinted_sid(provider, &parameters)?;
    let return_to = Return::check(
        provider,
        parameters.get_owned("post_logout_redirect_uri"),
        parameters.get_owned("state"),
    )?;
    let now = provider.now();
    match (find_session(request, provider), hinted) {
        // Somebody else's hint, or none, does not sign this browser out without a question.
        (Some((_, session)), hint) if hint.as_deref() != Some(session.sid.as_str()) => {
            let body = pages::confirm_logout(&session.sid, &parameters);
            Ok(pages::respond(StatusCode::OK, &body, return_to.url.as_deref()))
        }
        (Some((cookie, _)), _) => {
            provider.ledger().end_session(&cookie, now);
            signed_out(provider, &return_to)
        }
        (None, hint) => {
            let mut ledger = provider.ledger();
            if let Some((cookie, _)) = hint.and_then(|sid| ledger.find_session_by_sid(&sid, now)) {
                ledger.end_session(&cookie, now);
            }
            drop(ledger);
            signed_out(provider, &return_to)
        }
    }
}

fn parse(encoded: &[u8]) -> Result<Parameters, PageError> {
    Parameters::from_form(encoded)
        .map_err(|error| PageError::bad_request("Invalid request", error.to_string()))
}

fn check_client(provider: &Provider, client_id: Option<&str>) -> Result<(), PageError> {
    if client_id.is_none_or(|id| id == provider.settings.client_id) {
        Ok(())
    } else {
        Err(PageError::bad_request(
            "Unknown application",
            "There is no application with this client_id.",
        ))
    }
}

/// The session that the application means: `logout_hint` is its `sid`, `id_token_hint` has it.
fn hinted_sid(provider: &Provider, parameters: &Parameters) -> Result<Option<String>, PageError> {
    let Some(token) = parameters.get("id_token_hint") else {
        return Ok(parameters.get_owned("logout_hint"));
    };
    let claims =
        tokens::verify(provider, token, &provider.settings.client_id, true).ok_or_else(|| {
            PageError::bad_request("Invalid request", "The id_token_hint is not a token from here.")
        })?;
    Ok(claims.get("sid").and_then(Value::as_str).map(str::to_owned))
}

/// Where the browser goes afterwards, if anywhere.
struct Return {
    url: Option<String>,
    state: Option<String>,
}

impl Return {
    fn check(
        provider: &Provider,
        url: Option<String>,
        state: Option<String>,
    ) -> Result<Self, PageError> {
        match &url {
            Some(url) if !provider.allow_list().is_logout_url(url) => Err(PageError::bad_request(
                "Logout URL mismatch",
                "The address to return to is not one of the application's allowed logout URLs.",
            )),
            _ => Ok(Self { url, state }),
        }
    }
}

fn signed_out(provider: &Provider, return_to: &Return) -> Result<HttpResponse, PageError> {
    let mut response = if let Some(url) = &return_to.url {
        redirect(url, return_to.state.as_deref().map(|state| ("state", state)).into_iter())
    } else {
        let body = pages::message("Signed out", "You can close this page.");
        pages::respond(StatusCode::OK, &body, None)
    };
    let mut cookie = session_cookie(provider, String::new());
    cookie.make_removal();
    response.add_cookie(&cookie).map_err(|_| PageError {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "Sign-out failed",
        description: "The session cookie could not be removed.".into(),
    })?;
    Ok(response)
}
