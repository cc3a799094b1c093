//! `Idempotency-Key`: a repeated request has one effect and one answer.

use portal_tests::client::{Answer, Browser};
use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::Value;
use tenancy::Role;

async fn creates(browser: &Browser, key: &str, body: &Value) -> Answer {
    let request = browser.request(reqwest::Method::POST, "/api/jobs").json(body);
    browser.send(request.header("Idempotency-Key", key)).await
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_again() {
    let world = World::shared().await;
    let (tenant, other) = (world.tenant().await, world.tenant().await);
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let first = creates(&recruiter, "key-1", &job::nurse()).await.expect(201);
    let again = creates(&recruiter, "key-1", &job::nurse()).await.expect(201);
    assert_eq!(first.text, again.text);
    for name in ["location", "etag"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(recruiter.get("/api/jobs").await.json()["data"].as_array().unwrap().len(), 1);

    let different = creates(&recruiter, "key-1", &job::titled("Else")).await;
    different.expect_problem(422, "idempotency_mismatch");
    // A key belongs to its tenant.
    let elsewhere = other.signs_in(&portal, Role::Recruiter).await;
    assert_ne!(creates(&elsewhere, "key-1", &job::nurse()).await.expect(201).text, first.text);
}

#[tokio::test]
async fn of_many_at_once_one_takes_effect() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let body = job::nurse();
    let attempts = (0..10).map(|_| creates(&recruiter, "key-2", &body));
    let answers = futures_util::future::join_all(attempts).await;
    for answer in &answers {
        match answer.status.as_u16() {
            201 => {}
            409 => drop(answer.expect_problem(409, "idempotency_in_flight")),
            other => panic!("{other}: {}", answer.text),
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 201));
    assert_eq!(recruiter.get("/api/jobs").await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_that_failed_may_be_corrected_under_the_same_key() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let mut wrong = job::nurse();
    wrong["openings"] = 0.into();
    let refused = creates(&recruiter, "key-3", &wrong).await;
    refused.expect_problem(422, "validation_failed");
    let _ = creates(&recruiter, "key-3", &job::nurse()).await.expect(201);
    let unprintable = creates(&recruiter, &"k".repeat(256), &job::nurse()).await;
    unprintable.expect_problem(400, "invalid_parameter");
}
