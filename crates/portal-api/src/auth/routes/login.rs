//! `GET /auth/login`: the way to the identity provider.

use actix_web::{HttpRequest, HttpResponse, web};
use tenancy::OrgId;

use super::super::login_transaction::LoginTransaction;
use super::super::oidc::AuthorizationRequest;
use super::super::return_to::ReturnTo;
use super::{cookies_of, redirect, transaction_cookies};
use crate::error::{ApiError, ErrorCode, Faults, Problem};
use crate::extract::Pairs;
use crate::state::PortalState;

/// What may stand in the address. `organization_name` comes with the identity provider's
/// invitations and `iss` with sign-ins that it starts; both are of no use here.
const KNOWN: [&str; 8] = [
    "organization",
    "organization_name",
    "invitation",
    "login_hint",
    "screen_hint",
    "connection",
    "returnTo",
    "iss",
];

/// Longest name of an invitation or connection, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// Longest login hint, in bytes: that of an e-mail address.
const MAX_HINT_BYTES: usize = 320;

/// A sign-in as it is asked for: each part checked against its own pattern, and nothing else
/// passed on, so that nobody slips an audience or a scope in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LoginRequest {
    pub(super) organization: Option<OrgId>,
    pub(super) return_to: ReturnTo,
    pub(super) invitation: Option<String>,
    pub(super) login_hint: Option<String>,
    pub(super) screen_hint: Option<String>,
    pub(super) connection: Option<String>,
}

/// Starts a sign-in
///
/// Sends the browser to the identity provider. It comes back to `/auth/callback`.
#[utoipa::path(
    get,
    path = "/auth/login",
    tag = "session",
    operation_id = "startSignIn",
    params(
        ("organization" = Option<String>, Query, description = "Organization to sign in to", example = "org_9f2cA1"),
        ("invitation" = Option<String>, Query, description = "Invitation to accept"),
        ("login_hint" = Option<String>, Query, description = "E-mail address to fill in"),
        ("screen_hint" = Option<String>, Query, description = "`login` or `signup`"),
        ("connection" = Option<String>, Query, description = "Identity provider's connection to use"),
        ("returnTo" = Option<String>, Query, description = "Path on this portal to go to afterwards", example = "/jobs"),
    ),
    responses(
        (status = 303, description = "To the identity provider", headers(("Location" = String, description = "Its address"))),
        (status = 400, description = "A parameter is unknown or malformed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The identity provider is away", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn login(
    request: HttpRequest,
    state: web::Data<PortalState>,
) -> Result<HttpResponse, ApiError> {
    begin(&request, &state, LoginRequest::parse(request.query_string())?).await
}

/// Begins a sign-in: remembers it in a cookie and sends the browser off.
pub(super) async fn begin(
    request: &HttpRequest,
    state: &PortalState,
    login: LoginRequest,
) -> Result<HttpResponse, ApiError> {
    let transaction = LoginTransaction::start(
        login.return_to,
        login.organization,
        login.invitation,
        state.clock.now(),
    );
    let address = state
        .identity_provider
        .authorization_url(&AuthorizationRequest {
            state: &transaction.state,
            nonce: &transaction.nonce,
            code_challenge: &transaction.code_challenge(),
            organization: transaction.organization.as_ref(),
            invitation: transaction.invitation.as_deref(),
            login_hint: login.login_hint.as_deref(),
            screen_hint: login.screen_hint.as_deref(),
            connection: login.connection.as_deref(),
        })
        .await?;
    let mut response = redirect(address.as_str());
    for cookie in transaction_cookies(state).begin(&transaction, &cookies_of(request)) {
        response.add_cookie(&cookie).map_err(ApiError::internal)?;
    }
    Ok(response)
}

impl LoginRequest {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let pairs = Pairs::parse(query, &KNOWN)?;
        let mut faults = Faults::default();
        let mut text = |name: &str, is_valid: fn(&str) -> bool, rule: &'static str| {
            let value = pairs.single(name, &mut faults)?;
            if !is_valid(value) {
                faults.add(format!("query:{name}"), "malformed", rule);
            }
            Some(value.to_owned())
        };
        let organization = text(
            "organization",
            |value| value.parse::<OrgId>().is_ok(),
            "org_ and 1 to 64 letters or digits",
        );
        let return_to = text(
            "returnTo",
            |value| ReturnTo::try_from(value.to_owned()).is_ok(),
            "a path on this portal, printable ASCII, at most 512 characters",
        );
        let request = Self {
            organization: organization.and_then(|value| value.parse().ok()),
            return_to: return_to.and_then(|value| value.try_into().ok()).unwrap_or_default(),
            invitation: text("invitation", is_name, "letters, digits, `-`, `_` and `.`"),
            login_hint: text("login_hint", is_hint, "at most 320 printable ASCII characters"),
            screen_hint: text("screen_hint", is_screen, "login or signup"),
            connection: text("connection", is_name, "letters, digits, `-`, `_` and `.`"),
        };
        if faults.is_empty() {
            return Ok(request);
        }
        let detail = "Parameters are malformed; see errors.";
        Err(ApiError::new(ErrorCode::InvalidParameter, detail).with_fields(faults.into_vec()))
    }
}

fn is_name(text: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_allowed)
}

fn is_hint(text: &str) -> bool {
    (1..=MAX_HINT_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn is_screen(text: &str) -> bool {
    matches!(text, "login" | "signup")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitations_link_is_understood() {
        let request = LoginRequest::parse(
            "invitation=Xy-1_2.z&organization=org_9f2cA1&organization_name=Northwind%20Clinics\
             &login_hint=ada%2Bx%40example.com&screen_hint=signup&connection=Okta-1&returnTo=%2Fjobs",
        )
        .unwrap();
        let expected = LoginRequest {
            organization: Some("org_9f2cA1".parse().unwrap()),
            return_to: ReturnTo::try_from("/jobs".to_owned()).unwrap(),
            invitation: Some("Xy-1_2.z".to_owned()),
            login_hint: Some("ada+x@example.com".to_owned()),
            screen_hint: Some("signup".to_owned()),
            connection: Some("Okta-1".to_owned()),
        };
        assert_eq!(request, expected);
        assert_eq!(LoginRequest::parse("").unwrap(), LoginRequest::default());
    }

    #[test]
    fn nothing_else_is_passed_on() {
        for query in [
            "audience=https%3A%2F%2Fapi.example",
            "scope=admin",
            "redirect_uri=https%3A%2F%2Fevil.example",
            "organization=northwind",
            "organization=org_a&organization=org_b",
            "organization=",
            "invitation=a%26scope%3Dadmin",
            "invitation=",
            "login_hint=a%20b",
            "login_hint=%0d%0aSet-Cookie",
            "screen_hint=admin",
            "connection=a%2Fb",
            "returnTo=https%3A%2F%2Fevil.example",
            "returnTo=%2F%2Fevil.example",
            "returnTo=%2F%5Cevil.example",
            "returnTo=",
            "returnto=%2F",
        ] {
            let refused = LoginRequest::parse(query).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidParameter, "{query}");
            assert_eq!(refused.errors().len(), 1, "{query}");
        }
    }
}
