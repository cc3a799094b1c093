//! Jobs close when their last day has passed: once, with one event.

use std::collections::HashSet;

use employer_store::jobs::{self, CloseReason, JobStatus, StatusChange};
use employer_store::testing::connection;
use tenancy::{EventKind, JobChange, JobState, JobView};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::support::{Store, a_job, done};

#[tokio::test]
async fn two_workers_close_each_job_once() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let mut tx = store.begin(&tenant).await;
    let now: OffsetDateTime =
        sqlx::query_scalar("SELECT now()").fetch_one(connection(&mut tx)).await.unwrap();
    let last_day = Some(now + Duration::hours(1));
    let mut due: HashSet<Uuid> = HashSet::new();
    for index in 0..30 {
        let draft = jobs::create_job(&mut tx, &a_job(&format!("Job {index}"))).await.unwrap();
        let publish = StatusChange::Publish { valid_through: last_day };
        let id = draft.summary.id;
        let _published = done(jobs::change_status(&mut tx, id, None, &publish).await.unwrap());
        if index >= 25 {
            // Paused jobs are not seen, so they do not close.
            let pause = StatusChange::Pause;
            let _paused = done(jobs::change_status(&mut tx, id, None, &pause).await.unwrap());
        } else {
            due.insert(id.as_uuid());
        }
    }
    tx.commit().await.unwrap();

    let early = jobs::close_expired(&store.worker, now, 1_000).await.unwrap();
    assert!(early.iter().all(|event| event.tenant != tenant.scope.tenant()));

    let later = now + Duration::hours(2);
    let close = async || {
        let mut events = Vec::new();
        loop {
            let closed = jobs::close_expired(&store.worker, later, 4).await.unwrap();
            if closed.is_empty() {
                return events;
            }
            events.extend(closed);
        }
    };
    let (one, two) = tokio::join!(close(), close());
    let events: Vec<_> = [one, two]
        .concat()
        .into_iter()
        .filter(|event| event.tenant == tenant.scope.tenant())
        .collect();
    assert!(events.iter().all(|event| event.kind == EventKind::JobStatusChanged));
    assert_eq!(events.len(), due.len(), "one event a job");
    let change = JobChange {
        before: Some(JobState::Published),
        after: Some(JobState::Closed),
        fields: Vec::new(),
        places: None,
        team: None,
    };
    assert!(events.iter().all(|event| event.change().job.as_ref() == Some(&change)));
    assert_eq!(events.iter().filter_map(|event| event.subject).collect::<HashSet<_>>(), due);

    let mut tx = store.begin(&tenant).await;
    for id in due {
        let id = tenancy::JobId::from_uuid(id);
        let job = jobs::find_job(&mut tx, JobView::All, id).await.unwrap().unwrap();
        assert_eq!(job.summary.status, JobStatus::Closed);
        assert_eq!(job.closed_reason, Some(CloseReason::Expired));
        assert_eq!(job.summary.version, 3);
    }
    let audited: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM audit_log
         WHERE actor = 'system:close-expired' AND action = 'job_closed'",
    )
    .fetch_one(connection(&mut tx))
    .await
    .unwrap();
    assert_eq!(audited, 25);
}

#[tokio::test]
async fn people_are_told_once_before_each_last_day() {
    let store = Store::open_for("expiring").await;
    let tenant = store.tenant().await;
    let mut tx = store.begin(&tenant).await;
    let now: OffsetDateTime =
        sqlx::query_scalar("SELECT now()").fetch_one(connection(&mut tx)).await.unwrap();
    for (title, days) in [("Soon", 10), ("Later", 30), ("Short", 1)] {
        let draft = jobs::create_job(&mut tx, &a_job(title)).await.unwrap();
        let publish = StatusChange::Publish { valid_through: Some(now + Duration::days(days)) };
        let id = draft.summary.id;
        let _published = done(jobs::change_status(&mut tx, id, None, &publish).await.unwrap());
    }
    tx.commit().await.unwrap();
    let lead = std::time::Duration::from_secs(3 * 86_400);
    let tell = async |day: i64| {
        jobs::tell_expiring(&store.worker, now + Duration::days(day), lead, 100).await.unwrap()
    };
    assert_eq!(tell(0).await, 0, "whoever publishes for a day knows");
    assert_eq!(tell(6).await, 0);
    let (one, two) = tokio::join!(tell(8), tell(8));
    assert_eq!((one + two, tell(8).await), (1, 0), "once, whoever looks");
    assert_eq!(tell(28).await, 1, "each in its turn");
    let mut superuser = store.superuser().await;
    sqlx::query("UPDATE jobs SET valid_through = valid_through + interval '10 days'")
        .execute(&mut superuser)
        .await
        .unwrap();
    assert_eq!(tell(19).await, 1, "another last day is told again");
}
