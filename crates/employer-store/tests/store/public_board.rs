//! What the public sees and does: published jobs, and applying for them.

use std::time::Duration;

use employer_store::jobs::{self, Change, Job, JobChanges, JobStatus, StatusChange};
use employer_store::public_board::{
    NewResume, NewSubmission, PublicDb, SubmitKey, SubmitOutcome, Submitted, record_views,
};
use employer_store::testing::{TestTenant, connection};
use serde_json::{Value, json};
use sqlx::Row;
use tenancy::EventKind;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::{Store, a_job, connect, done};

pub(crate) fn submission(email: &str) -> NewSubmission {
    NewSubmission {
        email: email.to_owned(),
        name: "Ada Example".to_owned(),
        phone: Some("+1 555 0100".to_owned()),
        message: Some("I look after people.".to_owned()),
        source: Some("newsletter".to_owned()),
        utm: json!({"campaign": "autumn"}),
        consent: json!({"version": "2026-11"}),
        locale: Some("en".to_owned()),
    }
}

pub(crate) fn resume(key: &str) -> NewResume {
    NewResume {
        id: Uuid::now_v7(),
        storage_key: format!("resumes/{key}"),
        name: "Ada Example.pdf".to_owned(),
        mime: "application/pdf".to_owned(),
        bytes: 1_234,
        sha256: [7; 32],
    }
}

fn key(name: &str, body: u8) -> SubmitKey {
    SubmitKey { key: name.to_owned(), sha256: [body; 32], ttl: Duration::from_secs(60) }
}

pub(crate) fn submitted(outcome: SubmitOutcome) -> Submitted {
    match outcome {
        SubmitOutcome::Submitted(submitted) => *submitted,
        other => panic!("not taken in: {other:?}"),
    }
}

struct Board {
    store: Store,
    public: PublicDb,
    tenant: TestTenant,
    job: Job,
}

async fn board() -> Board {
    let store = Store::open().await;
    let public = store.database.public_db().unwrap();
    let tenant = store.tenant().await;
    let job = store.create_in(&tenant, &a_job("Nurse"), JobStatus::Published).await;
    Board { store, public, tenant, job }
}

impl Board {
    async fn apply(&self, given: &NewSubmission) -> SubmitOutcome {
        let slug = &self.job.summary.slug;
        self.public.submit(&self.tenant.slug, slug, given, None, None).await.unwrap()
    }

    async fn count(&self, what: &str) -> i64 {
        let mut tx = self.store.begin(&self.tenant).await;
        let sql = format!("SELECT count(*) FROM {what}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(connection(&mut tx)).await.unwrap()
    }
}

#[tokio::test]
async fn an_application_comes_in_whole_and_is_told() {
    let board = board().await;
    board.public.verify().await.unwrap();
    let given = submission("ada@applicants.example");
    let file = resume(&Uuid::now_v7().to_string());
    let slug = &board.job.summary.slug;
    let outcome =
        board.public.submit(&board.tenant.slug, slug, &given, Some(&file), None).await.unwrap();
    let taken = submitted(outcome);
    assert!(taken.keeps_file);
    assert_eq!(taken.event.kind, EventKind::ApplicationSubmitted);
    assert_eq!(taken.event.subject, Some(taken.application.as_uuid()));
    assert_eq!(taken.event.tenant, board.tenant.scope.tenant());
    assert_eq!(taken.event.org, *board.tenant.scope.org());
    let job = board.job.summary.id;
    let payload = json!({
        "v": 1, "job": job, "application": taken.application, "source": "newsletter",
        "from": null, "to": "applied",
    });
    assert_eq!(taken.event.payload, payload);
    for table in
        ["candidates", "applications", "stage_moves", "application_submissions", "candidate_files"]
    {
        assert_eq!(board.count(table).await, 1, "{table}");
    }
    let mut tx = board.store.begin(&board.tenant).await;
    let row = sqlx::query("SELECT kind, payload FROM outbox WHERE id = $1")
        .bind(taken.event.id)
        .fetch_one(connection(&mut tx))
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>("kind"), "application.submitted");
    assert_eq!(row.get::<Value, _>("payload"), payload);
    assert_eq!(board.count("job_stages").await, 6, "the tenant has its pipeline");
}

#[tokio::test]
async fn who_applies_again_is_answered_alike_and_overwrites_nothing() {
    let board = board().await;
    let first = submitted(board.apply(&submission("ada@applicants.example")).await);
    let other = NewSubmission {
        name: "Somebody Else".to_owned(),
        phone: None,
        source: Some("elsewhere".to_owned()),
        ..submission("ada@applicants.example")
    };
    let again = submitted(board.apply(&other).await);
    assert_ne!(first.reference, again.reference, "the reference does not tell that it is known");
    assert_eq!(first.application, again.application);
    assert_eq!(again.event.kind, EventKind::ApplicationResubmitted);
    assert_eq!(again.event.payload["to"], Value::Null);
    assert_eq!(board.count("candidates WHERE name = 'Ada Example' AND phone IS NOT NULL").await, 1);
    assert_eq!(
        board.count("applications WHERE submissions = 2 AND source = 'newsletter'").await,
        1
    );
    assert_eq!(board.count("application_submissions").await, 2);
    assert_eq!(board.count("stage_moves").await, 1, "it stands where it stood");
}

#[tokio::test]
async fn of_a_flood_of_repetitions_only_so_many_are_kept() {
    let board = board().await;
    let slug = &board.job.summary.slug;
    for round in 1..=22 {
        let file = resume(&Uuid::now_v7().to_string());
        let given = submission("ada@applicants.example");
        let outcome =
            board.public.submit(&board.tenant.slug, slug, &given, Some(&file), None).await.unwrap();
        assert_eq!(submitted(outcome).keeps_file, round <= 20, "{round}");
    }
    assert_eq!(board.count("application_submissions").await, 20);
    assert_eq!(board.count("candidate_files").await, 20);
    assert_eq!(board.count("applications WHERE submissions = 22").await, 1);
}

#[tokio::test]
async fn a_key_gives_the_first_answer_again_and_belongs_to_one_person() {
    let board = board().await;
    let submit = async |email: &str, body: u8| {
        let (board_slug, slug) = (&board.tenant.slug, &board.job.summary.slug);
        let (given, key) = (submission(email), key("chosen", body));
        board.public.submit(board_slug, slug, &given, None, Some(&key)).await.unwrap()
    };
    let first = submitted(submit("ada@applicants.example", 1).await);
    let replayed = submit("ada@applicants.example", 1).await;
    assert_eq!(replayed, SubmitOutcome::Replayed { reference: first.reference });
    assert_eq!(submit("ada@applicants.example", 2).await, SubmitOutcome::Mismatch);
    let other = submitted(submit("bob@applicants.example", 3).await);
    assert_ne!(other.application, first.application, "others may choose the same key");
    assert_eq!(board.count("application_submissions").await, 2);

    // An answer that was given stays given after the job has closed.
    let mut tx = board.store.begin(&board.tenant).await;
    let close = StatusChange::Close { reason: jobs::CloseReason::Filled };
    let _closed =
        done(jobs::change_status(&mut tx, board.job.summary.id, None, &close).await.unwrap());
    tx.commit().await.unwrap();
    let replayed = submit("ada@applicants.example", 1).await;
    assert_eq!(replayed, SubmitOutcome::Replayed { reference: first.reference });
}

#[tokio::test]
async fn many_at_once_make_one_candidate_one_application_and_one_pipeline() {
    let board = board().await;
    let given = submission("ada@applicants.example");
    let apply = || board.apply(&given);
    let (one, two, three, four) = tokio::join!(apply(), apply(), apply(), apply());
    let outcomes = [one, two, three, four];
    let kinds: Vec<EventKind> =
        outcomes.into_iter().map(|outcome| submitted(outcome).event.kind).collect();
    let first = kinds.iter().filter(|kind| **kind == EventKind::ApplicationSubmitted).count();
    assert_eq!(first, 1, "{kinds:?}");
    assert_eq!(board.count("candidates").await, 1);
    assert_eq!(board.count("applications WHERE submissions = 4").await, 1);
    assert_eq!(board.count("job_stages").await, 6);
}

#[tokio::test]
async fn only_what_is_published_and_open_takes_applications() {
    let board = board().await;
    let given = submission("ada@applicants.example");
    for (status, expected) in [
        (JobStatus::Draft, SubmitOutcome::NotFound),
        (JobStatus::Paused, SubmitOutcome::Closed),
        (JobStatus::Closed, SubmitOutcome::Closed),
    ] {
        let job = board.store.create_in(&board.tenant, &a_job("Other"), status).await;
        let slug = &job.summary.slug;
        let outcome = board.public.submit(&board.tenant.slug, slug, &given, None, None).await;
        assert_eq!(outcome.unwrap(), expected, "{status}");
    }
    for (board_slug, slug) in [("nobody", "nothing"), (board.tenant.slug.as_str(), "nothing")] {
        let outcome = board.public.submit(board_slug, slug, &given, None, None).await.unwrap();
        assert_eq!(outcome, SubmitOutcome::NotFound);
    }

    // The last day counts, though no worker has closed the job yet.
    sqlx::query("UPDATE jobs SET valid_through = now() - interval '1 second' WHERE id = $1")
        .bind(board.job.summary.id.as_uuid())
        .execute(&mut board.store.superuser().await)
        .await
        .unwrap();
    assert_eq!(board.apply(&given).await, SubmitOutcome::Closed);
    assert_eq!(board.count("applications").await, 0);
    assert_eq!(board.count("outbox WHERE kind LIKE 'application.%'").await, 0);
}

#[tokio::test]
async fn a_board_may_ask_for_consent_and_may_be_off() {
    let board = board().await;
    let mut superuser = board.store.superuser().await;
    let tenant = board.tenant.scope.tenant().as_uuid();
    sqlx::query("INSERT INTO board_settings (tenant_id, consent_version) VALUES ($1, '2026-11')")
        .bind(tenant)
        .execute(&mut superuser)
        .await
        .unwrap();
    for consent in [json!({}), json!({"version": "2025-01"})] {
        let given = NewSubmission { consent, ..submission("ada@applicants.example") };
        assert_eq!(board.apply(&given).await, SubmitOutcome::ConsentOutdated);
    }
    let _taken = submitted(board.apply(&submission("ada@applicants.example")).await);
    let found = board.public.find_board(&board.tenant.slug).await.unwrap().unwrap();
    assert_eq!(found.consent_version.as_deref(), Some("2026-11"));

    for (sql, what) in [
        ("UPDATE board_settings SET is_enabled = false WHERE tenant_id = $1", "off"),
        ("UPDATE tenants SET status = 'suspended' WHERE id = $1", "suspended"),
    ] {
        sqlx::query(sql).bind(tenant).execute(&mut superuser).await.unwrap();
        assert_eq!(board.public.find_board(&board.tenant.slug).await.unwrap(), None, "{what}");
        let outcome = board.apply(&submission("bob@applicants.example")).await;
        assert_eq!(outcome, SubmitOutcome::NotFound, "{what}");
    }
}

#[tokio::test]
async fn everybody_sees_what_is_published_as_it_is_now() {
    let board = board().await;
    let id = board.job.summary.id;
    let seen = async || {
        let sql = "SELECT title, skills, locations, version FROM public_jobs WHERE job_id = $1";
        let mut public = connect(&board.store.database.public_url).await;
        let row = sqlx::query(sql).bind(id.as_uuid()).fetch_optional(&mut public).await.unwrap();
        row.map(|row| {
            let (title, skills): (String, Vec<String>) = (row.get("title"), row.get("skills"));
            (title, skills, row.get::<Value, _>("locations"), row.get::<i32, _>("version"))
        })
    };
    let berlin = json!([{"country": "DE", "region": "Berlin", "city": "Berlin"}]);
    let patience = vec!["Patience".to_owned()];
    assert_eq!(seen().await, Some(("Nurse".to_owned(), patience, berlin.clone(), 2)));

    let mut tx = board.store.begin(&board.tenant).await;
    let changes = JobChanges {
        title: Change::Set("Head nurse".to_owned()),
        skills: Change::Set(vec!["Calm".to_owned(), "Order".to_owned()]),
        ..JobChanges::default()
    };
    let _changed = done(jobs::update_job(&mut tx, id, 2, &changes).await.unwrap());
    tx.commit().await.unwrap();
    let skills = vec!["Calm".to_owned(), "Order".to_owned()];
    assert_eq!(seen().await, Some(("Head nurse".to_owned(), skills, berlin, 3)));

    let found = board.public.find_board(&board.tenant.slug).await.unwrap().unwrap();
    let slug = &board.job.summary.slug;
    assert_eq!(board.public.find_job(&found, slug).await.unwrap().unwrap().id, id);
    let mut tx = board.store.begin(&board.tenant).await;
    let paused = done(jobs::change_status(&mut tx, id, None, &StatusChange::Pause).await.unwrap());
    assert_eq!(seen().await.unwrap().3, 3, "until it is committed");
    tx.commit().await.unwrap();
    assert_eq!(seen().await, None);
    assert_eq!(board.public.find_job(&found, slug).await.unwrap(), None);

    let mut tx = board.store.begin(&board.tenant).await;
    let publish = StatusChange::Publish { valid_through: None };
    let _shown =
        done(jobs::change_status(&mut tx, paused.summary.id, None, &publish).await.unwrap());
    tx.rollback().await.unwrap();
    assert_eq!(seen().await, None, "nor is what was rolled back");
}

#[tokio::test]
async fn a_job_that_closes_by_itself_is_hidden_with_it() {
    let board = board().await;
    let mut tx = board.store.begin(&board.tenant).await;
    let now: OffsetDateTime =
        sqlx::query_scalar("SELECT now()").fetch_one(connection(&mut tx)).await.unwrap();
    let draft = jobs::create_job(&mut tx, &a_job("Soon over")).await.unwrap();
    let last_day = Some(now + time::Duration::hours(1));
    let publish = StatusChange::Publish { valid_through: last_day };
    let id = draft.summary.id;
    let _job = done(jobs::change_status(&mut tx, id, None, &publish).await.unwrap());
    tx.commit().await.unwrap();
    let shown = format!("public_jobs WHERE job_id = '{id}'");
    assert_eq!(board.count(&shown).await, 1);
    let later = now + time::Duration::hours(2);
    while !jobs::close_expired(&board.store.worker, later, 100).await.unwrap().is_empty() {}
    assert_eq!(board.count(&shown).await, 0);
}

#[tokio::test]
async fn the_public_reads_nothing_but_published_jobs() {
    let board = board().await;
    let _taken = submitted(board.apply(&submission("ada@applicants.example")).await);
    let mut public = connect(&board.store.database.public_url).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')",
    )
    .fetch_all(&mut public)
    .await
    .unwrap();
    assert!(tables.len() > 20);
    for table in tables {
        for right in ["SELECT", "INSERT", "UPDATE"] {
            let may: bool = sqlx::query_scalar("SELECT has_any_column_privilege($1, $2)")
                .bind(&table)
                .bind(right)
                .fetch_one(&mut public)
                .await
                .unwrap();
            let may_read = matches!(table.as_str(), "public_jobs" | "_sqlx_migrations");
            assert_eq!(may, may_read && right == "SELECT", "{right} {table}");
        }
    }
    // The function leaves no tenant behind for what comes after it in the same session.
    let left: Option<String> = sqlx::query_scalar("SELECT current_setting('app.tenant_id', true)")
        .fetch_one(&mut public)
        .await
        .unwrap();
    assert_eq!(left.unwrap_or_default(), "");
}

#[tokio::test]
async fn a_batch_of_views_counts_once_however_often_it_is_sent() {
    let board = board().await;
    let worker = &board.store.worker;
    let (tenant, job) = (board.tenant.scope.tenant(), board.job.summary.id);
    let hour = time::macros::datetime!(2026-11-22 10:00 UTC);
    let views =
        [(tenant, job, String::new(), hour, 3), (tenant, job, "newsletter".to_owned(), hour, 2)];
    let batch = Uuid::now_v7();
    let (one, other) =
        tokio::join!(record_views(worker, batch, &views), record_views(worker, batch, &views));
    assert_ne!(one.unwrap(), other.unwrap(), "one of them added it");
    assert!(!record_views(worker, batch, &views).await.unwrap());
    assert!(record_views(worker, Uuid::now_v7(), &views[..1]).await.unwrap());
    assert_eq!(
        board.count("metric_hours WHERE kind = 'job.viewed' AND source = '' AND n = 6").await,
        1
    );
    assert_eq!(board.count("metric_hours WHERE source = 'newsletter' AND n = 2").await, 1);
}

#[tokio::test]
async fn a_rehearsal_answers_alike_and_leaves_nothing() {
    let board = board().await;
    let (tenant, slug) = (&board.tenant.slug, &board.job.summary.slug);
    let given = submission("ada@applicants.example");
    let file = resume(&Uuid::now_v7().to_string());
    let attempt = key("attempt", 1);
    for _ in 0..2 {
        let outcome =
            board.public.rehearse(tenant, slug, &given, Some(&file), Some(&attempt)).await.unwrap();
        assert!(submitted(outcome).keeps_file);
    }
    for rows in [
        "candidates",
        "applications",
        "candidate_files",
        "idempotency_keys",
        "outbox WHERE kind LIKE 'application.%'",
    ] {
        assert_eq!(board.count(rows).await, 0, "{rows}");
    }
    let nowhere = board.public.rehearse(tenant, "nothing", &given, None, None).await.unwrap();
    assert_eq!(nowhere, SubmitOutcome::NotFound);
    let real = board.public.submit(tenant, slug, &given, Some(&file), Some(&attempt)).await;
    let _ = submitted(real.unwrap());
    let again = board.public.rehearse(tenant, slug, &given, Some(&file), Some(&attempt)).await;
    assert!(matches!(again.unwrap(), SubmitOutcome::Replayed { .. }));
}
