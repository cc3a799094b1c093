//! A running server, and an application with a browser that uses it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

pub(crate) const CALLBACK: &str = "http://localhost:8080/auth/callback";
pub(crate) const API: &str = "https://employer-portal.example/api";
pub(crate) const ROLES: &str = "https://employer-portal.example/roles";
const VERIFIER: &str = "a-verifier-that-is-long-enough-for-the-rules-0123";

pub(crate) const ALDER: &str = "org_Alder0000000001";
pub(crate) const BIRCH: &str = "org_Birch0000000002";
/// Recruiter at Alder only.
pub(crate) const ADA: &str = "auth0|ada";
/// Admin at Alder, viewer at Birch.
pub(crate) const BEN: &str = "auth0|ben";

/// A server that ends with the test, and a browser without any page open.
pub(crate) struct Provider {
    child: Child,
    pub(crate) base: String,
    pub(crate) issuer: String,
    http: reqwest::Client,
    cookie: Mutex<Option<String>>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<Url>,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A parameter of the address that the browser is sent to.
    pub(crate) fn returned(&self, name: &str) -> Option<String> {
        let location = self.location.as_ref().unwrap_or_else(|| panic!("no redirect: {self:?}"));
        location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn code(&self) -> String {
        self.returned("code").unwrap_or_else(|| panic!("no code: {self:?}"))
    }

    /// The transaction that the forms of the sign-in page carry.
    pub(crate) fn transaction(&self) -> String {
        let marker = "name=\"transaction\" value=\"";
        let (_, rest) = self.body.split_once(marker).unwrap_or_else(|| panic!("no form: {self:?}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev-auth0"));
    command.args(["--listen", "127.0.0.1:0", "--allowed-callback", CALLBACK]).args(arguments);
    command
}

impl Provider {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let mut child =
            command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim().strip_prefix("dev-auth0 listening on ").unwrap().to_owned();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let issuer = base.replace("127.0.0.1", "localhost") + "/";
        let provider = Self { child, base, issuer, http, cookie: Mutex::new(None) };
        provider.populate().await;
        provider
    }

    async fn populate(&self) {
        for (id, name) in [(ALDER, "alder"), (BIRCH, "birch")] {
            let display = format!("{name} & sons");
            let organization = json!({ "id": id, "name": name, "display_name": display });
            assert_eq!(self.post("/dev/organizations", &organization).await.status, 201);
        }
        self.put_person(ADA, "Ada", &[(ALDER, "recruiter")]).await;
        self.put_person(BEN, "Ben", &[(ALDER, "admin"), (BIRCH, "viewer")]).await;
    }

    pub(crate) async fn put_person(&self, subject: &str, name: &str, roles: &[(&str, &str)]) {
        let memberships: Vec<_> =
            roles.iter().map(|(org, role)| json!({ "org": org, "role": role })).collect();
        let email = format!("{}@example.test", name.to_lowercase());
        let person = json!({
            "subject": subject, "name": name, "email": email, "memberships": memberships,
        });
        assert_eq!(self.post("/dev/people", &person).await.status, 201);
    }

    /// The address of a request that is right but for the parameters that are given.
    pub(crate) fn authorize_url(&self, changes: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let defaults = [
            ("response_type", "code"),
            ("client_id", "portal-dev"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid profile email offline_access"),
            ("audience", API),
            ("state", "the state"),
            ("nonce", "the-nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let mut url = Url::parse(&self.base).unwrap().join("/authorize").unwrap();
        for (name, value) in defaults {
            if !changes.iter().any(|(changed, _)| *changed == name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url.query_pairs_mut().extend_pairs(changes.iter().filter(|(_, value)| !value.is_empty()));
        url.into()
    }

    pub(crate) async fn authorize(&self, changes: &[(&str, &str)]) -> Answer {
        let url = self.authorize_url(changes);
        self.browse(self.http.get(url)).await
    }

    pub(crate) async fn choose(&self, page: &Answer, subject: &str, org: &str) -> Answer {
        let form =
            [("transaction", &*page.transaction()), ("subject", subject), ("organization", org)];
        self.browse(self.http.post(format!("{}/authorize/choose", self.base)).form(&form)).await
    }

    /// A code for a person, from a browser that is not signed in.
    pub(crate) async fn code(&self, subject: &str, org: &str, changes: &[(&str, &str)]) -> String {
        self.forget_cookie();
        let page = self.authorize(changes).await;
        self.choose(&page, subject, org).await.code()
    }

    pub(crate) async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        self.token(
            &[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
            ],
            changes,
        )
        .await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)], &[]).await
    }

    async fn token(&self, fields: &[(&str, &str)], changes: &[(&str, &str)]) -> Answer {
        let client = [("client_id", "portal-dev"), ("client_secret", "portal-dev-secret")];
        let mut form: Vec<_> = client.iter().chain(fields).copied().collect();
        form.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        form.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        read(self.http.post(format!("{}/oauth/token", self.base)).form(&form)).await
    }

    /// All tokens for a person, from a browser that is not signed in.
    pub(crate) async fn tokens(&self, subject: &str, org: &str) -> Value {
        let code = self.code(subject, org, &[]).await;
        let answer = self.exchange(&code, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The claims of a token that is signed by a published key.
    pub(crate) async fn verify(&self, token: &str, audience: &str) -> Option<Value> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let keys = self.get("/.well-known/jwks.json").await.json();
        let key = keys["keys"]
            .as_array()?
            .iter()
            .find(|key| key["kid"].as_str() == header.kid.as_deref())?
            .clone();
        let key = DecodingKey::from_rsa_components(key["n"].as_str()?, key["e"].as_str()?).ok()?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        Some(jsonwebtoken::decode::<Value>(token, &key, &validation).ok()?.claims)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn get_as_browser(&self, path: &str) -> Answer {
        self.browse(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn get_with_bearer(&self, path: &str, token: &str) -> Answer {
        read(self.http.get(format!("{}{path}", self.base)).bearer_auth(token)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        read(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    pub(crate) async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        read(self.http.post(format!("{}{path}", self.base)).form(form)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        read(self.http.put(format!("{}{path}", self.base)).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        read(self.http.delete(format!("{}{path}", self.base))).await
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn forget_cookie(&self) {
        *self.cookie.lock().unwrap() = None;
    }

    async fn browse(&self, request: reqwest::RequestBuilder) -> Answer {
        let cookie = self.cookie.lock().unwrap().clone();
        let request = match cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        let answer = read(request).await;
        if let Some(set) = answer.headers.get(SET_COOKIE) {
            let set = set.to_str().unwrap();
            assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
            let pair = set.split(';').next().unwrap();
            *self.cookie.lock().unwrap() = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        answer
    }
}

pub(crate) async fn read(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let headers = response.headers().clone();
    Answer {
        status: response.status().as_u16(),
        location: headers.get(LOCATION).map(|value| value.to_str().unwrap().parse().unwrap()),
        headers,
        body: response.text().await.unwrap(),
    }
}
