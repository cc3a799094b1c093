//! `POST /auth/logout`: the end of a session.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use session_store::PortalSession;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::super::csrf;
use super::super::principal::unauthenticated;
use super::{redirect, wants_html};
use crate::error::{ApiError, Problem};
use crate::state::PortalState;

/// A page without script sends the token as a field.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct LogoutForm {
    /// The session's token.
    csrf_token: String,
}

/// Where to end the identity provider's session as well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogoutAnswer {
    /// Send the browser here: otherwise the next sign-in asks for no password.
    #[schema(value_type = String, example = "https://login.example/oidc/logout?client_id=portal")]
    logout_url: String,
}

/// Signs out
///
/// Ends the session of this browser. Browsers that navigate (`Accept: text/html`) are sent on to
/// the identity provider, programs get its address.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "session",
    operation_id = "signOut",
    request_body(content = Option<LogoutForm>, content_type = "application/x-www-form-urlencoded"),
    params(("X-CSRF-Token" = Option<String>, Header, description = "The session's token; or the form field `csrf_token`")),
    responses(
        (status = 200, description = "Signed out", body = LogoutAnswer),
        (status = 303, description = "Signed out; on to the identity provider", headers(("Location" = String, description = "Its address"))),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The token is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Sessions cannot be reached; still signed in", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn logout(
    request: HttpRequest,
    state: web::Data<PortalState>,
    session: PortalSession,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    // Neither membership nor role matters here: whoever has a session may end it.
    let record = session.current(&state.sessions).await?.ok_or_else(unauthenticated)?;
    match request.headers().get(csrf::TOKEN_HEADER).map(HeaderValue::as_bytes) {
        Some(token) => csrf::check_token(token, &record)?,
        None => csrf::check_token(form(&request, &state, body).await.as_bytes(), &record)?,
    }
    session.sign_out();
    let logout_url = state.identity_provider.logout_url(record.idp_sid.as_deref());
    let mut response = if wants_html(&request) {
        redirect(logout_url.as_str())
    } else {
        HttpResponse::Ok().json(LogoutAnswer { logout_url: logout_url.into() })
    };
    // Not "cookies": that would take those of the identity provider's pages with it where both
    // share a domain, before it is asked to sign out.
    let forgets = HeaderValue::from_static("\"cache\", \"storage\"");
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), forgets);
    Ok(response)
}

/// The token of a form; empty, which is no token, where there is no form or it does not arrive.
async fn form(request: &HttpRequest, state: &PortalState, body: web::Payload) -> String {
    let mut body = body.into_inner();
    let form = web::Form::<LogoutForm>::from_request(request, &mut body);
    let form = timeout(state.settings.http.body_timeout, form).await.ok().and_then(Result::ok);
    form.map(web::Form::into_inner).unwrap_or_default().csrf_token
}
