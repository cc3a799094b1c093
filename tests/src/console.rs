//! The identity provider's own console: changes behind the portal's back, made with its Management
//! API, and whom it tells of them.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::client::http;
use crate::identity::IdentityProvider;
use crate::portal::{CLIENT_SECRET, Portal};

/// The claim that carries roles.
pub const ROLES_CLAIM: &str = "https://employer-portal.example/roles";

/// What events come with.
pub const EVENTS_TOKEN: &str = "the-token-of-the-event-stream";

/// Settings of a portal that follows the identity provider.
pub const FOLLOWS: [(&str, &str); 2] =
    [("AUTH0_ROLES_CLAIM", ROLES_CLAIM), ("AUTH0_EVENTS_TOKEN", EVENTS_TOKEN)];

/// An administrator of the identity provider.
#[derive(Clone, Debug)]
pub struct Console {
    http: Client,
    issuer: String,
    token: String,
}

impl Console {
    /// Signs the administrator in.
    pub async fn of(provider: &IdentityProvider) -> Self {
        let (http, issuer) = (http(), provider.issuer().to_owned());
        let audience = format!("{issuer}api/v2/");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "portal-dev"),
            ("client_secret", CLIENT_SECRET),
            ("audience", audience.as_str()),
        ];
        let answer = http.post(format!("{issuer}oauth/token")).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Self { http, issuer, token }
    }

    /// Gives a member a role.
    pub async fn assigns(&self, org: &str, subject: &str, role: &str) {
        let body = json!({ "roles": [self.role_id(role).await] });
        self.calls(Method::POST, &of_member(org, subject), Some(&body)).await;
    }

    /// Takes a role from a member.
    pub async fn withdraws(&self, org: &str, subject: &str, role: &str) {
        let body = json!({ "roles": [self.role_id(role).await] });
        self.calls(Method::DELETE, &of_member(org, subject), Some(&body)).await;
    }

    /// Ends a membership.
    pub async fn removes(&self, org: &str, subject: &str) {
        let body = json!({ "members": [subject] });
        self.calls(Method::DELETE, &format!("organizations/{org}/members"), Some(&body)).await;
    }

    /// The names of a member's roles; none where they are no member.
    pub async fn roles_of(&self, org: &str, subject: &str) -> Option<Vec<String>> {
        let request = self.request(Method::GET, &of_member(org, subject));
        let response = request.send().await.unwrap();
        if response.status() == StatusCode::NOT_FOUND {
            return None;
        }
        let roles: Value = response.json().await.unwrap();
        let roles = roles.as_array().unwrap().iter();
        Some(roles.map(|role| role["name"].as_str().unwrap().to_owned()).collect())
    }

    /// The open invitations of an organization.
    pub async fn invitations(&self, org: &str) -> Vec<Value> {
        let path = format!("organizations/{org}/invitations");
        self.calls(Method::GET, &path, None).await.as_array().unwrap().clone()
    }

    /// Has `portal` told of what happens in an organization.
    pub async fn tells(&self, portal: &Portal, org: &str) {
        self.tells_with(portal, org, json!({})).await;
    }

    /// The same, doubled or mixed up.
    pub async fn tells_with(&self, portal: &Portal, org: &str, switches: Value) {
        let mut stream = switches;
        stream["url"] = json!(format!("{}/auth/events", portal.base_url()));
        stream["token"] = json!(EVENTS_TOKEN);
        stream["organization"] = json!(org);
        let url = format!("{}dev/event-streams/{org}", self.issuer);
        let answer = self.http.put(url).json(&stream).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Signs a logout token and posts it to `portal`; answers what came back.
    pub async fn logs_out(&self, portal: &Portal, mut notice: Value) -> Value {
        notice["url"] = json!(format!("{}/auth/backchannel-logout", portal.base_url()));
        let url = format!("{}dev/backchannel-logout", self.issuer);
        let answer = self.http.post(url).json(&notice).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// Posts an event that did not happen, once; answers the status.
    pub async fn makes_up(
        &self,
        portal: &Portal,
        kind: &str,
        org: &str,
        user: &str,
        id: &str,
        time: &str,
    ) -> u64 {
        let event = json!({
            "url": format!("{}/auth/events", portal.base_url()), "token": EVENTS_TOKEN,
            "type": kind, "organization": org, "user": user, "role": "viewer",
            "id": id, "time": time,
        });
        let url = format!("{}dev/events", self.issuer);
        let answer = self.http.post(url).json(&event).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        let answer: Value = answer.json().await.unwrap();
        answer["status"].as_u64().unwrap()
    }

    /// Breaks calls about a person or an organization.
    pub async fn fails(&self, subject: &str, faults: Value) {
        let mut body = faults;
        body["subject"] = json!(subject);
        let url = format!("{}dev/faults", self.issuer);
        let answer = self.http.put(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Ends the faults of a person or an organization.
    pub async fn is_mended(&self, subject: &str) {
        let mut url = url::Url::parse(&format!("{}dev/faults", self.issuer)).unwrap();
        url.query_pairs_mut().append_pair("subject", subject);
        let answer = self.http.delete(url).timeout(Duration::from_secs(5)).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    async fn role_id(&self, name: &str) -> String {
        let roles = self.calls(Method::GET, &format!("roles?name_filter={name}"), None).await;
        roles[0]["id"].as_str().unwrap().to_owned()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}api/v2/{path}", self.issuer)).bearer_auth(&self.token)
    }

    async fn calls(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

fn of_member(org: &str, subject: &str) -> String {
    format!("organizations/{org}/members/{}/roles", subject.replace('|', "%7C"))
}
