//! Signing in and out, and every way in which it must not work.

use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::json;
use tenancy::Role;

#[tokio::test]
async fn a_member_signs_in_sees_who_they_are_and_signs_out() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let _ = portal.browser().get("/api/session").await.expect_problem(401, "unauthenticated");

    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let session = recruiter.get("/api/session").await.expect(200).json();
    assert_eq!(session["role"], "recruiter");
    assert_eq!(session["organization"]["id"], tenant.org.as_str());
    assert_eq!(session["organization"]["slug"], tenant.slug.as_str());
    let permissions = session["permissions"].as_array().unwrap();
    assert!(permissions.contains(&json!("jobs:write")));
    assert!(!permissions.contains(&json!("jobs:delete")));

    let answer = recruiter.post("/auth/logout", &json!({})).await.expect(200);
    assert!(answer.json()["logout_url"].as_str().unwrap().contains("/oidc/logout?"));
    let _ = recruiter.get("/api/session").await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_session_cookie_is_opaque_and_bound_to_this_host() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let mut browser = portal.browser();
    let subject = tenant.subject(Role::Viewer);
    let answer =
        browser.goes_through_login(&world.provider, &subject, &tenant.org).await.expect(303);
    assert_eq!(answer.header("location"), "/");
    let cookie = answer
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap())
        .find(|cookie| cookie.starts_with("__Host-portal="))
        .unwrap();
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{attribute} is missing in {cookie}");
    }
    assert!(!cookie.contains("Domain"));
    assert!(!cookie.contains(&subject) && !cookie.contains(&tenant.org));
    assert_eq!(browser.cookies().len(), 1, "the transaction's cookie is gone");
}

#[tokio::test]
async fn the_provider_is_asked_with_pkce_state_nonce_and_the_organization() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let answer = portal
        .browser()
        .get("/auth/login?organization=org_abc&login_hint=ada%40example.com&screen_hint=signup&returnTo=%2Fjobs")
        .await
        .expect(303);
    let url = url::Url::parse(&answer.header("location")).unwrap();
    let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    for (name, value) in [
        ("response_type", "code"),
        ("code_challenge_method", "S256"),
        ("organization", "org_abc"),
        ("login_hint", "ada@example.com"),
        ("screen_hint", "signup"),
    ] {
        assert_eq!(query.get(name).map(String::as_str), Some(value), "{name}");
    }
    for name in ["state", "nonce", "code_challenge"] {
        assert!(query[name].len() >= 32, "{name} is short");
    }
    assert!(!query.contains_key("returnTo"));
}

#[tokio::test]
async fn parameters_that_do_not_fit_their_pattern_are_refused() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    for query in [
        "organization=evil%3Ascope",
        "organization=org_a%26audience%3Dx",
        "returnTo=https%3A%2F%2Fevil.example",
        "returnTo=%2F%2Fevil.example",
        "returnTo=%2F%5Cevil.example",
        "returnTo=%2F%09%2Fevil.example",
        "screen_hint=else",
        "audience=https%3A%2F%2Fevil.example",
    ] {
        let answer = portal.browser().get(&format!("/auth/login?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text);
        assert!(answer.headers.get("set-cookie").is_none(), "{query}");
    }
}

#[tokio::test]
async fn a_callback_that_does_not_belong_to_this_browser_is_refused() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let subject = tenant.subject(Role::Recruiter);

    let login = |mut browser: portal_tests::client::Browser| async {
        let path = format!("/auth/login?organization={}", tenant.org);
        let login = browser.visit(&path).await.expect(303);
        let authorize = login.header("location");
        let url = browser.authorizes(&world.provider, &authorize, &subject, &tenant.org).await;
        (browser, url.strip_prefix(portal.base_url()).unwrap().to_owned())
    };
    // Somebody else's callback in my browser: no transaction cookie for that state.
    let (_, path) = login(portal.browser()).await;
    portal.browser().get(&path).await.expect_problem(400, "login_failed");
    // An altered state.
    let (browser, path) = login(portal.browser()).await;
    let altered = path.replace("state=", "state=x");
    browser.get(&altered).await.expect_problem(400, "login_failed");
    // An altered code: the provider refuses it.
    let (browser, path) = login(portal.browser()).await;
    let answer = browser.get(&path.replace("code=", "code=x")).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    // A callback used twice.
    let (mut browser, path) = login(portal.browser()).await;
    let _ = browser.visit(&path).await.expect(303);
    browser.get(&path).await.expect_problem(400, "login_failed");
    // …which is what a browser's back button does: it is sent home, and nothing changes.
    let navigation = browser.request(reqwest::Method::GET, &path).header("Accept", "text/html");
    assert_eq!(browser.send(navigation).await.expect(303).header("location"), "/");
    let stranger = portal.browser();
    let navigation = stranger.request(reqwest::Method::GET, &path).header("Accept", "text/html");
    stranger.send(navigation).await.expect_problem(400, "login_failed");
}

#[tokio::test]
async fn a_code_that_was_asked_for_under_another_challenge_is_refused() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let subject = tenant.subject(Role::Recruiter);
    // Two sign-ins under way in one browser: each has its own state, and its own PKCE verifier.
    let mut browser = portal.browser();
    let mut callbacks = Vec::new();
    for _ in 0..2 {
        let login = browser.visit(&format!("/auth/login?organization={}", tenant.org)).await;
        let authorize = login.expect(303).header("location");
        let callback = browser.authorizes(&world.provider, &authorize, &subject, &tenant.org).await;
        callbacks.push(url::Url::parse(&callback).unwrap());
    }
    let value = |url: &url::Url, name: &str| {
        url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
    };
    // The code of the first with the state of the second: the provider wants the first's verifier.
    let code = value(&callbacks[0], "code");
    let state = value(&callbacks[1], "state");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("code", &code)
        .append_pair("state", &state)
        .finish();
    browser.get(&format!("/auth/callback?{query}")).await.expect_problem(400, "login_failed");
    assert!(!browser.cookies().contains_key("__Host-portal"));
}

#[tokio::test]
async fn an_id_token_that_is_not_ours_signs_nobody_in() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let subject = tenant.subject(Role::Recruiter);
    for fault in [
        json!({ "wrong_nonce": true }),
        json!({ "wrong_audience": true }),
        json!({ "wrong_issuer": true }),
        json!({ "expired_id_token": true }),
        json!({ "alg_none": true }),
        json!({ "wrong_org": true }),
        json!({ "drop_org_id": true }),
    ] {
        world.provider.will_fail_once(&subject, fault.clone()).await;
        let mut browser = portal.browser();
        let answer = browser.goes_through_login(&world.provider, &subject, &tenant.org).await;
        assert_eq!(answer.status, 400, "{fault}: {}", answer.text);
        assert_eq!(answer.json()["code"], "login_failed", "{fault}");
        assert!(!browser.cookies().contains_key("__Host-portal"), "{fault}");
    }
    // The same person gets in once the provider is well.
    tenant.signs_in(&portal, Role::Recruiter).await;
}

#[tokio::test]
async fn a_provider_that_fails_is_503_and_says_when_to_come_back() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let subject = tenant.subject(Role::Recruiter);
    world.provider.will_fail_once(&subject, json!({ "token_status": 500 })).await;
    let mut browser = portal.browser();
    let answer = browser.goes_through_login(&world.provider, &subject, &tenant.org).await;
    answer.expect_problem(503, "unavailable");
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_rotated_key_is_fetched_and_believed() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    tenant.signs_in(&portal, Role::Recruiter).await;
    world.provider.rotates_its_key().await;
    tenant.signs_in(&portal, Role::Admin).await;
}

#[tokio::test]
async fn whoever_is_no_member_of_the_tenant_stays_out() {
    let world = World::shared().await;
    let (ours, theirs) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    // The provider believes that they are a member; our rows do not.
    let subject = ours.subject(Role::Owner);
    let memberships = [(ours.org.as_str(), "owner"), (theirs.org.as_str(), "owner")];
    world.provider.has_person(&subject, "Ada Both", &memberships).await;
    let mut browser = portal.browser();
    let answer = browser.goes_through_login(&world.provider, &subject, &theirs.org).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(!browser.cookies().contains_key("__Host-portal"));
}

#[tokio::test]
async fn a_suspended_organization_signs_nobody_in_and_its_trail_says_so() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    tenant.signs_in(&portal, Role::Recruiter).await;
    assert_eq!(tenant.audited("authn_login_success").await, 1);
    tenant.is_suspended().await;
    let mut browser = portal.browser();
    let subject = tenant.subject(Role::Admin);
    let answer = browser.goes_through_login(&world.provider, &subject, &tenant.org).await;
    answer.expect_problem(403, "forbidden");
    assert!(!browser.cookies().contains_key("__Host-portal"));
    assert_eq!(tenant.audited("authn_login_success").await, 1);
}

#[tokio::test]
async fn unsafe_requests_need_the_sessions_own_token() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let other = tenant.signs_in(&portal, Role::Admin).await;
    let job = portal_tests::job::nurse();
    for token in [None, Some(""), Some("x"), other.csrf_token()] {
        let client = portal_tests::client::http();
        let mut request = client
            .post(format!("{}/api/jobs", portal.base_url()))
            .header("Cookie", format!("__Host-portal={}", recruiter.cookies()["__Host-portal"]))
            .header("Origin", portal.base_url())
            .json(&job);
        if let Some(token) = token {
            request = request.header("X-CSRF-Token", token);
        }
        recruiter.send(request).await.expect_problem(403, "csrf_failed");
    }
    let _ = recruiter.post("/api/jobs", &job).await.expect(201);
}

#[tokio::test]
async fn a_cookie_that_we_did_not_make_is_nobodys() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let long = "a".repeat(3_000);
    for value in ["", "x", "a=b", &long, "%00", "../../etc"] {
        let mut browser = portal.browser();
        browser.set_cookie("__Host-portal", value);
        browser.get("/api/session").await.expect_problem(401, "unauthenticated");
    }
}
