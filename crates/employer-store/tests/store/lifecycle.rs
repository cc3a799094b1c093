//! Every step from every state, and what publishing takes.

use std::time::Duration;

use employer_store::jobs::{
    self, CloseReason, JobStatus, NewJob, PublishBlocker, StatusChange, WorkplaceType, WriteOutcome,
};
use employer_store::testing::NewTenant;
use sqlx::Connection;
use time::OffsetDateTime;

use crate::support::{Store, a_job, done, take_to};

use PublishBlocker::{DescriptionMissing, LocationMissing, PayRangeMissing, ValidThroughPassed};

const PUBLISH: StatusChange = StatusChange::Publish { valid_through: None };
const REOPEN: StatusChange = StatusChange::Reopen { valid_through: None };
const CLOSE: StatusChange = StatusChange::Close { reason: CloseReason::Cancelled };

async fn database_now(store: &Store) -> OffsetDateTime {
    let mut superuser = store.superuser().await;
    let now = sqlx::query_scalar("SELECT now()").fetch_one(&mut superuser).await.unwrap();
    superuser.close().await.unwrap();
    now
}

#[tokio::test]
async fn each_step_is_taken_or_refused_as_the_life_cycle_says() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    for from in JobStatus::ALL {
        for step in [
            PUBLISH,
            StatusChange::Pause,
            CLOSE,
            REOPEN,
            StatusChange::Archive,
            StatusChange::Toggle,
        ] {
            let mut tx = store.begin(&tenant).await;
            let draft = jobs::create_job(&mut tx, &a_job("Any")).await.unwrap();
            let job = take_to(&mut tx, draft, *from).await;
            let version = job.summary.version;
            let outcome =
                jobs::change_status(&mut tx, job.summary.id, Some(version), &step).await.unwrap();
            match step.leads_to(*from) {
                Some(to) => {
                    let job = done(outcome);
                    assert_eq!(job.summary.status, to, "{} from {from}", step.verb());
                    assert_eq!(job.summary.version, version + 1);
                    let is_closed = to == JobStatus::Closed;
                    assert_eq!(job.closed_reason == Some(CloseReason::Cancelled), is_closed);
                    if to == JobStatus::Draft {
                        assert_eq!(job.summary.published_at, None);
                    }
                }
                None => assert_eq!(
                    outcome,
                    WriteOutcome::TransitionRefused { from: *from, action: step.verb() }
                ),
            }
        }
    }
}

#[tokio::test]
async fn a_step_on_an_old_version_is_refused() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary;
    let mut tx = store.begin(&tenant).await;
    let outcome = jobs::change_status(&mut tx, job.id, Some(7), &PUBLISH).await.unwrap();
    assert_eq!(outcome, WriteOutcome::VersionMismatch { current: 1 });
}

#[tokio::test]
async fn publishing_takes_a_description_a_place_pay_and_time() {
    let store = Store::open().await;
    let wanted = NewTenant { pay_range_required: true, ..NewTenant::default() };
    let strict = store.tenant_like(wanted).await;
    let lax = store.tenant().await;
    let now = database_now(&store).await;
    let past = Some(now - Duration::from_secs(60));
    let bare = NewJob {
        description: " \n".to_owned(),
        locations: Vec::new(),
        salary: None,
        valid_through: past,
        ..a_job("Bare")
    };
    let blockers = async |tenant, job: &NewJob, step| {
        let mut tx = store.begin(tenant).await;
        let draft = jobs::create_job(&mut tx, job).await.unwrap();
        match jobs::change_status(&mut tx, draft.summary.id, None, &step).await.unwrap() {
            WriteOutcome::Unpublishable(blockers) => blockers,
            other => {
                done(other);
                Vec::new()
            }
        }
    };
    assert_eq!(
        blockers(&strict, &bare, PUBLISH).await,
        [DescriptionMissing, LocationMissing, PayRangeMissing, ValidThroughPassed]
    );
    assert_eq!(
        blockers(&lax, &bare, StatusChange::Toggle).await,
        [DescriptionMissing, LocationMissing, ValidThroughPassed]
    );
    let remote = NewJob {
        workplace: WorkplaceType::Remote,
        locations: Vec::new(),
        valid_through: past,
        ..a_job("Remote")
    };
    assert_eq!(blockers(&strict, &remote, PUBLISH).await, [ValidThroughPassed]);
    let later = StatusChange::Publish { valid_through: Some(now + Duration::from_secs(3600)) };
    assert_eq!(blockers(&strict, &remote, later).await, []);
}

#[tokio::test]
async fn a_pause_keeps_the_day_of_publication_and_a_reopening_does_not() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let published = store.create_in(&tenant, &a_job("Nurse"), JobStatus::Published).await.summary;
    let step = async |step| {
        let mut tx = store.begin(&tenant).await;
        let job = done(jobs::change_status(&mut tx, published.id, None, &step).await.unwrap());
        tx.commit().await.unwrap();
        job.summary
    };
    step(StatusChange::Toggle).await;
    let resumed = step(StatusChange::Toggle).await;
    assert_eq!(resumed.status, JobStatus::Published);
    assert_eq!(resumed.published_at, published.published_at);
    step(CLOSE).await;
    assert!(step(REOPEN).await.published_at > published.published_at);
}

#[tokio::test]
async fn a_draft_is_deleted_and_nothing_else_is() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    for status in JobStatus::ALL {
        let job = store.create_in(&tenant, &a_job("Any"), *status).await.summary;
        let mut tx = store.begin(&tenant).await;
        let stale = jobs::delete_draft(&mut tx, job.id, job.version + 1).await.unwrap();
        assert_eq!(stale, WriteOutcome::VersionMismatch { current: job.version });
        let outcome = jobs::delete_draft(&mut tx, job.id, job.version).await.unwrap();
        if *status == JobStatus::Draft {
            assert_eq!(outcome, WriteOutcome::Done(()));
            let again = jobs::delete_draft(&mut tx, job.id, job.version).await.unwrap();
            assert_eq!(again, WriteOutcome::NotFound);
        } else {
            let refused = WriteOutcome::TransitionRefused { from: *status, action: "delete" };
            assert_eq!(outcome, refused);
        }
    }
}
