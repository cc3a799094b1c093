//! Two instances over one service, which the in-process provider cannot be.

use std::time::Duration;

use portal_tests::client::Browser;
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use serde_json::json;
use tenancy::Role;

/// People who open the same page at the same moment.
const CLIENTS: usize = 1_000;

/// Longer than an instance may show what another one has just changed: to ask takes time as well.
const SOON: Duration = Duration::from_secs(5);

struct Pair {
    _portals: [Portal; 2],
    tenant: Tenant,
    at_one: Browser,
    at_two: Browser,
}

/// A recruiter who signed in at the first instance, and the same session at the second.
async fn pair() -> Pair {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let one = Portal::spawn(&world.databases, Redis::Shared).await;
    let two = Portal::spawn(&world.databases, Redis::Shared).await;
    let at_one = tenant.signs_in(&one, Role::Recruiter).await;
    let at_two = at_one.at(two.base_url());
    Pair { _portals: [one, two], tenant, at_one, at_two }
}

#[tokio::test]
async fn a_session_made_at_one_instance_is_known_at_the_other_until_it_ends() {
    let pair = pair().await;
    let session = pair.at_two.get("/api/session").await.expect(200).json();
    assert_eq!(session["organization"]["id"], pair.tenant.org.as_str());
    let signed_out = pair.at_two.post("/auth/logout", &json!({})).await;
    assert!(signed_out.status.is_success() || signed_out.status.is_redirection());
    eventually("the first instance knows of the sign-out", SOON, async || {
        (pair.at_one.get("/api/session").await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_one_instance_loads_the_other_finds_and_what_one_changes_the_other_shows() {
    let pair = pair().await;
    let created = pair.at_one.post("/api/jobs", &job::titled("Round 0")).await.expect(201);
    let (path, mut etag) = (created.header("location"), created.header("etag"));
    for round in 1..=5 {
        let (writer, reader) = if round % 2 == 0 {
            (&pair.at_one, &pair.at_two)
        } else {
            (&pair.at_two, &pair.at_one)
        };
        for page in ["/api/jobs", path.as_str()] {
            eventually("it is stored", SOON, async || {
                (writer.get(page).await.expect(200).header("x-cache") == "hit").then_some(())
            })
            .await;
            let found = reader.get(page).await.expect(200);
            assert_eq!(found.header("x-cache"), "hit", "{page} in round {round}");
        }
        let title = format!("Round {round}");
        let changed = writer.patch(&path, &etag, &json!({ "title": title })).await.expect(200);
        etag = changed.header("etag");
        assert!(writer.get("/api/jobs").await.text.contains(&title), "the writer at once");
        eventually("the other instance shows the change", SOON, async || {
            let (list, item) = (reader.get("/api/jobs").await, reader.get(&path).await);
            (list.text.contains(&title) && item.text.contains(&title)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_thousand_clients_of_two_instances_make_one_query() {
    let pair = pair().await;
    let _ = pair.at_one.post("/api/jobs", &job::nurse()).await.expect(201);
    let at = [&pair.at_one, &pair.at_two];
    let before = loads_of_the_list(&pair).await;
    let clients = (0..CLIENTS).map(|number| at[number % 2].get("/api/jobs?sort=title"));
    let answers = futures_util::future::join_all(clients).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (reqwest::StatusCode::OK, &answers[0].text));
    }
    assert!(answers[0].text.contains("Nurse"), "{}", answers[0].text);
    // A load is a query: nobody else counts it apart from those of other tests.
    assert_eq!(loads_of_the_list(&pair).await - before, 1);
}

/// How often both instances have asked the database for a list.
async fn loads_of_the_list(pair: &Pair) -> u64 {
    let mut sum = 0;
    for browser in [&pair.at_one, &pair.at_two] {
        let figures = browser.get("/metrics").await.expect(200).text;
        let line = r#"portal_cache_loads_total{feature="jobs",operation="list"} "#;
        let count = figures.lines().find_map(|told| told.strip_prefix(line));
        sum += count.expect("a count of loads").parse::<u64>().unwrap();
    }
    sum
}
