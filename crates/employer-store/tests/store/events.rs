//! Every function that writes leaves its event and its audit row.

use employer_store::jobs::{
    self, Change, CloseReason, JobChanges, JobStatus, StatusChange, WriteOutcome,
};
use employer_store::testing::connection;
use tenancy::{EventKind, JobField, JobId, JobState, JobView, Role};

use crate::support::{Store, a_job, assign};

enum Write {
    Create,
    Update,
    Duplicate,
    Delete,
    Step(StatusChange),
}

#[tokio::test]
async fn every_write_is_told_and_recorded() {
    use EventKind::{JobCreated, JobDeleted, JobStatusChanged, JobUpdated};
    use JobStatus::{Archived, Closed, Draft, Paused, Published};
    let publish = StatusChange::Publish { valid_through: None };
    let close = StatusChange::Close { reason: CloseReason::Filled };
    let reopen = StatusChange::Reopen { valid_through: None };
    let table = [
        (Draft, Write::Create, JobCreated, "job_created"),
        (Draft, Write::Update, JobUpdated, "job_updated"),
        (Draft, Write::Duplicate, JobCreated, "job_duplicated"),
        (Draft, Write::Delete, JobDeleted, "job_deleted"),
        (Draft, Write::Step(publish), JobStatusChanged, "job_published"),
        (Published, Write::Step(StatusChange::Pause), JobStatusChanged, "job_paused"),
        (Published, Write::Step(close), JobStatusChanged, "job_closed"),
        (Closed, Write::Step(reopen), JobStatusChanged, "job_reopened"),
        (Archived, Write::Step(reopen), JobStatusChanged, "job_reopened"),
        (Paused, Write::Step(StatusChange::Archive), JobStatusChanged, "job_archived"),
        (Paused, Write::Step(StatusChange::Toggle), JobStatusChanged, "job_published"),
        (Published, Write::Step(StatusChange::Toggle), JobStatusChanged, "job_paused"),
    ];
    let store = Store::open().await;
    for (from, write, kind, action) in table {
        let tenant = store.tenant().await;
        let job = store.create_in(&tenant, &a_job("Nurse"), from).await.summary;
        let mut tx = store.begin(&tenant).await;
        assign(&mut tx, &tenant, job.id, "view").await;
        let manager = tenant.member(Role::HiringManager).unwrap().user.as_uuid();
        let subject: JobId = match write {
            Write::Create => jobs::create_job(&mut tx, &a_job("New")).await.unwrap().summary.id,
            Write::Update => {
                let changes = JobChanges { openings: Change::Set(7), ..JobChanges::default() };
                changed(jobs::update_job(&mut tx, job.id, job.version, &changes).await.unwrap())
            }
            Write::Duplicate => changed(jobs::duplicate_job(&mut tx, job.id).await.unwrap()),
            Write::Delete => {
                let deleted = jobs::delete_draft(&mut tx, job.id, job.version).await.unwrap();
                assert_eq!(deleted, WriteOutcome::Done(()));
                job.id
            }
            Write::Step(step) => {
                changed(jobs::change_status(&mut tx, job.id, None, &step).await.unwrap())
            }
        };
        let events = tx.commit().await.unwrap();
        let [event] = events.as_slice() else { panic!("{action}: one event, not {events:?}") };
        assert_eq!((event.kind, event.subject), (kind, Some(subject.as_uuid())), "{action}");
        let change = event.change().job.unwrap();
        let before = (kind != JobCreated).then(|| JobState::from(from));
        let mut tx = store.begin(&tenant).await;
        let now = jobs::find_job(&mut tx, JobView::All, subject).await.unwrap();
        let after = now.as_ref().map(|job| JobState::from(job.summary.status));
        assert_eq!((change.before, change.after), (before, after), "{action}");
        let fields: &[JobField] = if kind == JobUpdated { &[JobField::Openings] } else { &[] };
        assert_eq!(change.fields, fields, "{action}");
        let of_team = if action == "job_created" { Vec::new() } else { vec![manager] };
        assert_eq!(change.team, Some(of_team), "{action}");
        assert_eq!(change.places.as_deref(), Some(&["berlin".to_owned()][..]), "{action}");

        let mut tx = store.begin(&tenant).await;
        let actor = tx.actor().audit_name();
        let recorded: Vec<(String, String)> = sqlx::query_as(
            "SELECT actor, action FROM audit_log WHERE resource = $1 ORDER BY at DESC, id DESC LIMIT 1",
        )
        .bind(format!("job:{subject}"))
        .fetch_all(connection(&mut tx))
        .await
        .unwrap();
        assert_eq!(recorded, [(actor, action.to_owned())]);
    }
}

fn changed(outcome: WriteOutcome<jobs::Job>) -> JobId {
    crate::support::done(outcome).summary.id
}
