//! Where a person is signed in, and ending it.

use portal_tests::client::Browser;
use portal_tests::portal::Redis;
use reqwest::Method;
use serde_json::Value;
use tenancy::Role;

use crate::support::{Pair, is_signed_out_soon, status};

async fn devices(browser: &Browser) -> Vec<Value> {
    let answer = browser.get("/api/sessions").await.expect(200).json();
    answer["sessions"].as_array().unwrap().clone()
}

async fn deletes(browser: &Browser, path: &str) -> portal_tests::client::Answer {
    browser.send(browser.request(Method::DELETE, path)).await
}

#[tokio::test]
async fn a_person_sees_their_browsers_and_no_secret() {
    let pair = Pair::over(Redis::Shared, &[]).await;
    let [first, _] = pair.signs_in(Role::Recruiter).await;
    let second = pair.signs_in_again(Role::Recruiter).await;
    let _somebody_else = pair.signs_in(Role::Admin).await;
    let listed = devices(&second).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    let current: Vec<&Value> = listed.iter().map(|device| &device["current"]).collect();
    assert_eq!(current, [true, false], "newest first");
    for device in &listed {
        let fields: Vec<&String> = device.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            [
                "address",
                "created_at",
                "current",
                "expires_at",
                "handle",
                "last_seen_at",
                "user_agent"
            ]
        );
        assert_eq!(device["address"], "127.0.0.0/24");
    }
    let text = first.get("/api/sessions").await.text;
    for browser in [&first, &second] {
        for cookie in browser.cookies().values() {
            assert!(!text.contains(cookie.as_str()));
        }
        assert!(!text.contains(browser.csrf_token().unwrap()));
    }
}

#[tokio::test]
async fn one_browser_is_signed_out_from_another() {
    let pair = Pair::over(Redis::Shared, &[]).await;
    let [lost, lost_at_two] = pair.signs_in(Role::Recruiter).await;
    let kept = pair.signs_in_again(Role::Recruiter).await;
    let [stranger, _] = pair.signs_in(Role::Admin).await;
    assert_eq!((status(&lost).await, status(&lost_at_two).await), (200, 200));
    let listed = devices(&kept).await;
    let handle = listed[1]["handle"].as_str().unwrap();
    let path = format!("/api/sessions/{handle}");
    deletes(&stranger, &path).await.expect_problem(404, "not_found");
    deletes(&kept, "/api/sessions/7").await.expect_problem(404, "not_found");
    let mut without_token = Browser::new(pair.portals[0].base_url());
    for (name, value) in kept.cookies() {
        without_token.set_cookie(name, value);
    }
    deletes(&without_token, &path).await.expect_problem(403, "csrf_failed");

    let _ = deletes(&kept, &path).await.expect(204);
    for browser in [&lost, &lost_at_two] {
        is_signed_out_soon(browser, "the browser that was lost").await;
    }
    deletes(&kept, &path).await.expect_problem(404, "not_found");
    assert_eq!((status(&kept).await, status(&stranger).await), (200, 200));
    assert_eq!(devices(&kept).await.len(), 1);
}

#[tokio::test]
async fn all_others_and_then_everywhere() {
    let pair = Pair::over(Redis::Shared, &[]).await;
    let [first, first_at_two] = pair.signs_in(Role::Recruiter).await;
    let second = pair.signs_in_again(Role::Recruiter).await;
    let [colleague, _] = pair.signs_in(Role::Owner).await;
    deletes(&second, "/api/sessions?others=1").await.expect_problem(400, "invalid_parameter");
    let _ = deletes(&second, "/api/sessions?others=true").await.expect(204);
    for browser in [&first, &first_at_two] {
        is_signed_out_soon(browser, "another browser").await;
    }
    assert_eq!(status(&second).await, 200);
    let third = pair.signs_in_again(Role::Recruiter).await;
    let _ = deletes(&second, "/api/sessions").await.expect(204);
    for browser in [&second, &third] {
        is_signed_out_soon(browser, "any browser").await;
    }
    assert_eq!(status(&colleague).await, 200);
    let again = pair.signs_in_again(Role::Recruiter).await;
    assert_eq!(status(&again).await, 200, "signing in anew works");
}
