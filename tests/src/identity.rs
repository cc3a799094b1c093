//! The identity provider: dev-auth0's own switches.

use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};

use crate::client::http;
use crate::environment;

/// The running dev-auth0.
#[derive(Clone, Debug)]
pub struct IdentityProvider {
    http: Client,
    issuer: String,
}

impl Default for IdentityProvider {
    fn default() -> Self {
        Self { http: http(), issuer: environment::issuer() }
    }
}

impl IdentityProvider {
    /// The issuer, byte for byte.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Lets a portal's callback be returned to.
    pub async fn allows_callback(&self, callback: &str) {
        self.posts("dev/callbacks", &json!({ "callback": callback })).await;
    }

    /// Adds an organization.
    pub async fn has_organization(&self, org: &str, name: &str) {
        let body = json!({ "id": org, "name": name, "display_name": name });
        self.posts("dev/organizations", &body).await;
    }

    /// Adds a person who is a member of `memberships`: organization and role.
    pub async fn has_person(&self, subject: &str, name: &str, memberships: &[(&str, &str)]) {
        let memberships: Vec<Value> =
            memberships.iter().map(|(org, role)| json!({ "org": org, "role": role })).collect();
        let email = format!("{}@example.com", subject.replace('|', "."));
        let body = json!({
            "subject": subject, "name": name, "email": email, "memberships": memberships,
        });
        self.posts("dev/people", &body).await;
    }

    /// Plays faults for one person, once.
    pub async fn will_fail_once(&self, subject: &str, faults: Value) {
        let mut faults = faults;
        faults["once"] = json!(true);
        self.will_fail(subject, faults).await;
    }

    /// Plays faults for one person until [`is_mended`](Self::is_mended).
    pub async fn will_fail(&self, subject: &str, faults: Value) {
        let mut body = faults;
        body["subject"] = json!(subject);
        let url = format!("{}dev/faults", self.issuer);
        let response = self.http.put(url).json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// Ends the faults of one person.
    pub async fn is_mended(&self, subject: &str) {
        let url = self.switch_of("dev/faults", subject);
        assert!(self.http.delete(url).send().await.unwrap().status().is_success());
    }

    /// How often the token endpoint was called about one person, by grant.
    pub async fn token_requests_of(&self, subject: &str) -> Value {
        let url = self.switch_of("dev/requests", subject);
        let answer = self.http.get(url).send().await.unwrap().text().await.unwrap();
        let counts: Value = serde_json::from_str(&answer).unwrap();
        counts["token"].clone()
    }

    /// Uses an authorization code, which was used already, once more: the provider then revokes
    /// what came of the first use.
    pub async fn sees_code_again(&self, code: &str, redirect_uri: &str, client_secret: &str) {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "portal-dev"),
            ("client_secret", client_secret),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", "a-verifier-that-is-never-looked-at-because-the-code-is-spent"),
        ];
        let url = format!("{}oauth/token", self.issuer);
        let answer = self.http.post(url).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{}", answer.text().await.unwrap());
    }

    /// Signs with a new key from now on.
    pub async fn rotates_its_key(&self) {
        self.posts("dev/rotate-key", &json!({})).await;
    }

    fn switch_of(&self, path: &str, subject: &str) -> Url {
        let url = format!("{}{path}", self.issuer);
        Url::parse_with_params(&url, [("subject", subject)]).unwrap()
    }

    async fn posts(&self, path: &str, body: &Value) {
        let response =
            self.http.post(format!("{}{path}", self.issuer)).json(body).send().await.unwrap();
        let status = response.status();
        assert!(
            status.is_success() || status == StatusCode::CONFLICT,
            "{path}: {status} {}",
            response.text().await.unwrap()
        );
    }
}
