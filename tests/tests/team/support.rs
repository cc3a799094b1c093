//! Verbs about places.

use std::time::Duration;

use portal_tests::client::{Answer, Browser};
use reqwest::Method;
use serde_json::{Value, json};

/// How long an event may take on its way from the identity provider as well.
pub(crate) const TOLD: Duration = Duration::from_secs(3);

/// `PATCH /api/team/{user}/role`
pub(crate) async fn changes_role(browser: &Browser, user: uuid::Uuid, role: &str) -> Answer {
    let path = format!("/api/team/{user}/role");
    browser.send(browser.request(Method::PATCH, &path).json(&json!({ "role": role }))).await
}

/// `DELETE /api/team/{user}`
pub(crate) async fn removes(browser: &Browser, user: uuid::Uuid) -> Answer {
    browser.send(browser.request(Method::DELETE, &format!("/api/team/{user}"))).await
}

/// The members as `GET /api/team` shows them.
pub(crate) async fn team(browser: &Browser) -> Vec<Value> {
    let page = browser.get("/api/team").await.expect(200).json();
    page["data"].as_array().unwrap().clone()
}
