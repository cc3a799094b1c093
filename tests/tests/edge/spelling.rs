//! Paths and cookies count as they are spelt: what browsers and rules compare is the text.

use portal_tests::client::{Answer, http};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use reqwest::Method;
use tenancy::Role;

const COOKIE: &str = "__Host-portal";
const ELSEWHERE: &str = "__Host%2Dportal";

#[tokio::test]
async fn a_path_with_an_escape_is_no_path_of_ours() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let owner = world.tenant().await.signs_in(&portal, Role::Owner).await;
    for path in [
        "/a%75th/login",
        "/auth/callbac%6b",
        "/%61pi/session",
        "/%61pi/team",
        "/api/j%6fbs",
        "/%6cive",
    ] {
        owner.get(path).await.expect_problem(404, "not_found");
    }
    for path in ["/api/session", "/api/team", "/api/jobs?q=%61", "/live"] {
        let _ = owner.get(path).await.expect(200);
    }
}

#[tokio::test]
async fn a_cookie_that_another_site_may_set_is_not_a_session() {
    let world = World::shared().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let (theirs, ours) = (world.tenant().await, world.tenant().await);
    let attacker = theirs.signs_in(&portal, Role::Owner).await.cookies()[COOKIE].clone();
    let victim = ours.signs_in(&portal, Role::Owner).await.cookies()[COOKIE].clone();
    let sends = async |method: Method, path: &str, cookies: String| {
        let url = format!("{}{path}", portal.base_url());
        let request = http().request(method, url).header("Cookie", cookies);
        let request = request.header("Origin", "https://evil.example").json(&serde_json::json!({}));
        Answer::try_read(request.send().await.unwrap()).await.unwrap()
    };
    let alone = || format!("{ELSEWHERE}={attacker}");
    sends(Method::GET, "/api/session", alone()).await.expect_problem(401, "unauthenticated");
    sends(Method::POST, "/api/jobs", alone()).await.expect_problem(401, "unauthenticated");
    for both in [
        format!("{ELSEWHERE}={attacker}; {COOKIE}={victim}"),
        format!("{COOKIE}={victim}; {ELSEWHERE}={attacker}"),
    ] {
        let session = sends(Method::GET, "/api/session", both.clone()).await.expect(200).json();
        assert_eq!(session["organization"]["id"], ours.org);
        sends(Method::POST, "/api/jobs", both).await.expect_problem(403, "csrf_failed");
    }
    let twice = format!("{COOKIE}={attacker}; {COOKIE}={victim}");
    sends(Method::GET, "/api/session", twice).await.expect_problem(401, "unauthenticated");
}
