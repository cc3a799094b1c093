//! What becomes of a message: tried again, given up, asked for once more, never lost.

use std::time::Duration;

use portal_tests::job;
use portal_tests::receiver::{Manner, Receiver};
use portal_tests::waiting::eventually;
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::{OPEN, SOON, Setup, outcomes};

#[tokio::test]
async fn a_message_is_tried_again_under_the_same_name_until_it_is_taken() {
    let setup = Setup::start().await;
    let manners = [Manner::Answers(500), Manner::HangsUp, Manner::Answers(200)];
    let receiver = Receiver::start(OPEN, &manners).await;
    let hook = setup.hook_at(&receiver).await;
    let id = setup.tells(&hook).await;
    let delivery = setup.delivery_once(&hook, &id, "delivered").await;
    assert_eq!(outcomes(&delivery), ["refused", "no_connection", "delivered"]);
    let letters = receiver.received();
    assert_eq!(letters.len(), 3);
    for message in &letters {
        assert!(message.is_signed_with(&hook.secret), "each attempt is signed for its moment");
        assert_eq!(message.header("webhook-id"), delivery["webhook_id"]);
        assert_eq!(message.body, letters[0].body);
    }
    let body = letters[0].json();
    assert_eq!(body["type"], "job.created");
    assert_eq!(body["data"]["job"], id.as_str());
    assert_eq!(setup.hook(&hook).await["failures"], 0, "a success ends the count");
}

#[tokio::test]
async fn what_happens_is_told_to_who_asked_for_it_once() {
    let setup = Setup::start().await;
    let (all, some) = (
        Receiver::start(OPEN, &[Manner::Answers(200)]).await,
        Receiver::start(OPEN, &[Manner::Answers(200)]).await,
    );
    let hook = setup.hook_at(&all).await;
    let body = json!({ "url": some.url(), "kinds": ["job.status_changed"] });
    let picky = setup.owner.post("/api/webhooks", &body).await.expect(201).json();
    let other = Setup::start().await;

    let job = setup.owner.post("/api/jobs", &job::nurse()).await.expect(201);
    let path = job.header("location");
    let _ = setup.owner.post(&format!("{path}/publish"), &json!({})).await.expect(200);
    let letters = all.gets(2, SOON).await;
    let mut kinds: Vec<String> =
        letters.iter().map(|one| one.json()["type"].as_str().unwrap().to_owned()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["job.created", "job.status_changed"]);
    for message in &letters {
        assert!(message.is_signed_with(&hook.secret));
        assert_eq!(message.json()["data"]["job"], job.json()["id"]);
    }
    let chosen = some.gets(1, SOON).await;
    assert!(chosen[0].is_signed_with(picky["secret"].as_str().unwrap()));
    let changed = chosen[0].json();
    assert_eq!(changed["type"], "job.status_changed");
    assert_eq!(
        (&changed["data"]["from"], &changed["data"]["to"]),
        (&json!("draft"), &json!("published"))
    );
    let twin = letters.iter().find(|one| one.json()["type"] == "job.status_changed").unwrap();
    assert_eq!(twin.header("webhook-id"), chosen[0].header("webhook-id"), "one event, one name");
    assert!(!chosen[0].json().to_string().contains("Nurse"), "ids and states, no texts");
    // Another tenant's jobs are none of theirs; theirs come after ours have.
    let _ = other.owner.post("/api/jobs", &job::nurse()).await.expect(201);
    let _ = setup.pings(&hook).await;
    assert_eq!(all.gets(3, SOON).await[2].json()["type"], "webhook.ping");
    assert_eq!((all.received().len(), some.received().len()), (3, 1));
}

#[tokio::test]
async fn after_the_last_attempt_it_is_given_up_and_may_be_asked_for_again() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::Answers(503)]).await;
    let hook = setup.hook_at(&receiver).await;
    let id = setup.tells(&hook).await;
    let delivery = setup.delivery_once(&hook, &id, "failed").await;
    assert_eq!(outcomes(&delivery), ["refused"; 4], "once, and three more by the schedule");

    receiver.behaves(Manner::Answers(200));
    let path = format!("{}/deliveries/{id}/redeliver", hook.path);
    let _ = setup.owner.post(&path, &json!({})).await.expect(202);
    let delivery = setup.delivery_once(&hook, &id, "delivered").await;
    assert_eq!(delivery["attempts"], 5);
    let letters = receiver.received();
    assert!(letters.iter().all(|one| one.header("webhook-id") == delivery["webhook_id"]));
    assert_eq!(setup.tenant.audited("webhook_redelivered").await, 1);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_is_left_alone() {
    let setup = Setup::start().await;
    let manner = Manner::AnswersWith(429, "retry-after: 3600", String::new());
    let receiver = Receiver::start(OPEN, &[manner]).await;
    let hook = setup.hook_at(&receiver).await;
    let id = setup.tells(&hook).await;
    let delivery = setup.tried(&hook, &id, 1).await;
    let next = delivery["next_attempt_at"].as_str().unwrap();
    let next = OffsetDateTime::parse(next, &Rfc3339).unwrap();
    let soonest = setup.tenant.instant_in(Duration::from_secs(3_000));
    assert!(next > OffsetDateTime::parse(&soonest, &Rfc3339).unwrap(), "{next}");
    // What comes next waits as well, without an attempt.
    let second = setup.tells(&hook).await;
    let third = setup.pings(&hook).await;
    let well = Receiver::start(OPEN, &[Manner::Answers(200)]).await;
    let other = setup.hook_at(&well).await;
    let later = setup.pings(&other).await;
    let _ = setup.delivery_once(&other, &later, "delivered").await;
    for waiting in [second, third] {
        assert_eq!(setup.delivery(&hook, &waiting).await["attempts"], 0);
    }
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_told_nothing_more_until_it_is_enabled() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::Answers(410)]).await;
    let hook = setup.hook_at(&receiver).await;
    let id = setup.tells(&hook).await;
    let _ = setup.delivery_once(&hook, &id, "failed").await;
    let disabled = setup.hook(&hook).await;
    assert_eq!(
        (&disabled["status"], &disabled["disabled_for"]),
        (&json!("disabled"), &json!("gone"))
    );
    let ping = setup.owner.post(&format!("{}/ping", hook.path), &json!({})).await;
    drop(ping.expect_problem(409, "conflict"));
    let again = format!("{}/deliveries/{id}/redeliver", hook.path);
    drop(setup.owner.post(&again, &json!({})).await.expect_problem(409, "conflict"));
    assert_eq!(setup.tenant.audited("webhook_disabled").await, 1);

    receiver.behaves(Manner::Answers(200));
    assert_eq!(setup.sends(Method::PATCH, &hook.path, &json!({ "enabled": true })).await, 200);
    let _ = setup.owner.post(&again, &json!({})).await.expect(202);
    let _ = setup.delivery_once(&hook, &id, "delivered").await;
}

#[tokio::test]
async fn an_endpoint_that_fails_for_days_is_disabled_and_what_waits_is_given_up() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::Answers(500)]).await;
    let hook = setup.hook_at(&receiver).await;
    let id = setup.tells(&hook).await;
    let _ = setup.tried(&hook, &id, 1).await;
    assert_eq!(setup.hook(&hook).await["status"], "enabled");
    let _ = setup.delivery_once(&hook, &id, "failed").await;
    let days = "UPDATE webhook_endpoints SET failing_since = now() - interval '5 days 1 minute'
                WHERE tenant_id = $1";
    let query = sqlx::query(days).bind(setup.tenant.id);
    query.execute(&mut setup.superuser().await).await.unwrap();
    // Its first attempt is one too many, and it is not tried again.
    let id = setup.tells(&hook).await;
    eventually("the endpoint is disabled", SOON, async || {
        let hook = setup.hook(&hook).await;
        (hook["status"] == "disabled" && hook["disabled_for"] == "failing").then_some(())
    })
    .await;
    let trail = setup.tenant.audit_trail("webhook_disabled").await;
    assert_eq!(trail[0].0, "system:webhooks");
    assert_eq!(trail[0].3, json!({ "reason": "failing" }));
    // Whoever may mend it is told.
    eventually("the owner is told", SOON, async || {
        let told = "SELECT count(*) FROM notifications
                    WHERE tenant_id = $1 AND kind = 'webhook_disabled' AND data->>'reason' = 'failing'";
        let count: i64 = sqlx::query_scalar(told)
            .bind(setup.tenant.id)
            .fetch_one(&mut setup.superuser().await)
            .await
            .unwrap();
        (count == 2).then_some(())
    })
    .await;
    // The next instance clears up at its start, as this one does once a minute.
    let _another = Setup::spawns(&setup.world).await;
    let given_up = setup.delivery_once(&hook, &id, "failed").await;
    assert_eq!(given_up["attempts"], 1);
}

#[tokio::test]
async fn a_paused_endpoint_is_told_nothing() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::Answers(200)]).await;
    let hook = setup.hook_at(&receiver).await;
    assert_eq!(setup.sends(Method::PATCH, &hook.path, &json!({ "enabled": false })).await, 200);
    let ping = setup.owner.post(&format!("{}/ping", hook.path), &json!({})).await;
    drop(ping.expect_problem(409, "conflict"));
    assert_eq!(setup.hook(&hook).await["status"], "paused");
    assert_eq!(setup.sends(Method::PATCH, &hook.path, &json!({ "enabled": true })).await, 200);
    let id = setup.pings(&hook).await;
    let _ = setup.delivery_once(&hook, &id, "delivered").await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn what_a_process_had_in_hand_when_it_died_is_sent_by_another() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::NeverAnswers]).await;
    let hook = setup.hook_at(&receiver).await;
    // In somebody's hand who will not come back.
    let id = setup.tells(&hook).await;
    let _ = receiver.gets(1, SOON).await;
    receiver.behaves(Manner::Answers(200));
    let died = "UPDATE webhook_deliveries
                SET attempts = attempts + 1, in_hand = true, status = 'pending',
                    finished_at = NULL, next_attempt_at = now() + interval '2 seconds'
                WHERE tenant_id = $1";
    let query = sqlx::query(died).bind(setup.tenant.id);
    query.execute(&mut setup.superuser().await).await.unwrap();
    let delivery = setup.delivery_once(&hook, &id, "delivered").await;
    let log = delivery["log"].as_array().unwrap();
    assert_eq!(log.last().unwrap()["outcome"], "delivered");
    assert_eq!(log.last().unwrap()["number"], delivery["attempts"]);
    assert!(log.len() < usize::try_from(delivery["attempts"].as_i64().unwrap()).unwrap());
}
