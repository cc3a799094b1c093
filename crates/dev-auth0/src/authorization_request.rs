//! The request of `/authorize`, parsed and checked.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use tenancy::OrgId;
use url::Url;

use crate::error::PageError;
use crate::parameters::Parameters;
use crate::pkce;
use crate::provider::Provider;

const TEXT_MAX: usize = 2_048;

/// A space-separated list of scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope(Vec<String>);

impl Scope {
    /// Reads the list; without one Auth0 takes the profile scopes.
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.split_ascii_whitespace().map(str::to_owned).collect())
    }

    /// Whether a scope was granted.
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.0.iter().any(|granted| granted == scope)
    }

    /// Whether every scope of the other one is granted.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| self.has(scope))
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}

/// Where the answer goes. It exists only for an address on the allow-list.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
}

/// An error that the application is told of, on its callback.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: Cow<'static, str>,
    pub(crate) description: Cow<'static, str>,
}

impl Refusal {
    /// An error with its code and what it is about.
    pub(crate) fn new(
        error: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { error: error.into(), description: description.into() }
    }
}

impl Callback {
    /// Checks who asks and where the answer would go: nothing is sent to an address that is not
    /// registered, so these errors are shown on a page.
    pub(crate) fn check(provider: &Provider, parameters: &Parameters) -> Result<Self, PageError> {
        let client_id = parameters.get("client_id").unwrap_or_default();
        if client_id != provider.settings.client_id {
            return Err(PageError::bad_request(
                "Unknown application",
                "There is no application with this client_id.",
            ));
        }
        let redirect_uri = parameters.get("redirect_uri").unwrap_or_default();
        if !provider.allow_list().is_callback(redirect_uri) {
            return Err(PageError {
                status: StatusCode::FORBIDDEN,
                title: "Callback URL mismatch",
                description: "The redirect_uri is not one of the application's allowed callbacks. \
                              It must be the same to the letter."
                    .into(),
            });
        }
        Ok(Self { redirect_uri: redirect_uri.to_owned(), state: parameters.get_owned("state") })
    }

    /// The redirect that carries a code.
    pub(crate) fn succeed(&self, code: &str) -> HttpResponse {
        self.redirect(&[("code", code)])
    }

    /// The redirect that carries an error.
    pub(crate) fn refuse(&self, refusal: &Refusal) -> HttpResponse {
        tracing::info!(error = %refusal.error, "authorization refused: {}", refusal.description);
        self.redirect(&[("error", &refusal.error), ("error_description", &refusal.description)])
    }

    fn redirect(&self, pairs: &[(&str, &str)]) -> HttpResponse {
        let state = self.state.as_deref().map(|state| ("state", state));
        redirect(&self.redirect_uri, pairs.iter().copied().chain(state))
    }
}

/// A redirect with parameters added to the address. The address comes from the allow-list.
pub(crate) fn redirect<'a>(
    to: &str,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> HttpResponse {
    let Ok(mut url) = Url::parse(to) else {
        return HttpResponse::BadRequest().finish();
    };
    let mut pairs = pairs.peekable();
    if pairs.peek().is_some() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    HttpResponse::Found()
        .insert_header((header::LOCATION, url.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// How much of the person's attention the application wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// The page, unless the browser is signed in.
    #[default]
    WhenNeeded,
    /// Never a page.
    Never,
    /// Always the page.
    Always,
}

/// A request that can be answered.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationRequest {
    pub(crate) callback: Callback,
    pub(crate) scope: Scope,
    pub(crate) audience: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) code_challenge: String,
    pub(crate) organization: Option<OrgId>,
    pub(crate) invitation: Option<String>,
    pub(crate) login_hint: Option<String>,
    pub(crate) connection: Option<String>,
    pub(crate) is_sign_up: bool,
    pub(crate) prompt: Prompt,
    pub(crate) max_age: Option<u64>,
}

impl AuthorizationRequest {
    /// Checks everything but the callback. The order is that of the specification: what the
    /// application asked for, then whom and what it named.
    pub(crate) fn parse(
        provider: &Provider,
        callback: Callback,
        parameters: &Parameters,
    ) -> Result<Self, Refusal> {
        check_protocol(parameters)?;
        let mut request = Self::of_callback(callback);
        request.code_challenge = parse_code_challenge(parameters)?;
        request.prompt = parse_prompt(parameters.get("prompt"))?;
        request.max_age = parameters
            .get("max_age")
            .map(|seconds| seconds.parse().map_err(|_| invalid("max_age is not a number")))
            .transpose()?;
        if let Some(scope) = parameters.get("scope") {
            request.scope = Scope::parse(scope);
        }
        request.audience = parse_audience(provider, parameters.get("audience"))?;
        request.organization = parse_organization(provider, parameters.get("organization"))?;
        request.invitation = parameters.get_owned("invitation");
        check_invitation(provider, &request)?;
        request.nonce = parameters.get_owned("nonce");
        request.login_hint = parameters.get_owned("login_hint");
        request.connection = parameters.get_owned("connection");
        request.is_sign_up = parameters.get("screen_hint") == Some("signup");
        Ok(request)
    }

    /// A request that names nothing but its callback.
    pub(crate) fn of_callback(callback: Callback) -> Self {
        Self {
            callback,
            scope: Scope::parse("openid profile email"),
            audience: None,
            nonce: None,
            code_challenge: String::new(),
            organization: None,
            invitation: None,
            login_hint: None,
            connection: None,
            is_sign_up: false,
            prompt: Prompt::default(),
            max_age: None,
        }
    }
}

fn invalid(description: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new("invalid_request", description)
}

fn check_protocol(parameters: &Parameters) -> Result<(), Refusal> {
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(Refusal::new("unsupported_response_type", "only code is supported"));
        }
        None => return Err(invalid("Missing required parameter: response_type")),
    }
    if parameters.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid("only response_mode=query is supported"));
    }
    for (name, error) in
        [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")]
    {
        if parameters.get(name).is_some() {
            return Err(Refusal::new(error, "request objects are not supported"));
        }
    }
    for name in ["state", "nonce", "scope", "login_hint", "connection", "invitation"] {
        if parameters.get(name).is_some_and(|value| value.len() > TEXT_MAX) {
            return Err(invalid(format!("{name} is longer than {TEXT_MAX} bytes")));
        }
    }
    Ok(())
}

fn parse_code_challenge(parameters: &Parameters) -> Result<String, Refusal> {
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err(invalid("code_challenge_method must be S256"));
    }
    parameters
        .get_owned("code_challenge")
        .filter(|challenge| pkce::is_challenge(challenge))
        .ok_or_else(|| invalid("code_challenge is missing or is not a SHA-256 digest"))
}

fn parse_prompt(prompt: Option<&str>) -> Result<Prompt, Refusal> {
    let words: Vec<_> = prompt.unwrap_or_default().split_ascii_whitespace().collect();
    if words.iter().any(|word| !["none", "login", "consent", "select_account"].contains(word)) {
        return Err(invalid("prompt is none, login, consent or select_account"));
    }
    match (words.contains(&"none"), words.len()) {
        (true, 1) => Ok(Prompt::Never),
        (true, _) => Err(invalid("prompt=none excludes every other prompt")),
        (false, 0) => Ok(Prompt::WhenNeeded),
        (false, _) => Ok(Prompt::Always),
    }
}

fn parse_audience(provider: &Provider, audience: Option<&str>) -> Result<Option<String>, Refusal> {
    match audience {
        Some(audience) if !provider.settings.is_audience(audience) => {
            Err(Refusal::new("access_denied", format!("Service not found: {audience}")))
        }
        audience => Ok(audience.map(str::to_owned)),
    }
}

fn parse_organization(
    provider: &Provider,
    organization: Option<&str>,
) -> Result<Option<OrgId>, Refusal> {
    let Some(text) = organization else { return Ok(None) };
    let directory = provider.directory();
    let by_id = text.parse().ok().and_then(|id| directory.find_organization(&id));
    let by_name = || {
        let takes_names = provider.settings.organization_names;
        takes_names.then(|| directory.find_organization_by_name(text)).flatten()
    };
    by_id
        .or_else(by_name)
        .map(|organization| Some(organization.id.clone()))
        .ok_or_else(|| invalid("parameter organization is invalid"))
}

fn check_invitation(provider: &Provider, request: &AuthorizationRequest) -> Result<(), Refusal> {
    let Some(ticket) = request.invitation.as_deref() else { return Ok(()) };
    let invitations = provider.invitations();
    let invited_to = invitations.find(ticket, provider.now()).map(|found| &found.organization);
    if invited_to.is_some() && invited_to == request.organization.as_ref() {
        Ok(())
    } else {
        Err(invalid("invitation not found or already used"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_none_stands_alone() {
        assert_eq!(parse_prompt(None).unwrap(), Prompt::WhenNeeded);
        assert_eq!(parse_prompt(Some("none")).unwrap(), Prompt::Never);
        assert_eq!(parse_prompt(Some("login consent")).unwrap(), Prompt::Always);
        assert!(parse_prompt(Some("none login")).is_err());
        assert!(parse_prompt(Some("sometimes")).is_err());
    }

    #[test]
    fn scopes_are_a_set() {
        let granted = Scope::parse("openid  profile offline_access");
        assert!(granted.contains(&Scope::parse("openid profile")));
        assert!(!granted.contains(&Scope::parse("openid email")));
        assert_eq!(granted.to_string(), "openid profile offline_access");
    }
}
