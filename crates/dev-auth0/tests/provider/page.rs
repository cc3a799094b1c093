//! The sign-in page.

use serde_json::json;

use crate::support::{ADA, ALDER, BEN, BIRCH, Provider};

#[tokio::test]
async fn everybody_is_listed_with_their_organizations() {
    let provider = Provider::start().await;
    let page = provider.authorize(&[]).await;
    assert_eq!(page.body.matches("<form ").count(), 3, "one a person and organization");
    assert!(page.body.contains("alder &amp; sons") && page.body.contains("birch &amp; sons"));
    assert!(page.body.contains("<html lang=\"en\">") && page.body.contains("<title>"));
    assert!(!page.body.contains("<script"));
}

#[tokio::test]
async fn an_organization_lists_its_members_and_notes_who_is_not() {
    let provider = Provider::start().await;
    let hinted = [("organization", BIRCH), ("login_hint", "ada@example.test")];
    let page = provider.authorize(&hinted).await;
    let (members, others) = page.body.split_once("People who are not members").unwrap();
    assert!(members.contains(BEN) && !members.contains(ADA));
    assert!(members.contains("<strong>Ada</strong> is not a member of birch &amp; sons."));
    assert!(others.contains(ADA) && !others.contains(BEN));
}

#[tokio::test]
async fn a_login_hint_preselects() {
    let provider = Provider::start().await;
    let page = provider.authorize(&[("organization", ALDER), ("login_hint", BEN)]).await;
    let hinted = page.body.find("autofocus").unwrap();
    assert!(hinted < page.body.find("ada@example.test").unwrap(), "Ben is first");
    assert_eq!(page.body.matches("autofocus").count(), 1);
    let page = provider.authorize(&[("login_hint", "who@example.test")]).await;
    assert!(page.body.contains("Nobody is known as who@example.test."));
}

#[tokio::test]
async fn nothing_of_a_request_or_a_person_becomes_markup() {
    let provider = Provider::start().await;
    let person = json!({
        "subject": "auth0|\"><img src=x>", "name": "<b>Eve</b>", "email": "e'v\"e@example.test",
        "memberships": [{ "org": ALDER, "role": "<i>" }],
    });
    assert_eq!(provider.post("/dev/people", &person).await.status, 201);
    let page = provider
        .authorize(&[
            ("login_hint", "<script>alert(1)</script>"),
            ("connection", "\"><svg onload=x>"),
            ("scope", "openid <u>"),
        ])
        .await;
    for markup in ["<script", "<svg", "<u>", "<img", "<b>Eve", "<i>"] {
        assert!(!page.body.contains(markup), "{markup}");
    }
    let chosen = provider.choose(&page, "auth0|\"><img src=x>", ALDER).await;
    assert!(chosen.returned("code").is_some());
}

#[tokio::test]
async fn the_page_loads_nothing_and_sends_forms_home_only() {
    let provider = Provider::start().await;
    let page = provider.authorize(&[]).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(policy.contains("form-action 'self' http://localhost:8080;"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"));
    assert_eq!(page.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_member_of_several_organizations_is_focused_once() {
    let provider = Provider::start().await;
    let page = provider.authorize(&[("login_hint", "BEN@example.test")]).await;
    assert_eq!(page.body.matches("class=\"hinted\"").count(), 2);
    assert_eq!(page.body.matches("autofocus").count(), 1);
}
