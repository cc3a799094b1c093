//! What signing out ends, while requests are in flight and everywhere else.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use portal_tests::client::{Answer, Browser};
use portal_tests::portal::{Portal, Redis};
use reqwest::Method;
use serde_json::json;
use tenancy::Role;

use crate::keys::key;
use crate::support::{LEASE, Pair, status};

const COOKIE: &str = "__Host-portal";
const ROUNDS: usize = 20;
const IN_FLIGHT: usize = 200;

/// The session cookies that an answer sets.
fn cookies_set(answer: &Answer) -> Vec<String> {
    let prefix = format!("{COOKIE}=");
    let values = answer.headers.get_all("set-cookie").iter().filter_map(|value| {
        let value = value.to_str().ok()?.strip_prefix(&prefix)?;
        value.split(';').next().map(str::to_owned)
    });
    values.filter(|value| !value.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_do_not_outlive_a_sign_out() {
    // Cookies of an older key: every answer to one sets it anew, so that late ones are many.
    let (old, new) = (key("old", 1), key("new", 2));
    let pair = Pair::over(Redis::Shared, &[("SESSION_KEYS", &format!("{new},{old}"))]).await;
    let before = [("SESSION_KEYS", old.as_str())];
    let before = Portal::spawn_with(&pair.world.databases, Redis::Shared, &before).await;
    let mut late_cookies = 0;
    for round in 0..ROUNDS {
        let signed_in = pair.tenant.signs_in(&before, Role::Recruiter).await;
        let browsers = [0, 1].map(|at: usize| signed_in.at(pair.portals[at].base_url()));
        let request = |number: usize| {
            let browser = &browsers[number % 2];
            async move {
                // Spread over the time that the sign-out takes.
                tokio::time::sleep(Duration::from_micros(number as u64 * 150)).await;
                match number % 4 {
                    0 => browser.get("/api/jobs").await,
                    1 => browser.get("/api/sessions").await,
                    2 => browser.post("/api/jobs", &json!({ "title": "" })).await,
                    _ => browser.get("/api/session").await,
                }
            }
        };
        let requests = join_all((0..IN_FLIGHT).map(request));
        let sign_out = async {
            tokio::time::sleep(Duration::from_millis(12)).await;
            browsers[round % 2].post("/auth/logout", &json!({})).await.expect(200)
        };
        let (answers, _signed_out) = tokio::join!(requests, sign_out);
        let statuses: BTreeSet<u16> = answers.iter().map(|a| a.status.as_u16()).collect();
        assert!(statuses.is_subset(&[200, 401, 422].into()), "round {round}: {statuses:?}");

        assert_eq!(status(&browsers[round % 2]).await, 401, "round {round}: at once where asked");
        tokio::time::sleep(LEASE).await;
        for browser in &browsers {
            assert_eq!(status(browser).await, 401, "round {round}");
        }
        // Which are many and all the same session's: some of each round tell.
        for value in answers.iter().rev().flat_map(cookies_set).take(20) {
            late_cookies += 1;
            let mut late = browsers[0].clone();
            late.set_cookie(COOKIE, &value);
            assert_eq!(status(&late).await, 401, "round {round}: a late cookie is a live session");
        }
    }
    assert!(late_cookies >= ROUNDS, "{late_cookies} answers set a cookie");
}

#[tokio::test]
async fn a_cookie_that_was_copied_is_worth_nothing_after_the_sign_out() {
    let pair = Pair::over(Redis::Shared, &[]).await;
    let [one, two] = pair.signs_in(Role::Viewer).await;
    let thief: Browser = two.clone();
    assert_eq!(status(&thief).await, 200);
    let _ = one.post("/auth/logout", &json!({})).await.expect(200);
    crate::support::is_signed_out_soon(&thief, "the copy of the cookie").await;
    let again = one.send(one.request(Method::POST, "/auth/logout")).await;
    again.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn signing_out_tells_the_browser_to_forget() {
    let pair = Pair::over(Redis::Shared, &[]).await;
    let [browser, _] = pair.signs_in(Role::Viewer).await;
    let out = browser.post("/auth/logout", &json!({})).await.expect(200);
    assert_eq!(out.header("clear-site-data"), "\"cache\", \"storage\"");
}
