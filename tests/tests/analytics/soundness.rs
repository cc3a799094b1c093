//! What comes late, and whether sums are what the log comes to.

use portal_tests::waiting::eventually;
use serde_json::Value;
use tenancy::{Clock as _, Role, SystemClock};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::history::{History, SOON};
use crate::{Scene, instant, report};

/// Tells of an application that came in at another time than it is told.
async fn is_told_late(scene: &Scene, occurred_at: OffsetDateTime) {
    let mut connection = scene.superuser().await;
    let event: Uuid = sqlx::query_scalar(
        "INSERT INTO outbox (tenant_id, kind, subject, payload, acted)
         VALUES ($1, 'application.submitted', $3,
                 jsonb_build_object('v', 1, 'job', $2::uuid, 'application', $3::uuid,
                     'to', 'applied', 'occurred_at', $4::timestamptz), true)
         RETURNING event_id",
    )
    .bind(scene.tenant.id)
    .bind(scene.jobs[0])
    .bind(Uuid::now_v7())
    .bind(occurred_at)
    .fetch_one(&mut connection)
    .await
    .unwrap();
    eventually("it is told", SOON, async || {
        let found: Option<i32> =
            sqlx::query_scalar("SELECT 1 FROM event_log WHERE tenant_id = $1 AND event_id = $2")
                .bind(scene.tenant.id)
                .bind(event)
                .fetch_optional(&mut connection)
                .await
                .unwrap();
        found
    })
    .await;
}

/// The hours in which applications were counted, with how many; in a zone that nobody asked before.
async fn hours(scene: &Scene, zone: &str) -> (Value, Vec<(OffsetDateTime, i64)>) {
    let today = SystemClock.now().date();
    let (from, to) = (today - Duration::days(6), today + Duration::days(1));
    let path = format!("timeseries?grain=hour&from={from}&to={to}&tz={zone}");
    let answer = report(&scene.owner, &path).await;
    let starts = answer["starts"].as_array().unwrap().iter().map(instant);
    let values = answer["series"][0]["values"].as_array().unwrap();
    let counts = values.iter().map(|value| value.as_i64().unwrap());
    let counted = starts.zip(counts).filter(|(_, count)| *count > 0).collect();
    (answer["revised_at"].clone(), counted)
}

fn hour_of(at: OffsetDateTime) -> OffsetDateTime {
    let seconds = at.unix_timestamp();
    OffsetDateTime::from_unix_timestamp(seconds - seconds.rem_euclid(3_600)).unwrap()
}

#[tokio::test]
async fn what_comes_late_counts_where_it_belongs_and_the_answer_says_so() {
    let scene = Scene::open().await;
    let now = SystemClock.now();
    is_told_late(&scene, now).await;
    let (revised_at, counted) = hours(&scene, "UTC").await;
    assert_eq!((revised_at, counted), (Value::Null, vec![(hour_of(now), 1)]), "nothing is late");
    let late = now - Duration::hours(50);
    is_told_late(&scene, late).await;
    let (revised_at, counted) = hours(&scene, "Africa/Abidjan").await;
    assert!(instant(&revised_at) >= now, "{revised_at}");
    assert_eq!(counted, [(hour_of(late), 1), (hour_of(now), 1)]);
}

#[tokio::test]
async fn what_is_told_of_another_year_counts_at_the_bound() {
    let scene = Scene::open().await;
    let now = SystemClock.now();
    is_told_late(&scene, now - Duration::days(365)).await;
    is_told_late(&scene, now + Duration::days(365)).await;
    let (_, counted) = hours(&scene, "UTC").await;
    let told = SystemClock.now();
    let is_at = |at: OffsetDateTime, bound: Duration| {
        (hour_of(now + bound)..=hour_of(told + bound)).contains(&at)
    };
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<i64>(), 2, "{counted:?}");
    assert!(is_at(counted[0].0, -Duration::hours(72)), "{counted:?}");
    assert!(is_at(counted[1].0, Duration::minutes(5)), "{counted:?}");
}

#[tokio::test]
async fn sums_are_what_the_log_comes_to_and_it_shows_when_they_are_not() {
    let scene = Scene::open().await;
    let now = SystemClock.now();
    let span = (now - Duration::hours(70), now - Duration::hours(1));
    let history = History::invent(31, &scene.jobs, 60, span);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    let drift = async || report(&scene.owner, "drift").await;
    let sound = drift().await;
    assert_eq!(sound["drifting"], 0, "{sound}");
    assert!(sound["events"].as_i64().unwrap() >= 60, "{sound}");
    let mut connection = scene.superuser().await;
    let mut change = async |n: i64| {
        sqlx::query(
            "UPDATE metric_hours SET n = n + $2
             WHERE tenant_id = $1 AND kind = 'application.submitted'
               AND bucket = (SELECT max(bucket) FROM metric_hours
                             WHERE tenant_id = $1 AND kind = 'application.submitted')",
        )
        .bind(scene.tenant.id)
        .bind(n)
        .execute(&mut connection)
        .await
        .unwrap();
    };
    change(1).await;
    assert!(drift().await["drifting"].as_i64().unwrap() > 0);
    change(-1).await;
    assert_eq!(drift().await["drifting"], 0);
    for role in [Role::Recruiter, Role::HiringManager, Role::Viewer] {
        let browser = scene.tenant.signs_in(&scene.portal, role).await;
        let _ = browser.get("/api/analytics/drift").await.expect_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn every_instance_shows_what_one_of_them_has_compared() {
    let world = portal_tests::tenant::World::for_purpose("shownaudits").await;
    let scene = Scene::open_in(world, &[]).await;
    let other = portal_tests::portal::Portal::spawn_with(
        &scene.world.databases,
        portal_tests::portal::Redis::Memory,
        &[],
    )
    .await;
    for portal in [&scene.portal, &other] {
        eventually("the audit is shown", std::time::Duration::from_secs(90), async || {
            let page = portal.browser().get("/metrics").await.text;
            page.lines().any(|line| line == "portal_rollup_drift 0.0").then_some(())
        })
        .await;
    }
    let audits: i64 = sqlx::query_scalar("SELECT count(*) FROM rollup_audits")
        .fetch_one(&mut scene.superuser().await)
        .await
        .unwrap();
    assert!((1..=2).contains(&audits), "one, or two where it was due in between: {audits}");
}
