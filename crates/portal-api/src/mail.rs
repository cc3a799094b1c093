//! `/public/mail/unsubscribe`: the link at the end of a mail.
//!
//! Programs that look through mails follow links, so following it changes nothing: it shows a page
//! that asks. Mail programs with a button of their own send the same request as the page (RFC 8058).

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::{HttpRequest, HttpResponse, web};
use employer_store::feed;
use tenancy::{TenantId, UserId};

use crate::error::{ApiError, Faults};
use crate::extract::{Pairs, refused_parameters};
use crate::state::PortalState;

/// The page has a form that comes back here, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; \
    base-uri 'none'";

/// Longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 128;

/// Asks whether mails are to end. For people; it changes nothing.
#[utoipa::path(
    get, path = "/public/mail/unsubscribe", tag = "notifications", operation_id = "askToUnsubscribe",
    params(("token" = String, Query, description = "From the mail")),
    responses(
        (status = 200, description = "A page that asks", body = String, content_type = "text/html"),
        (status = 404, description = "The link is none of ours", body = crate::error::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn ask(
    state: web::Data<PortalState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let _ = member_of(&state, request.query_string())?;
    Ok(page("<form method=\"post\"><button>Send me no more mails</button></form>"))
}

/// Turns off all mails to the member whom the link was sent to. Notifications stay in the inbox, and
/// mails can be turned on again there.
#[utoipa::path(
    post, path = "/public/mail/unsubscribe", tag = "notifications", operation_id = "unsubscribe",
    params(("token" = String, Query, description = "From the mail")),
    responses(
        (status = 200, description = "There will be no more", body = String, content_type = "text/html"),
        (status = 404, description = "The link is none of ours", body = crate::error::Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn unsubscribe(
    state: web::Data<PortalState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (tenant, user) = member_of(&state, request.query_string())?;
    // Whoever is no member any more has no mails to come either: the same answer.
    let _was_member = feed::turn_mail_off(&state.db, tenant, user).await?;
    Ok(page("<p>You will get no more mails about notifications.</p>"))
}

/// Whose link it is.
fn member_of(state: &PortalState, query: &str) -> Result<(TenantId, UserId), ApiError> {
    let pairs = Pairs::parse(query, &["token"])?;
    let mut faults = Faults::default();
    let token = pairs.single("token", &mut faults).unwrap_or_default();
    if !faults.is_empty() {
        return Err(refused_parameters(faults));
    }
    let token = Some(token).filter(|token| token.len() <= MAX_TOKEN_BYTES);
    token.and_then(|token| state.mail_links.read(token)).ok_or_else(ApiError::not_found)
}

fn page(content: &str) -> HttpResponse {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Mails</title>{content}"
    );
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(page)
}
