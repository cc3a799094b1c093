//! Receivers that misbehave, and places that must not be reached.

use std::time::{Duration, Instant};

use portal_tests::receiver::{Manner, Receiver};

use crate::support::{OPEN, SOON, Setup, outcomes};

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_in_time() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::NeverAnswers]).await;
    let hook = setup.hook_at(&receiver).await;
    let id = setup.pings(&hook).await;
    let delivery = setup.delivery_once(&hook, &id, "failed").await;
    assert_eq!(outcomes(&delivery), ["timeout"]);
    let duration = delivery["log"][0]["duration_ms"].as_i64().unwrap();
    assert!((2_900..15_000).contains(&duration), "{duration}");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_read_for_a_bounded_time_and_counts_by_its_status() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::NeverEnds]).await;
    let hook = setup.hook_at(&receiver).await;
    let id = setup.pings(&hook).await;
    let delivery = setup.delivery_once(&hook, &id, "delivered").await;
    assert!(delivery["log"][0]["duration_ms"].as_i64().unwrap() < 15_000);
}

#[tokio::test]
async fn of_a_long_answer_the_beginning_is_kept() {
    let setup = Setup::start().await;
    let long = format!("<html>\u{1b}[2J{}", "a".repeat(100_000));
    let manner = Manner::AnswersWith(500, "content-type: text/html", long);
    let receiver = Receiver::start(OPEN, &[manner]).await;
    let hook = setup.hook_at(&receiver).await;
    let id = setup.pings(&hook).await;
    let delivery = setup.delivery_once(&hook, &id, "failed").await;
    let answer = delivery["log"][0]["answer"].as_str().unwrap();
    assert!(answer.starts_with("<html>[2Jaaa"), "{answer}");
    assert!(answer.len() <= 1_024);
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_not_followed() {
    let setup = Setup::start().await;
    let inside = Receiver::start("127.0.0.1", &[Manner::Answers(200)]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: http://127.0.0.1:{}/", inside.port());
        let manner = Manner::AnswersWith(status, location.leak(), String::new());
        let receiver = Receiver::start(OPEN, &[manner]).await;
        let hook = setup.hook_at(&receiver).await;
        let id = setup.pings(&hook).await;
        let delivery = setup.delivery_once(&hook, &id, "failed").await;
        assert_eq!(outcomes(&delivery), ["redirected"]);
        assert_eq!(delivery["log"][0]["status_code"], status);
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
    let setup = Setup::start().await;
    let inside = Receiver::start("127.0.0.1", &[Manner::Answers(200)]).await;
    let hook = setup.makes(&format!("http://localhost:{}/", inside.port())).await;
    let id = setup.pings(&hook).await;
    let delivery = setup.delivery_once(&hook, &id, "failed").await;
    assert_eq!(outcomes(&delivery), ["forbidden_address"]);

    // Nor is an address that stands in a row, whoever wrote it there.
    let write = "UPDATE webhook_endpoints SET url = $2 WHERE tenant_id = $1";
    let query = sqlx::query(write).bind(setup.tenant.id);
    let url = format!("http://127.0.0.1:{}/", inside.port());
    query.bind(url).execute(&mut setup.superuser().await).await.unwrap();
    let id = setup.pings(&hook).await;
    let delivery = setup.delivery_once(&hook, &id, "failed").await;
    assert_eq!(outcomes(&delivery), ["forbidden_address"]);
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn without_a_readable_secret_nothing_is_sent_and_the_log_says_so() {
    let setup = Setup::start().await;
    let receiver = Receiver::start(OPEN, &[Manner::Answers(200)]).await;
    let hook = setup.hook_at(&receiver).await;
    let damage = "UPDATE webhook_endpoints SET secret = decode(repeat('07', 64), 'hex')
                  WHERE tenant_id = $1";
    let query = sqlx::query(damage).bind(setup.tenant.id);
    query.execute(&mut setup.superuser().await).await.unwrap();
    let id = setup.pings(&hook).await;
    let delivery = setup.delivery_once(&hook, &id, "failed").await;
    assert_eq!(outcomes(&delivery), ["secret_unreadable"]);
    assert_eq!(receiver.connections(), 0);
    assert_eq!(setup.hook(&hook).await["status"], "enabled", "it is not the receiver's fault");
}

#[tokio::test]
async fn a_receiver_that_hangs_costs_the_others_nothing() {
    let setup = Setup::start_for("webhookhangs").await;
    let hanging = Receiver::start(OPEN, &[Manner::NeverAnswers]).await;
    let well = Receiver::start(OPEN, &[Manner::Answers(200)]).await;
    let (bad, good) = (setup.hook_at(&hanging).await, setup.hook_at(&well).await);
    for _ in 0..100 {
        let _ = setup.tells(&bad).await;
    }
    // More than there are places: if the one could take them all, this would wait for its ends.
    let started = Instant::now();
    for _ in 0..20 {
        let _ = setup.tells(&good).await;
    }
    let letters = well.gets(20, SOON).await;
    assert!(letters.iter().all(|message| message.is_signed_with(&good.secret)));
    // The hundred take more than a minute.
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    assert!(hanging.connections() < 50, "few at a time: {}", hanging.connections());
}
