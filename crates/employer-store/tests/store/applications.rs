//! Applications in lists and on their way through the pipeline.

use employer_store::applications::StageKind::{Applied, Hired, Interview, Rejected};
use employer_store::applications::{
    self, Application, ApplicationFilter, ApplicationQuery, ApplicationSort, ApplicationStatus,
    MoveAction, MoveOutcome, RejectReason, StageKind, Step,
};
use employer_store::files;
use employer_store::jobs::{self, Job, JobStatus, StatusChange, WriteOutcome};
use employer_store::testing::{TestTenant, connection};
use serde_json::json;
use tenancy::{ApplicationId, EventKind, JobView, Role};
use uuid::Uuid;

use crate::public_board::{resume, submission, submitted};
use crate::support::{Store, a_job, assign, done};

struct Hiring {
    store: Store,
    tenant: TestTenant,
    job: Job,
}

impl Hiring {
    async fn open() -> Self {
        let store = Store::open().await;
        let tenant = store.tenant().await;
        let job = store.create_in(&tenant, &a_job("Nurse"), JobStatus::Published).await;
        Self { store, tenant, job }
    }

    async fn apply(&self, job: &Job, email: &str) -> ApplicationId {
        let public = self.store.database.public_db().unwrap();
        let file = resume(&Uuid::now_v7().to_string());
        let slug = &job.summary.slug;
        let outcome =
            public.submit(&self.tenant.slug, slug, &submission(email), Some(&file), None).await;
        submitted(outcome.unwrap()).application
    }

    async fn step(&self, id: ApplicationId, step: Step) -> MoveOutcome {
        let mut tx = self.store.begin(&self.tenant).await;
        let outcome =
            applications::take_step(&mut tx, JobView::All, id, None, &step).await.unwrap();
        let events = tx.commit().await.unwrap();
        assert_eq!(events.len(), usize::from(matches!(outcome, MoveOutcome::Done(_))));
        outcome
    }

    async fn list(&self, query: ApplicationQuery) -> Vec<ApplicationId> {
        let mut tx = self.store.db.begin_read(&self.tenant.scope).await.unwrap();
        let count = applications::count_applications(&mut tx, query.view, &query.filter).await;
        let page = applications::list_applications(&mut tx, &query).await.unwrap();
        let found: Vec<ApplicationId> = page.applications.iter().map(|one| one.id).collect();
        assert_eq!(count.unwrap(), i64::try_from(found.len()).unwrap(), "count and list agree");
        found
    }
}

fn stepped(outcome: MoveOutcome) -> Application {
    match outcome {
        MoveOutcome::Done(application) => *application,
        other => panic!("not done: {other:?}"),
    }
}

fn all() -> ApplicationQuery {
    ApplicationQuery {
        view: JobView::All,
        filter: ApplicationFilter::default(),
        sort: ApplicationSort::Newest,
        after: None,
        skip: 0,
        limit: 100,
    }
}

#[tokio::test]
async fn an_application_goes_through_its_pipeline_and_remembers_it() {
    let hiring = Hiring::open().await;
    let id = hiring.apply(&hiring.job, "ada@applicants.example").await;
    let moved = stepped(hiring.step(id, Step::Move { to: StageKind::Interview }).await);
    assert_eq!((moved.summary.stage, moved.summary.version), (StageKind::Interview, 2));
    let reason = Some(RejectReason::Salary);
    let rejected = stepped(hiring.step(id, Step::Reject { reason }).await);
    assert_eq!(rejected.summary.status, ApplicationStatus::Rejected);
    assert_eq!(rejected.summary.stage, StageKind::Rejected);
    assert_eq!(rejected.summary.reject_reason, reason);
    let back = stepped(hiring.step(id, Step::Unreject).await);
    assert_eq!(back.summary.stage, StageKind::Interview, "to where it was");
    assert_eq!(back.summary.reject_reason, None);
    let hired = stepped(hiring.step(id, Step::Hire).await);
    assert_eq!(hired.summary.status, ApplicationStatus::Hired);
    assert_eq!(hired.summary.version, 5);
    let steps: Vec<_> =
        hired.history.iter().map(|step| (step.action, step.from, step.to)).collect();
    assert_eq!(
        steps,
        [
            (MoveAction::Submit, None, Some(Applied)),
            (MoveAction::Move, Some(Applied), Some(Interview)),
            (MoveAction::Reject, Some(Interview), Some(Rejected)),
            (MoveAction::Unreject, Some(Rejected), Some(Interview)),
            (MoveAction::Hire, Some(Interview), Some(Hired)),
        ]
    );
    assert_eq!(hired.attachments.len(), 1);
    assert_eq!(hired.submitted[0].message.as_deref(), Some("I look after people."));
    let mut tx = hiring.store.begin(&hiring.tenant).await;
    let audited: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit_log WHERE resource = $1 ORDER BY at")
            .bind(format!("application:{id}"))
            .fetch_all(connection(&mut tx))
            .await
            .unwrap();
    assert_eq!(
        audited,
        [
            "application_moved",
            "application_rejected",
            "application_unrejected",
            "application_hired"
        ]
    );
}

#[tokio::test]
async fn a_step_says_what_it_changed() {
    let hiring = Hiring::open().await;
    let id = hiring.apply(&hiring.job, "ada@applicants.example").await;
    let mut tx = hiring.store.begin(&hiring.tenant).await;
    let step = Step::Reject { reason: Some(RejectReason::NotQualified) };
    let outcome = applications::take_step(&mut tx, JobView::All, id, Some(1), &step).await;
    let _rejected = stepped(outcome.unwrap());
    let events = tx.commit().await.unwrap();
    assert_eq!(events[0].kind, EventKind::ApplicationStageChanged);
    assert_eq!(events[0].subject, Some(id.as_uuid()));
    assert_eq!(
        events[0].payload,
        json!({
            "v": 1, "job": hiring.job.summary.id, "application": id, "source": "newsletter",
            "from": "applied", "to": "rejected", "action": "reject", "reason": "not_qualified",
        })
    );
}

#[tokio::test]
async fn only_steps_that_there_are_are_taken() {
    let hiring = Hiring::open().await;
    let steps = [
        Step::Move { to: StageKind::Screen },
        Step::Reject { reason: None },
        Step::Unreject,
        Step::Hire,
        Step::Withdraw,
    ];
    // Which of the steps lead on, by how the application ended.
    for (index, (end, leads_on)) in [
        (None, [true, true, false, true, true]),
        (Some(Step::Reject { reason: None }), [false, false, true, false, false]),
        (Some(Step::Hire), [false; 5]),
        (Some(Step::Withdraw), [false; 5]),
    ]
    .into_iter()
    .enumerate()
    {
        for (step, leads_on) in steps.into_iter().zip(leads_on) {
            let email = format!("{index}-{}@applicants.example", step.action());
            let id = hiring.apply(&hiring.job, &email).await;
            if let Some(end) = end {
                let _ended = stepped(hiring.step(id, end).await);
            }
            let outcome = hiring.step(id, step).await;
            assert_eq!(matches!(outcome, MoveOutcome::Done(_)), leads_on, "{end:?} {step:?}");
            assert_eq!(matches!(outcome, MoveOutcome::Refused { .. }), !leads_on);
        }
    }
    let id = hiring.apply(&hiring.job, "last@applicants.example").await;
    for to in [StageKind::Applied, StageKind::Hired, StageKind::Rejected] {
        let outcome = hiring.step(id, Step::Move { to }).await;
        assert!(matches!(outcome, MoveOutcome::Refused { .. }), "{to}");
    }
}

#[tokio::test]
async fn of_two_who_step_at_once_one_is_told() {
    let hiring = Hiring::open().await;
    let id = hiring.apply(&hiring.job, "ada@applicants.example").await;
    let step = async |to| {
        let mut tx = hiring.store.begin(&hiring.tenant).await;
        let step = Step::Move { to };
        let outcome = applications::take_step(&mut tx, JobView::All, id, Some(1), &step).await;
        tx.commit().await.unwrap();
        outcome.unwrap()
    };
    let (one, other) = tokio::join!(step(StageKind::Screen), step(StageKind::Offer));
    let mut outcomes = [one, other];
    outcomes.sort_by_key(|outcome| matches!(outcome, MoveOutcome::Done(_)));
    assert_eq!(outcomes[0], MoveOutcome::VersionMismatch { current: 2 });
    assert!(matches!(outcomes[1], MoveOutcome::Done(_)));
}

#[tokio::test]
async fn lists_are_narrowed_and_paged() {
    let hiring = Hiring::open().await;
    let other = hiring.store.create_in(&hiring.tenant, &a_job("Cook"), JobStatus::Published).await;
    let mut ids = Vec::new();
    for index in 0..5 {
        let job = if index < 3 { &hiring.job } else { &other };
        ids.push(hiring.apply(job, &format!("p{index}@applicants.example")).await);
    }
    let _moved = stepped(hiring.step(ids[1], Step::Move { to: StageKind::Screen }).await);
    let _rejected = stepped(hiring.step(ids[4], Step::Reject { reason: None }).await);
    let newest: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(hiring.list(all()).await, newest);
    assert_eq!(hiring.list(ApplicationQuery { sort: ApplicationSort::Oldest, ..all() }).await, ids);
    for (filter, expected) in [
        (
            ApplicationFilter { job: Some(other.summary.id), ..Default::default() },
            vec![ids[4], ids[3]],
        ),
        (ApplicationFilter { stages: vec![StageKind::Screen], ..Default::default() }, vec![ids[1]]),
        (
            ApplicationFilter {
                stages: vec![StageKind::Screen, StageKind::Rejected],
                ..Default::default()
            },
            vec![ids[4], ids[1]],
        ),
        (
            ApplicationFilter {
                statuses: vec![ApplicationStatus::Active],
                job: Some(other.summary.id),
                ..Default::default()
            },
            vec![ids[3]],
        ),
        (
            ApplicationFilter { sources: vec!["newsletter".to_owned()], ..Default::default() },
            newest,
        ),
        (ApplicationFilter { sources: vec!["elsewhere".to_owned()], ..Default::default() }, vec![]),
    ] {
        assert_eq!(hiring.list(ApplicationQuery { filter, ..all() }).await, expected);
    }
    for sort in [ApplicationSort::Newest, ApplicationSort::Oldest] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let mut tx = hiring.store.db.begin_read(&hiring.tenant.scope).await.unwrap();
            let query = ApplicationQuery { sort, after, limit: 2, ..all() };
            let page = applications::list_applications(&mut tx, &query).await.unwrap();
            seen.extend(page.applications.iter().map(|one| one.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, hiring.list(ApplicationQuery { sort, ..all() }).await);
    }
}

#[tokio::test]
async fn who_is_assigned_sees_the_applications_of_their_jobs_and_their_files() {
    let hiring = Hiring::open().await;
    let hidden_job =
        hiring.store.create_in(&hiring.tenant, &a_job("Cook"), JobStatus::Published).await;
    let mut tx = hiring.store.begin(&hiring.tenant).await;
    assign(&mut tx, &hiring.tenant, hiring.job.summary.id, "view").await;
    tx.commit().await.unwrap();
    let view = JobView::Assigned(hiring.tenant.member(Role::HiringManager).unwrap().user);
    let shown = hiring.apply(&hiring.job, "ada@applicants.example").await;
    let hidden = hiring.apply(&hidden_job, "bob@applicants.example").await;
    assert_eq!(hiring.list(ApplicationQuery { view, ..all() }).await, [shown]);
    let mut tx = hiring.store.begin(&hiring.tenant).await;
    for (id, is_seen) in [(shown, true), (hidden, false)] {
        let whole = applications::find_application(&mut tx, JobView::All, id).await.unwrap();
        let file = whole.unwrap().attachments[0].id;
        let seen = applications::find_application(&mut tx, view, id).await.unwrap();
        assert_eq!(seen.is_some(), is_seen);
        let taken = files::take_file(&mut tx, view, id, file).await.unwrap();
        assert_eq!(taken.is_some(), is_seen);
        let outcome =
            applications::take_step(&mut tx, view, id, None, &Step::Withdraw).await.unwrap();
        assert_eq!(outcome != MoveOutcome::NotFound, is_seen);
        let other_file = files::take_file(&mut tx, JobView::All, id, Uuid::now_v7()).await;
        assert_eq!(other_file.unwrap(), None);
    }
    let audited: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit_log WHERE action = 'candidate_file_read'")
            .fetch_one(connection(&mut tx))
            .await
            .unwrap();
    assert_eq!(audited, 1, "who took a file is known");
}

#[tokio::test]
async fn another_tenants_applications_are_not_there() {
    let (ours, theirs) = (Hiring::open().await, Hiring::open().await);
    let id = theirs.apply(&theirs.job, "ada@applicants.example").await;
    let mut tx = ours.store.begin(&ours.tenant).await;
    assert!(applications::find_application(&mut tx, JobView::All, id).await.unwrap().is_none());
    let outcome = applications::take_step(&mut tx, JobView::All, id, None, &Step::Hire).await;
    assert_eq!(outcome.unwrap(), MoveOutcome::NotFound);
    for table in [
        "candidates",
        "applications",
        "stage_moves",
        "application_submissions",
        "candidate_files",
        "job_stages",
        "board_settings",
    ] {
        let sql = format!("SELECT count(*) FROM {table} WHERE tenant_id = $1");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(theirs.tenant.scope.tenant().as_uuid())
            .fetch_one(connection(&mut tx))
            .await
            .unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    let touched = sqlx::query("UPDATE applications SET version = 9 WHERE id = $1")
        .bind(id.as_uuid())
        .execute(connection(&mut tx))
        .await
        .unwrap();
    assert_eq!(touched.rows_affected(), 0);
}

#[tokio::test]
async fn a_job_that_people_applied_for_is_not_deleted() {
    let hiring = Hiring::open().await;
    hiring.apply(&hiring.job, "ada@applicants.example").await;
    let mut tx = hiring.store.begin(&hiring.tenant).await;
    let id = hiring.job.summary.id;
    let close = StatusChange::Close { reason: jobs::CloseReason::Other };
    for step in [close, StatusChange::Archive, StatusChange::Reopen { valid_through: None }] {
        let _job = done(jobs::change_status(&mut tx, id, None, &step).await.unwrap());
    }
    let outcome = jobs::delete_draft(&mut tx, id, 5).await.unwrap();
    assert_eq!(outcome, WriteOutcome::HasApplications);
}
