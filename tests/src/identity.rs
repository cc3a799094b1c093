//! The identity provider: dev-auth0's own switches.

use reqwest::{Client, StatusCode};
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
        let mut body = faults;
        body["subject"] = json!(subject);
        body["once"] = json!(true);
        let url = format!("{}dev/faults", self.issuer);
        let response = self.http.put(url).json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// Signs with a new key from now on.
    pub async fn rotates_its_key(&self) {
        self.posts("dev/rotate-key", &json!({})).await;
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
