//! How often somebody may apply: exactly so often, whichever instance they ask.

use portal_tests::applicant::{Form, applies, sends, sends_with};
use portal_tests::portal::{Portal, Redis};
use tenancy::Role;

use crate::{Scene, publishes};

/// The counts are kept by whoever runs these tests at the same time.
fn nobody_elses_address() -> String {
    let [.., a, b, c] = uuid::Uuid::new_v4().into_bytes();
    format!("10.{a}.{b}.{c}")
}

#[tokio::test]
async fn an_address_applies_so_often_over_all_instances() {
    let scene = Scene::open().await;
    let limited = [
        ("PORTAL__HTTP__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("PORTAL__RATE_LIMITS__ENABLED", "true"),
        ("PORTAL__RATE_LIMITS__APPLY_ADDRESS_PER_QUARTER_HOUR", "4"),
    ];
    let redis = Redis::Shared;
    let one = Portal::spawn_with(&scene.world.databases, redis.clone(), &limited).await;
    let other = Portal::spawn_with(&scene.world.databases, redis, &limited).await;
    let (board, slug) = (&scene.tenant.slug, &scene.slug);
    let address = nobody_elses_address();
    let headers = [("X-Forwarded-For", address.as_str())];
    let mut admitted = 0;
    for index in 0..8 {
        let portal = if index % 2 == 0 { one.browser() } else { other.browser() };
        let form = Form::of(&format!("p{index}@applicants.example"));
        let answer = sends_with(&portal, board, slug, &form, &headers).await;
        if answer.status == 202 {
            admitted += 1;
            continue;
        }
        let _ = answer.expect_problem(429, "too_many_requests");
        assert!(answer.header("retry-after").parse::<u64>().unwrap() > 60);
    }
    assert_eq!(admitted, 4, "of both instances together");
    let page = scene.recruiter.get("/api/applications").await.expect(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), admitted);
}

#[tokio::test]
async fn a_person_applies_so_often_and_others_are_not_in_their_way() {
    let scene = Scene::open_with(&[
        ("PORTAL__RATE_LIMITS__ENABLED", "true"),
        ("PORTAL__RATE_LIMITS__APPLY_ADDRESS_PER_QUARTER_HOUR", "1000"),
        ("PORTAL__RATE_LIMITS__APPLY_PERSON_PER_QUARTER_HOUR", "2"),
    ])
    .await;
    let (anybody, board, slug) = (scene.anybody(), &scene.tenant.slug, &scene.slug);
    for _ in 0..2 {
        let _ = applies(&anybody, board, slug, "ada@applicants.example").await;
    }
    let third = sends(&anybody, board, slug, &Form::of("ADA@applicants.example")).await;
    let _ = third.expect_problem(429, "too_many_requests");
    let _ = applies(&anybody, board, slug, "bob@applicants.example").await;
}

#[tokio::test]
async fn who_comes_in_a_rush_waits_for_a_turn() {
    let scene = Scene::open_with(&[
        ("PORTAL__RATE_LIMITS__ENABLED", "true"),
        ("PORTAL__RATE_LIMITS__APPLY_ADDRESS_PER_QUARTER_HOUR", "1000"),
        ("PORTAL__RATE_LIMITS__APPLY_BOARD_PER_TEN_SECONDS", "5"),
        ("PORTAL__BOARD__QUEUE_TIMEOUT_MS", "3000"),
    ])
    .await;
    let owner = scene.tenant.signs_in(&scene.portal, Role::Owner).await;
    let (_, slug) = publishes(&owner).await;
    let (anybody, board) = (scene.anybody(), &scene.tenant.slug);
    // However long each takes: five, and then one in two seconds.
    let begun = std::time::Instant::now();
    let turns = || 5.0 + begun.elapsed().as_secs_f64() / 2.0;
    for index in 0..5 {
        let _ = applies(&anybody, board, &slug, &format!("p{index}@applicants.example")).await;
    }
    let _ = applies(&anybody, board, &slug, "patient@applicants.example").await;
    assert!(turns() > 5.95, "the sixth waited: {:?}", begun.elapsed());
    // Of many at once, those wait whose turn comes in time; the others are asked to come back.
    let forms: Vec<Form> =
        (0..4).map(|index| Form::of(&format!("rush{index}@applicants.example"))).collect();
    let send = |form| sends(&anybody, board, &slug, form);
    let (a, b, c, d) =
        tokio::join!(send(&forms[0]), send(&forms[1]), send(&forms[2]), send(&forms[3]));
    let answers = [a, b, c, d];
    let admitted = answers.iter().filter(|answer| answer.status == 202).count();
    assert!(admitted >= 1, "the first waits for two seconds and may for three");
    assert!(6.0 + admitted as f64 <= turns() + 0.05, "{admitted} after {:?}", begun.elapsed());
    for answer in answers.iter().filter(|answer| answer.status != 202) {
        let _ = answer.expect_problem(429, "too_many_requests");
        assert!(answer.headers.contains_key("retry-after"));
    }
}
