//! What is added to days that are built, or are being built.

use std::time::Duration as Wait;

use employer_store::analytics;
use sqlx::{Connection as _, Executor as _};
use tenancy::{Clock as _, SystemClock};
use time::OffsetDateTime;

use super::{Count, Deed, Scene, add, everything};
use crate::support::Store;

fn one(minutes_ago: i64) -> Count {
    let (source, kind) = ("board", "application.submitted");
    Count { job: 0, source, kind, minutes_ago, n: 1, is_late: false, is_at_midnight: false }
}

const DAY: i64 = 24 * 60;

/// All in one, since whoever builds days builds those of all tenants of a database.
#[tokio::test]
async fn a_built_day_has_whatever_is_added_and_is_one_of_the_tenants_zone() {
    let store = Store::open_for("latedays").await;
    let mut scene = Scene::open(&store).await;
    scene.moves_to("Asia/Kathmandu").await;
    for day in 0..20 {
        scene.counts(&one(day * DAY)).await;
    }
    let steps = scene.builds_everything().await;
    assert!(steps.iter().all(|step| step.built <= 16 && step.tenant == scene.id()), "{steps:?}");
    let built = scene.built().await;
    // Three days and the part of a fourth are not settled.
    assert!((15..=16).contains(&built), "{built}");
    assert_eq!(steps.iter().map(|step| step.built).sum::<usize>(), usize::try_from(built).unwrap());
    assert!(scene.builds_everything().await.is_empty(), "nobody is due");

    // A day that something is added to is no longer built, and soon is again.
    scene.counts(&one(9 * DAY)).await;
    assert_eq!(scene.built().await, built - 1);
    let steps = scene.builds_everything().await;
    assert_eq!(steps.iter().map(|step| step.built).collect::<Vec<_>>(), [1]);
    assert_eq!(scene.answers(&everything(30)).await[0]["totals"]["applications"], 21);

    // So is one that something is taken from.
    scene.does(&Deed::Uncounts { minutes_ago: 7 * DAY + 60 }).await;
    assert_eq!(scene.built().await, built - 1);
    assert_eq!(scene.builds_everything().await.len(), 1);
    assert_eq!(scene.answers(&everything(30)).await[0]["totals"]["applications"], 20);

    // Another zone has other days.
    scene.moves_to("America/New_York").await;
    let steps = scene.builds_everything().await;
    let removed = steps.iter().map(|step| step.removed).sum::<usize>();
    assert_eq!(removed, usize::try_from(built).unwrap(), "{steps:?}");
    assert!((15..=16).contains(&scene.built().await));
    let in_zone: bool = sqlx::query_scalar(
        "SELECT bool_and(starts_at AT TIME ZONE 'America/New_York'
                         = date_trunc('day', starts_at AT TIME ZONE 'America/New_York'))
         FROM metric_built_days WHERE tenant_id = $1",
    )
    .bind(scene.id())
    .fetch_one(&mut scene.superuser)
    .await
    .unwrap();
    assert!(in_zone);
    scene.answers_as_without_days(&everything(30)).await.unwrap();

    who_adds_waits_for_who_builds(&mut scene).await;
    who_builds_waits_for_who_adds(&mut scene).await;
    a_wrong_day_is_found(&mut scene).await;
}

/// Somebody builds a day without having seen what is added to it meanwhile: it is opened again.
async fn who_adds_waits_for_who_builds(scene: &mut Scene<'_>) {
    let (tenant, job) = (scene.id(), scene.jobs[0].as_uuid());
    let before = scene.built().await;
    let day: (OffsetDateTime, OffsetDateTime) = sqlx::query_as(
        "DELETE FROM metric_built_days
         WHERE tenant_id = $1 AND now() - interval '12 days 20 minutes' BETWEEN starts_at AND ends_at
         RETURNING starts_at, ends_at",
    )
    .bind(tenant)
    .fetch_one(&mut scene.superuser)
    .await
    .unwrap();
    let mut builder = scene.store.superuser().await;
    let mut building = builder.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM metric_day_work WHERE tenant_id = $1 FOR UPDATE")
        .bind(tenant)
        .execute(&mut *building)
        .await
        .unwrap();
    let mut adder = scene.store.superuser().await;
    let process: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut adder).await.unwrap();
    // A quarter of an hour that has nothing yet.
    let late = one(12 * DAY + 20);
    let adding = add(&mut adder, tenant, job, &late);
    let building = async {
        // It waits for the lock, and sees only then which days are built.
        let waits = "SELECT count(*) FROM pg_stat_activity
                     WHERE pid = $1 AND wait_event_type = 'Lock'";
        let mut waiting = 0_i64;
        while waiting == 0 {
            tokio::time::sleep(Wait::from_millis(5)).await;
            let asked = sqlx::query_scalar(waits).bind(process).fetch_one(&mut scene.superuser);
            waiting = asked.await.unwrap();
        }
        sqlx::query(
            "INSERT INTO metric_built_days (tenant_id, starts_at, ends_at) VALUES ($1, $2, $3)",
        )
        .bind(tenant)
        .bind(day.0)
        .bind(day.1)
        .execute(&mut *building)
        .await
        .unwrap();
        building.commit().await.unwrap();
    };
    let both = async { tokio::join!(adding, building) };
    let _ = tokio::time::timeout(Wait::from_secs(60), both).await.unwrap();
    assert_eq!(scene.built().await, before - 1);
    assert_eq!(scene.builds_everything().await.len(), 1);
    scene.answers_as_without_days(&everything(30)).await.unwrap();
}

/// Whose addition is not committed keeps others from building the tenant's days.
async fn who_builds_waits_for_who_adds(scene: &mut Scene<'_>) {
    let (tenant, job) = (scene.id(), scene.jobs[0].as_uuid());
    let mut adder = scene.store.superuser().await;
    scene.is_due().await;
    let mut adding = adder.begin().await.unwrap();
    add(&mut adding, tenant, job, &one(11 * DAY)).await;
    assert!(scene.builds_everything().await.is_empty());
    adding.commit().await.unwrap();
    assert_eq!(scene.builds_everything().await.len(), 1);
    scene.answers_as_without_days(&everything(30)).await.unwrap();
}

async fn a_wrong_day_is_found(scene: &mut Scene<'_>) {
    let (sound, _) = scene.drift().await;
    let changes = [
        "UPDATE metric_days SET n = n + 1",
        "UPDATE metric_day_totals SET n = n + 1",
        "DELETE FROM metric_days",
        "UPDATE metric_days SET source = 'elsewhere'",
    ];
    for change in changes {
        let mut planted = scene.superuser.begin().await.unwrap();
        let one_day = format!(
            "{change} WHERE tenant_id = '{0}' AND starts_at =
                 (SELECT min(starts_at) FROM metric_built_days WHERE tenant_id = '{0}')",
            scene.tenant.scope.tenant(),
        );
        planted.execute(sqlx::AssertSqlSafe(one_day)).await.unwrap();
        planted.commit().await.unwrap();
        assert!(scene.drift().await.0 > sound, "{change}");
        let found =
            analytics::audit(&scene.store.worker, SystemClock.now(), SystemClock.now()).await;
        assert!(found.unwrap() > sound, "{change}");
        // The way to make a day anew.
        sqlx::query("DELETE FROM metric_built_days WHERE tenant_id = $1")
            .bind(scene.id())
            .execute(&mut scene.superuser)
            .await
            .unwrap();
        scene.is_due().await;
        let _ = scene.builds_everything().await;
        assert_eq!(scene.drift().await.0, sound);
    }
}
