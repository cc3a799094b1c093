//! Pages of other origins.

use portal_tests::client::{Answer, Browser, http};
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use reqwest::Method;
use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};
use tenancy::Role;

const LISTED: &str = "https://app.example.com";
const LIST: [(&str, &str); 1] =
    [("PORTAL__HTTP__ALLOWED_ORIGINS", "https://app.example.com, https://b.example.com:8443")];

/// A request with this person's cookies and token, and of headers only `sent`.
async fn sends(
    browser: &Browser,
    portal: &Portal,
    method: Method,
    path: &str,
    sent: &[(&'static str, &str)],
) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let cookies: Vec<String> =
        browser.cookies().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut request = http()
        .request(method.clone(), format!("{}{path}", portal.base_url()))
        .headers(headers)
        .header(COOKIE, cookies.join("; "));
    if let Some(token) = browser.csrf_token() {
        request = request.header("X-CSRF-Token", token);
    }
    if method == Method::POST {
        request = request.json(&job::nurse());
    }
    browser.send(request).await
}

#[tokio::test]
async fn a_cookie_changes_nothing_for_another_page() {
    let world = World::shared().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &LIST).await;
    let owner = world.tenant().await.signs_in(&portal, Role::Owner).await;
    let own = portal.base_url();
    let evil = "https://evil.example";
    let referer = format!("{own}/jobs");
    let accepted: &[&[(&str, &str)]] = &[
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "same-origin"), ("origin", own)],
        &[("origin", own)],
        &[("referer", &referer)],
        &[("sec-fetch-site", "cross-site"), ("origin", LISTED)],
    ];
    for headers in accepted {
        let answer = sends(&owner, &portal, Method::POST, "/api/jobs", headers).await;
        assert_eq!(answer.status, 201, "{headers:?}: {}", answer.text);
    }
    let refused: &[&[(&str, &str)]] = &[
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", own)],
        &[("sec-fetch-site", "same-origin"), ("origin", evil)],
        &[("origin", evil)],
        &[("origin", "null")],
        &[("referer", "https://evil.example/")],
    ];
    for headers in refused {
        for (method, path) in [(Method::POST, "/api/jobs"), (Method::POST, "/auth/logout")] {
            let answer = sends(&owner, &portal, method, path, headers).await;
            answer.expect_problem(403, "csrf_failed");
        }
    }
    // Nothing was changed, nobody was signed out; and reading needs no origin.
    let jobs = sends(&owner, &portal, Method::GET, "/api/jobs?count=true", &[]).await.expect(200);
    assert_eq!(jobs.json()["total"], accepted.len(), "{}", jobs.text);
}

#[tokio::test]
async fn pages_of_the_list_share_answers_and_no_others() {
    let world = World::shared().await;
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &LIST).await;
    let owner = world.tenant().await.signs_in(&portal, Role::Owner).await;
    for (origin, is_listed) in [
        (LISTED, true),
        ("https://b.example.com:8443", true),
        ("https://app.example.com.evil.example", false),
        ("https://evil-app.example.com", false),
        ("http://app.example.com", false),
        ("https://app.example.com:8443", false),
        ("null", false),
    ] {
        for path in ["/api/jobs", "/api/nowhere"] {
            let answer = sends(&owner, &portal, Method::GET, path, &[("origin", origin)]).await;
            let expected = if is_listed { origin } else { "" };
            assert_eq!(answer.header("access-control-allow-origin"), expected, "{origin} {path}");
            let credentials = answer.header("access-control-allow-credentials");
            assert_eq!(credentials == "true", is_listed, "{origin} {path}");
            assert!(answer.header("vary").contains("Origin"), "{origin} {path}");
        }
        let asked = [("origin", origin), ("access-control-request-method", "PATCH")];
        let preflight = sends(&owner, &portal, Method::OPTIONS, "/api/jobs/any", &asked).await;
        assert_eq!(preflight.status == 204, is_listed, "{origin}: {}", preflight.status);
        let told = preflight.header("access-control-allow-methods");
        assert_eq!(told.contains("PATCH"), is_listed, "{origin}: {told}");
        assert_eq!(preflight.header("access-control-max-age") == "600", is_listed, "{origin}");
    }
    // Without a list nothing is said, and no answer varies by it.
    let closed = Portal::spawn(&world.databases, Redis::Memory).await;
    let asked = [("origin", LISTED), ("access-control-request-method", "GET")];
    for method in [Method::GET, Method::OPTIONS] {
        let answer = sends(&owner, &closed, method, "/api/jobs", &asked).await;
        let names: Vec<&str> = answer.headers.keys().map(HeaderName::as_str).collect();
        assert!(!names.iter().any(|name| name.starts_with("access-control")), "{names:?}");
        assert!(!answer.header("vary").contains("Origin"));
    }
}
