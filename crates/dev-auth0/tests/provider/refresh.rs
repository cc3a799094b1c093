//! Refresh tokens: rotation, reuse, revocation, and what they notice.

use serde_json::{Value, json};

use crate::support::{ADA, ALDER, BEN, BIRCH, Provider, ROLES};

fn refresh_token(tokens: &Value) -> &str {
    tokens["refresh_token"].as_str().unwrap()
}

#[tokio::test]
async fn a_refresh_token_is_replaced_and_its_reuse_ends_the_family() {
    let provider = Provider::start().await;
    let first = provider.tokens(ADA, ALDER).await;
    let second = provider.refresh(refresh_token(&first)).await.json();
    assert_ne!(refresh_token(&first), refresh_token(&second));
    let id = provider.verify(second["id_token"].as_str().unwrap(), "portal-dev").await.unwrap();
    let before = provider.verify(first["id_token"].as_str().unwrap(), "portal-dev").await.unwrap();
    assert_eq!((&id["sub"], &id["sid"]), (&before["sub"], &before["sid"]));
    assert!(id.get("nonce").is_none(), "the nonce is of the sign-in only");

    let reused = provider.refresh(refresh_token(&first)).await;
    assert_eq!((reused.status, reused.json()["error"].as_str()), (403, Some("invalid_grant")));
    let successor = provider.refresh(refresh_token(&second)).await;
    assert_eq!(successor.status, 403, "the successor is revoked with it");
    assert_eq!(provider.refresh("v1.unknown").await.status, 403);
}

#[tokio::test]
async fn within_the_overlap_a_repeated_refresh_is_answered() {
    let provider = Provider::start_with(&["--refresh-leeway-seconds", "60"]).await;
    let tokens = provider.tokens(ADA, ALDER).await;
    assert_eq!(provider.refresh(refresh_token(&tokens)).await.status, 200);
    assert_eq!(provider.refresh(refresh_token(&tokens)).await.status, 200);
}

#[tokio::test]
async fn a_refresh_shows_the_role_of_today() {
    let provider = Provider::start().await;
    let tokens = provider.tokens(BEN, ALDER).await;
    provider.put_person(BEN, "Ben", &[(ALDER, "viewer"), (BIRCH, "viewer")]).await;
    let tokens = provider.refresh(refresh_token(&tokens)).await.json();
    let id = provider.verify(tokens["id_token"].as_str().unwrap(), "portal-dev").await.unwrap();
    assert_eq!(id[ROLES], json!(["viewer"]));

    provider.put_person(BEN, "Ben", &[(BIRCH, "viewer")]).await;
    let gone = provider.refresh(refresh_token(&tokens)).await;
    assert_eq!((gone.status, gone.json()["error"].as_str()), (403, Some("invalid_grant")));
}

#[tokio::test]
async fn a_revoked_token_is_over() {
    let provider = Provider::start().await;
    let tokens = provider.tokens(ADA, ALDER).await;
    let token = refresh_token(&tokens);
    let unproven =
        provider.post_form("/oauth/revoke", &[("client_id", "portal-dev"), ("token", token)]).await;
    assert_eq!(unproven.status, 401);
    let client = [("client_id", "portal-dev"), ("client_secret", "portal-dev-secret")];
    let form = [client[0], client[1], ("token", token)];
    assert_eq!(provider.post_form("/oauth/revoke", &form).await.status, 200);
    assert_eq!(provider.refresh(token).await.status, 403);
    let form = [client[0], client[1], ("token", "unknown")];
    assert_eq!(provider.post_form("/oauth/revoke", &form).await.status, 200);
}
