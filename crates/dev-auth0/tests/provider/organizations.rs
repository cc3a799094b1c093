//! Browser sessions, organizations, invitations: who gets in without a page.

use serde_json::{Value, json};

use crate::support::{ADA, ALDER, Answer, BEN, BIRCH, Provider};

async fn id_claims(provider: &Provider, answer: &Answer) -> Value {
    let tokens = provider.exchange(&answer.code(), &[]).await.json();
    provider.verify(tokens["id_token"].as_str().unwrap(), "portal-dev").await.unwrap()
}

#[tokio::test]
async fn one_browser_has_one_sid_over_all_organizations() {
    let provider = Provider::start().await;
    let page = provider.authorize(&[("organization", ALDER)]).await;
    let first = provider.choose(&page, BEN, "").await;
    let first = id_claims(&provider, &first).await;

    let switched = provider.authorize(&[("organization", BIRCH)]).await;
    assert_eq!(switched.status, 302, "a switch of the organization needs no page");
    let switched = id_claims(&provider, &switched).await;
    assert_eq!((&switched["org_id"], &switched["sid"]), (&json!(BIRCH), &first["sid"]));

    let page = provider.authorize(&[("organization", ALDER), ("prompt", "login")]).await;
    let again = provider.choose(&page, BEN, ALDER).await;
    assert_eq!(id_claims(&provider, &again).await["sid"], first["sid"]);

    let page = provider.authorize(&[("organization", ALDER), ("prompt", "login")]).await;
    let other = provider.choose(&page, ADA, ALDER).await;
    assert_ne!(id_claims(&provider, &other).await["sid"], first["sid"], "another person");
}

#[tokio::test]
async fn prompt_none_answers_or_says_what_is_missing() {
    let provider = Provider::start().await;
    let silent = async |changes: Vec<(&'static str, &'static str)>| {
        let changes: Vec<_> = changes.into_iter().chain([("prompt", "none")]).collect();
        provider.authorize(&changes).await
    };
    assert_eq!(silent(vec![]).await.returned("error").as_deref(), Some("login_required"));

    let page = provider.authorize(&[("organization", ALDER)]).await;
    provider.choose(&page, BEN, ALDER).await;
    assert!(silent(vec![("organization", BIRCH)]).await.returned("code").is_some());
    let several = silent(vec![]).await;
    assert_eq!(several.returned("error").as_deref(), Some("interaction_required"));
    let stale = silent(vec![("organization", ALDER), ("max_age", "0")]).await;
    assert_eq!(stale.returned("error").as_deref(), Some("login_required"));
    let somebody_else = silent(vec![("organization", ALDER), ("login_hint", ADA)]).await;
    assert_eq!(somebody_else.returned("error").as_deref(), Some("login_required"));

    provider.put_person(BEN, "Ben", &[(ALDER, "viewer")]).await;
    let left = silent(vec![("organization", BIRCH)]).await;
    assert_eq!(left.returned("error").as_deref(), Some("access_denied"));
    assert!(silent(vec![]).await.returned("code").is_some(), "the only organization is chosen");
}

#[tokio::test]
async fn a_stranger_is_refused_on_the_callback() {
    let provider = Provider::start().await;
    let page = provider.authorize(&[("organization", BIRCH)]).await;
    let refused = provider.choose(&page, ADA, BIRCH).await;
    assert_eq!(refused.returned("error").as_deref(), Some("access_denied"));
    assert_eq!(refused.returned("state").as_deref(), Some("the state"));
}

#[tokio::test]
async fn a_page_is_answered_once_and_by_somebody_who_exists() {
    let provider = Provider::start().await;
    let page = provider.authorize(&[("organization", ALDER)]).await;
    assert_eq!(provider.choose(&page, "auth0|nobody", ALDER).await.status, 400);
    assert_eq!(provider.choose(&page, BEN, BIRCH).await.status, 400, "not what was asked for");
    assert_eq!(provider.choose(&page, BEN, "org_{x}").await.status, 400);
    assert_eq!(provider.choose(&page, BEN, ALDER).await.status, 302);
    assert_eq!(provider.choose(&page, BEN, ALDER).await.status, 400, "it is over");

    let page = provider.authorize(&[("prompt", "login")]).await;
    assert_eq!(provider.choose(&page, BEN, "").await.status, 400, "a member of several");
    assert_eq!(provider.choose(&page, ADA, "").await.status, 302, "a member of one");
}

#[tokio::test]
async fn somebody_without_an_organization_gets_tokens_without_one() {
    let provider = Provider::start().await;
    provider.put_person("auth0|cleo", "Cleo", &[]).await;
    let page = provider.authorize(&[]).await;
    let claims = id_claims(&provider, &provider.choose(&page, "auth0|cleo", "").await).await;
    assert!(claims.get("org_id").is_none());
}

#[tokio::test]
async fn an_invitation_makes_a_member_once() {
    let provider = Provider::start().await;
    let invited = json!({ "organization": BIRCH, "email": "ada@example.test", "role": "admin" });
    let ticket = provider.post("/dev/invitations", &invited).await.json();
    let ticket = ticket["invitation"].as_str().unwrap();

    let elsewhere = [("organization", ALDER), ("invitation", ticket)];
    let refused = provider.authorize(&elsewhere).await;
    assert_eq!(refused.returned("error").as_deref(), Some("invalid_request"));

    let asked = [("organization", BIRCH), ("invitation", ticket)];
    let page = provider.authorize(&asked).await;
    let other = provider.choose(&page, BEN, BIRCH).await;
    assert_eq!(other.returned("error").as_deref(), Some("access_denied"));
    let page = provider.authorize(&asked).await;
    let claims = id_claims(&provider, &provider.choose(&page, ADA, BIRCH).await).await;
    assert_eq!(claims["org_id"], BIRCH);
    let used = provider.authorize(&asked).await;
    assert_eq!(used.returned("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn names_of_organizations_are_a_setting() {
    let provider = Provider::start_with(&["--organization-names"]).await;
    let page = provider.authorize(&[("organization", "Alder")]).await;
    let claims = id_claims(&provider, &provider.choose(&page, ADA, "").await).await;
    assert_eq!((&claims["org_id"], &claims["org_name"]), (&json!(ALDER), &json!("alder")));
}
