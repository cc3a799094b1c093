//! The whole sign-in with an OpenID provider that is certified and not ours: what works there is no
//! agreement between two programs of one house.

use std::time::Duration;

use portal_tests::certified::CertifiedProvider;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use serde_json::json;
use tenancy::Role;

/// A portal that signs people in there.
async fn portal_at(world: &World, provider: &CertifiedProvider) -> Portal {
    let settings = [("AUTH0_ISSUER_BASE_URL", provider.issuer())];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    provider.registers(&portal).await;
    portal
}

async fn knows(provider: &CertifiedProvider, tenant: &Tenant, role: Role) -> String {
    let subject = tenant.subject(role);
    let email = format!("{}@example.com", subject.replace('|', "."));
    provider.has_person(&subject, &email).await;
    subject
}

#[tokio::test]
async fn a_member_signs_in_works_and_signs_out() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let provider = CertifiedProvider::start(3_600).await;
    let portal = portal_at(&world, &provider).await;
    let subject = knows(&provider, &tenant, Role::Recruiter).await;

    let (mut browser, visitor) = (portal.browser(), provider.visitor());
    let answer = visitor.goes_through_login(&mut browser, &subject, &tenant.org).await;
    let _ = answer.expect(303);
    let session = browser.get("/api/session").await.expect(200).json();
    assert_eq!(session.get("role"), Some(&json!("recruiter")));
    browser.learns_csrf_token(&session);
    let _ = browser.post("/api/jobs", &portal_tests::job::nurse()).await.expect(201);
    assert_eq!(provider.count("authorization_code", "success").await, 1);

    // The way out leads through the provider as well, and back to the portal.
    let answer = browser.post("/auth/logout", &json!({})).await.expect(200).json();
    let logout_url = answer.get("logout_url").unwrap().as_str().unwrap();
    assert!(logout_url.starts_with(&format!("{}session/end?", provider.issuer())), "{logout_url}");
    visitor.signs_out_there(logout_url).await;
    let _ = browser.get("/api/session").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn whoever_is_no_member_stays_out() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let provider = CertifiedProvider::start(3_600).await;
    let portal = portal_at(&world, &provider).await;
    provider.has_person("auth0|nobody", "nobody@example.com").await;
    let mut browser = portal.browser();
    let visitor = provider.visitor();
    let answer = visitor.goes_through_login(&mut browser, "auth0|nobody", &tenant.org).await;
    answer.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn tokens_are_refreshed_and_rotated() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let provider = CertifiedProvider::start(3).await;
    let settings = [
        ("AUTH0_ISSUER_BASE_URL", provider.issuer()),
        ("AUTH0_AUDIENCE", "https://employer-portal.example/api"),
        ("PORTAL__AUTH__REFRESH_EARLY_SECONDS", "1"),
    ];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    provider.registers(&portal).await;
    let subject = knows(&provider, &tenant, Role::Recruiter).await;
    let (mut browser, visitor) = (portal.browser(), provider.visitor());
    let answer = visitor.goes_through_login(&mut browser, &subject, &tenant.org).await;
    let _ = answer.expect(303);
    // The second one is made with what the first one brought: the provider would end a family whose
    // token is used twice, and the session with it.
    eventually("two refreshes", Duration::from_secs(40), async || {
        let _ = browser.get("/api/session").await.expect(200);
        (provider.count("refresh_token", "success").await >= 2).then_some(())
    })
    .await;
    assert_eq!(provider.count("refresh_token", "error").await, 0);
    let _ = browser.get("/api/session").await.expect(200);
}

#[tokio::test]
async fn a_sign_out_there_ends_every_session_on_it_here() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let provider = CertifiedProvider::start(3_600).await;
    let portal = portal_at(&world, &provider).await;
    let subject = knows(&provider, &tenant, Role::Recruiter).await;
    // Two browsers of the portal over one session of the provider, and one over another.
    let (shared, own) = (provider.visitor(), provider.visitor());
    let mut browsers = Vec::new();
    for visitor in [&shared, &shared, &own] {
        let mut browser = portal.browser();
        let answer = visitor.goes_through_login(&mut browser, &subject, &tenant.org).await;
        let _ = answer.expect(303);
        let session = browser.get("/api/session").await.expect(200).json();
        browser.learns_csrf_token(&session);
        browsers.push(browser);
    }
    let [first, second, other] = browsers.try_into().unwrap();
    let answer = first.post("/auth/logout", &json!({})).await.expect(200).json();
    let _ = second.get("/api/session").await.expect(200);
    shared.signs_out_there(answer.get("logout_url").unwrap().as_str().unwrap()).await;
    eventually("the other session is over as well", Duration::from_secs(5), async || {
        (second.get("/api/session").await.status == 401).then_some(())
    })
    .await;
    let _ = other.get("/api/session").await.expect(200);
}
