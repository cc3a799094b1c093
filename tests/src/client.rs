//! A browser without a screen: cookies, redirects by hand, and people with verbs.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::identity::IdentityProvider;

/// A client that follows nothing by itself and never waits for ever.
#[expect(clippy::expect_used, reason = "without a client there is no test")]
pub fn http() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client can be built")
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it was sent.
    pub text: String,
}

impl Answer {
    async fn read(response: reqwest::Response) -> Self {
        Self::try_read(response).await.expect("a whole answer")
    }

    /// The answer, or nothing where its body broke off.
    pub async fn try_read(response: reqwest::Response) -> Option<Self> {
        let (status, headers) = (response.status(), response.headers().clone());
        Some(Self { status, headers, text: response.text().await.ok()? })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in {}: {}", self.status, self.text))
    }

    /// A header as text; empty where absent.
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    }

    /// Panics unless the status is `status`; answers itself.
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// Panics unless this is a problem document with `status` and `code`; answers its body.
    pub fn expect_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header(CONTENT_TYPE.as_str()), "application/problem+json");
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        for field in ["type", "title", "detail", "instance", "request_id"] {
            assert!(body[field].is_string(), "{field} is missing in {body}");
        }
        body
    }
}

/// A browser: it keeps cookies as one does, and sends them back to the same portal.
#[derive(Clone, Debug)]
pub struct Browser {
    http: Client,
    base_url: String,
    cookies: BTreeMap<String, String>,
    csrf_token: Option<String>,
    /// Sent with every request: an application is a browser without cookies.
    credential: Option<(&'static str, String)>,
}

impl Browser {
    /// A browser with no cookies.
    pub fn new(base_url: &str) -> Self {
        Self {
            http: http(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            cookies: BTreeMap::new(),
            csrf_token: None,
            credential: None,
        }
    }

    /// An application with an access token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { credential: Some(("authorization", format!("Bearer {token}"))), ..self.clone() }
    }

    /// A machine with an API key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { credential: Some(("x-api-key", key.to_owned())), ..self.clone() }
    }

    /// The same person's browser, turned to another instance of the portal.
    #[must_use]
    pub fn at(&self, base_url: &str) -> Self {
        Self { base_url: base_url.trim_end_matches('/').to_owned(), ..self.clone() }
    }

    /// Where it is turned to.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The cookies it holds.
    pub fn cookies(&self) -> &BTreeMap<String, String> {
        &self.cookies
    }

    /// Puts a cookie into it.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// The token that unsafe requests carry.
    pub fn csrf_token(&self) -> Option<&str> {
        self.csrf_token.as_deref()
    }

    /// A request with cookies and, where it is unsafe, the CSRF token and the origin of the page
    /// that it comes from.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let is_unsafe = method != Method::GET && method != Method::HEAD;
        let mut request = self.http.request(method, format!("{}{path}", self.base_url));
        if !self.cookies.is_empty() {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        // Applications are no pages, so they have no origin.
        let is_page = self.credential.is_none() || !self.cookies.is_empty();
        if is_unsafe && is_page {
            request = request.header(ORIGIN, &self.base_url);
        }
        if let Some((name, value)) = &self.credential {
            request = request.header(*name, value);
        }
        match &self.csrf_token {
            Some(token) if is_unsafe => request.header("X-CSRF-Token", token),
            _ => request,
        }
    }

    /// Sends a request and reads the answer; cookies that come back are left alone.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.unwrap()).await
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// `PATCH path` with `If-Match`.
    pub async fn patch(&self, path: &str, etag: &str, body: &Value) -> Answer {
        let request = self.request(Method::PATCH, path).header("If-Match", etag).json(body);
        self.send(request).await
    }

    /// `GET path`, keeping the cookies that come back.
    pub async fn visit(&mut self, path: &str) -> Answer {
        let answer = self.get(path).await;
        self.keep_cookies(&answer);
        answer
    }

    /// Keeps, replaces and forgets cookies as the answer says.
    pub fn keep_cookies(&mut self, answer: &Answer) {
        for header in answer.headers.get_all(SET_COOKIE) {
            let header = header.to_str().unwrap();
            let (pair, attributes) = header.split_once(';').unwrap_or((header, ""));
            let (name, value) = pair.split_once('=').unwrap();
            let is_removal = value.is_empty() || attributes.to_lowercase().contains("max-age=0");
            if is_removal {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Goes to the provider and comes back as `subject`; answers what the callback says.
    pub async fn goes_through_login(
        &mut self,
        provider: &IdentityProvider,
        subject: &str,
        org: &str,
    ) -> Answer {
        let login = self.visit(&format!("/auth/login?organization={org}")).await.expect(303);
        let callback =
            self.authorizes(provider, &login.header(LOCATION.as_str()), subject, org).await;
        let path = callback.strip_prefix(self.base_url.as_str()).expect("back to the same portal");
        self.visit(path).await
    }

    /// Chooses a person on the provider's page; answers where that leads.
    pub async fn authorizes(
        &self,
        provider: &IdentityProvider,
        authorize_url: &str,
        subject: &str,
        org: &str,
    ) -> String {
        let page =
            Answer::read(self.http.get(authorize_url).send().await.unwrap()).await.expect(200);
        let transaction = page.text.split("name=\"transaction\" value=\"").nth(1).unwrap();
        let transaction = transaction.split('"').next().unwrap();
        let form = [("transaction", transaction), ("subject", subject), ("organization", org)];
        let url = format!("{}authorize/choose", provider.issuer());
        let chosen = self.http.post(url).form(&form).send().await.unwrap();
        assert_eq!(chosen.status(), StatusCode::FOUND, "{}", chosen.text().await.unwrap());
        chosen.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    /// Signs in, and learns the CSRF token as the dashboard would.
    pub async fn signs_in(&mut self, provider: &IdentityProvider, subject: &str, org: &str) {
        let _ = self.goes_through_login(provider, subject, org).await.expect(303);
        let session = self.get("/api/session").await.expect(200).json();
        self.learns_csrf_token(&session);
    }

    /// The same, where the portal may be too busy for it; answers whether it worked.
    pub async fn tries_to_sign_in(
        &mut self,
        provider: &IdentityProvider,
        subject: &str,
        org: &str,
    ) -> bool {
        if self.goes_through_login(provider, subject, org).await.status != 303 {
            return false;
        }
        let session = self.get("/api/session").await;
        let is_signed_in = session.status == 200;
        if is_signed_in {
            self.learns_csrf_token(&session.json());
        }
        is_signed_in
    }

    /// Keeps the token that `GET /api/session` has answered.
    pub fn learns_csrf_token(&mut self, session: &Value) {
        self.csrf_token = Some(session["csrf_token"].as_str().unwrap().to_owned());
    }
}
