//! `/auth/backchannel-logout`: what ends at the identity provider ends here.

use portal_tests::console::Console;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::{Value, json};
use tenancy::Role;

use crate::pair::{SOON, is_soon_out};

#[tokio::test]
async fn one_session_there_ends_every_session_on_it_here_and_no_other() {
    let world = World::shared().await;
    let (first, second) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let console = Console::of(first.provider()).await;
    let shared = first.signs_in(&portal, Role::Recruiter).await;
    let sid = first.idp_sid(Role::Recruiter).await;
    // One session of a browser at the identity provider spans organizations.
    let elsewhere = second.signs_in(&portal, Role::Viewer).await;
    second.moves_to_idp_sid(Role::Viewer, &sid).await;
    let own = first.signs_in(&portal, Role::Recruiter).await;
    let answer = console.logs_out(&portal, json!({ "sid": sid })).await;
    assert_eq!(answer["status"], 200, "{answer}");
    is_soon_out(&shared, SOON).await;
    is_soon_out(&elsewhere, SOON).await;
    let _ = own.get("/api/session").await.expect(200);
    let unknown = console.logs_out(&portal, json!({ "sid": "nobody's" })).await;
    assert_eq!(unknown["status"], 200, "an unknown session is no error: {unknown}");
}

#[tokio::test]
async fn wrong_tokens_end_nothing() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let console = Console::of(tenant.provider()).await;
    let browser = tenant.signs_in(&portal, Role::Recruiter).await;
    let subject = tenant.subject(Role::Recruiter);
    for fault in [
        "with_nonce",
        "no_events",
        "no_jti",
        "no_subject",
        "wrong_audience",
        "wrong_issuer",
        "expired",
        "alg_none",
        "hs256",
        "bad_signature",
        "unknown_kid",
    ] {
        let answer = console.logs_out(&portal, json!({ "sub": subject, "fault": fault })).await;
        assert_eq!(answer["status"], 400, "{fault}: {answer}");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"], "invalid_request", "{fault}");
    }
    let answer = console.logs_out(&portal, json!({ "sub": subject, "typ": "at+jwt" })).await;
    assert_eq!(answer["status"], 400, "{answer}");
    let _ = browser.get("/api/session").await.expect(200);

    let unknown = console.logs_out(&portal, json!({ "sub": "auth0|nobody" })).await;
    assert_eq!(unknown["status"], 200);
}

#[tokio::test]
async fn what_is_no_logout_token_is_told_so() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let http = portal_tests::client::http();
    let url = format!("{}/auth/backchannel-logout", portal.base_url());
    for form in ["", "logout_token=", "logout_token=a.b.c", "token=x"] {
        let request = http.post(&url).header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.body(form).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{form}");
        assert!(answer.headers()["cache-control"].to_str().unwrap().contains("no-store"));
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "invalid_request", "{form}");
    }
}
