//! Access tokens that end before their session, and an identity provider that is slow or broken.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use portal_tests::client::Browser;
use portal_tests::portal::{CLIENT_SECRET, Redis};
use portal_tests::waiting::eventually;
use serde_json::{Value, json};
use tenancy::Role;

use crate::support::{Pair, SOON, is_signed_out_soon, status};

const AUDIENCE: &str = "https://api.portal.example/";

/// Tokens are asked for, and failed refreshes tried again soon.
const SETTINGS: [(&str, &str); 4] = [
    ("AUTH0_AUDIENCE", AUDIENCE),
    ("PORTAL__AUTH__REFRESH_EARLY_SECONDS", "1"),
    ("PORTAL__AUTH__REFRESH_PAUSE_MS", "500"),
    ("PORTAL__AUTH__REQUEST_TIMEOUT_MS", "2000"),
];

/// Somebody whose access token has ended.
async fn with_an_ended_token(pair: &Pair, role: Role) -> [Browser; 2] {
    let subject = pair.tenant.subject(role);
    pair.world.provider.will_fail_once(&subject, json!({ "access_token_seconds": 3 })).await;
    let browsers = pair.signs_in(role).await;
    assert_eq!(refreshes(pair, role).await, 0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    browsers
}

/// Calls of the token endpoint about one person.
async fn requests(pair: &Pair, role: Role) -> Value {
    pair.world.provider.token_requests_of(&pair.tenant.subject(role)).await
}

async fn refreshes(pair: &Pair, role: Role) -> u64 {
    requests(pair, role).await["refresh_token"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_requests_over_two_instances_are_one_refresh() {
    let pair = Pair::over(Redis::Shared, &SETTINGS).await;
    let browsers = with_an_ended_token(&pair, Role::Recruiter).await;
    let requests_at_once = (0..60).map(|number| status(&browsers[number % 2]));
    let statuses = join_all(requests_at_once).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    eventually("the token is refreshed", SOON, async || {
        (refreshes(&pair, Role::Recruiter).await > 0).then_some(())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(join_all(browsers.iter().map(status)).await, [200, 200]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let counts = requests(&pair, Role::Recruiter).await;
    assert_eq!((&counts["refresh_token"], &counts["refused"]), (&json!(1), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_the_token_endpoint_ends_a_session() {
    let pair = Pair::over(Redis::Shared, &SETTINGS).await;
    for (role, fault, is_refused) in [
        (Role::Owner, json!({ "token_status": 429 }), true),
        (Role::Admin, json!({ "token_status": 500 }), true),
        (Role::Recruiter, json!({ "token_delay_ms": 10_000 }), false),
    ] {
        let subject = pair.tenant.subject(role);
        let browsers = with_an_ended_token(&pair, role).await;
        pair.world.provider.will_fail(&subject, fault.clone()).await;
        let began = Instant::now();
        for _ in 0..20 {
            assert_eq!(join_all(browsers.iter().map(status)).await, [200, 200], "{fault}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if is_refused {
            assert!(requests(&pair, role).await["refused"].as_u64() > Some(0), "{fault}");
        }
        pair.world.provider.is_mended(&subject).await;
        eventually("the token is refreshed in the end", Duration::from_secs(20), async || {
            assert_eq!(join_all(browsers.iter().map(status)).await, [200, 200], "{fault}");
            (refreshes(&pair, role).await > 0).then_some(())
        })
        .await;
        assert_eq!(refreshes(&pair, role).await, 1, "{fault}");
        if !is_refused {
            assert!(began.elapsed() > Duration::from_secs(9), "{fault}: the fault was met");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_that_is_taken_back_ends_the_session() {
    let pair = Pair::over(Redis::Shared, &SETTINGS).await;
    let (subject, provider) = (pair.tenant.subject(Role::Viewer), &pair.world.provider);
    let mut at_one = pair.portals[0].browser();
    provider.will_fail_once(&subject, json!({ "access_token_seconds": 3 })).await;
    let login = format!("/auth/login?organization={}", pair.tenant.org);
    let authorize = at_one.visit(&login).await.expect(303).header("location");
    let callback = at_one.authorizes(provider, &authorize, &subject, &pair.tenant.org).await;
    let path = callback.strip_prefix(pair.portals[0].base_url()).unwrap().to_owned();
    let _ = at_one.visit(&path).await.expect(303);
    let at_two = at_one.at(pair.portals[1].base_url());
    assert_eq!((status(&at_one).await, status(&at_two).await), (200, 200));

    let callback = reqwest::Url::parse(&callback).unwrap();
    let code = callback.query_pairs().find(|(name, _)| name == "code").unwrap().1;
    let redirect_uri = format!("{}/auth/callback", pair.portals[0].base_url());
    provider.sees_code_again(&code, &redirect_uri, CLIENT_SECRET).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let _refreshes = status(&at_one).await;
    for browser in [&at_one, &at_two] {
        is_signed_out_soon(browser, "the session whose grant is gone").await;
    }
}
