//! Two walls stand between tenants; each is shown to hold alone.

use employer_store::TenantDb;
use employer_store::jobs::{
    self, Change, JobChanges, JobFilter, JobStatus, StatusChange, WriteOutcome,
};
use employer_store::testing::{TestDatabase, connection};
use sqlx::Connection;
use tenancy::{JobView, Role};

use crate::support::{Store, a_job, by_title, connect, done};

/// The database in a role that row level security does not hold, with the application's rights.
async fn without_row_security(store: &Store) -> TenantDb {
    let mut superuser = store.superuser().await;
    sqlx::raw_sql(
        "DO $$ BEGIN
             PERFORM pg_advisory_xact_lock(7070);
             IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'test_bypass') THEN
                 CREATE ROLE test_bypass LOGIN BYPASSRLS PASSWORD 'for-tests-only';
                 GRANT portal_app TO test_bypass;
             END IF;
         END $$",
    )
    .execute(&mut superuser)
    .await
    .unwrap();
    superuser.close().await.unwrap();
    let url = store.database.app_url.replace("//portal_app:", "//test_bypass:");
    TenantDb::connect_lazily(&TestDatabase::settings(&url)).unwrap()
}

#[tokio::test]
async fn the_predicate_alone_keeps_tenants_apart() {
    let store = Store::open().await;
    let (ours, theirs) = (store.tenant().await, store.tenant().await);
    let our_job = store.create(&ours, &a_job("Ours")).await.summary;
    let their_job = store.create(&theirs, &a_job("Theirs")).await.summary;
    let open_db = without_row_security(&store).await;
    let actor = ours.member(Role::Owner).unwrap().actor();
    let mut tx = open_db.begin(&ours.scope, &actor).await.unwrap();

    let (visible,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM jobs").fetch_one(connection(&mut tx)).await.unwrap();
    assert!(visible >= 2, "this role does see rows of other tenants");

    let filters = [
        JobFilter::default(),
        JobFilter { text: Some("theirs".to_owned()), ..JobFilter::default() },
        JobFilter { location: Some("berlin".to_owned()), ..JobFilter::default() },
        JobFilter { skills: vec!["patience".to_owned()], ..JobFilter::default() },
        JobFilter { departments: vec!["Care".to_owned()], ..JobFilter::default() },
        JobFilter { statuses: vec![JobStatus::Draft], ..JobFilter::default() },
    ];
    for filter in filters {
        let expected: &[_] = if filter.text.is_some() { &[] } else { &[our_job.id] };
        let count = jobs::count_jobs(&mut tx, JobView::All, &filter).await.unwrap();
        assert_eq!(count, i64::try_from(expected.len()).unwrap());
        let facets = jobs::job_facets(&mut tx, JobView::All, &filter).await.unwrap();
        assert_eq!(
            facets.status.iter().map(|f| f.count).sum::<i64>(),
            i64::try_from(expected.len()).unwrap()
        );
        let page =
            jobs::list_jobs(&mut tx, &jobs::JobQuery { filter, ..by_title() }).await.unwrap();
        assert_eq!(page.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), expected);
    }
    assert_eq!(jobs::jobs_overview(&mut tx, JobView::All).await.unwrap().total, 1);
    let stranger = their_job.id;
    assert_eq!(jobs::find_job(&mut tx, JobView::All, stranger).await.unwrap(), None);
    assert_eq!(jobs::find_job_for_update(&mut tx, JobView::All, stranger).await.unwrap(), None);
    let changes =
        JobChanges { title: Change::Set("Taken over".to_owned()), ..JobChanges::default() };
    let update = jobs::update_job(&mut tx, stranger, 1, &changes).await.unwrap();
    assert_eq!(update, WriteOutcome::NotFound);
    let archived = jobs::change_status(&mut tx, stranger, None, &StatusChange::Archive).await;
    assert_eq!(archived.unwrap(), WriteOutcome::NotFound);
    assert_eq!(jobs::duplicate_job(&mut tx, stranger).await.unwrap(), WriteOutcome::NotFound);
    assert_eq!(jobs::delete_draft(&mut tx, stranger, 1).await.unwrap(), WriteOutcome::NotFound);
}

#[tokio::test]
async fn row_security_alone_keeps_tenants_apart() {
    let store = Store::open().await;
    let (ours, theirs) = (store.tenant().await, store.tenant().await);
    let their_job = store.create(&theirs, &a_job("Theirs")).await.summary;
    store.create(&ours, &a_job("Ours")).await;
    let mut tx = store.begin(&ours).await;
    let our_tenant = ours.scope.tenant().as_uuid();
    for table in ["jobs", "job_locations", "job_skills", "memberships", "outbox", "audit_log"] {
        let sql = format!("SELECT DISTINCT tenant_id FROM {table}");
        let tenants: Vec<uuid::Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(connection(&mut tx))
            .await
            .unwrap();
        assert_eq!(tenants, [our_tenant], "{table}");
    }
    let seen: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT id FROM tenants").fetch_all(connection(&mut tx)).await.unwrap();
    assert_eq!(seen, [our_tenant]);
    let people: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(connection(&mut tx))
        .await
        .unwrap();
    assert_eq!(people, i64::try_from(ours.members.len()).unwrap());

    for sql in
        ["UPDATE jobs SET title = 'Taken over' WHERE id = $1", "DELETE FROM jobs WHERE id = $1"]
    {
        let touched = sqlx::query(sql)
            .bind(their_job.id.as_uuid())
            .execute(connection(&mut tx))
            .await
            .unwrap();
        assert_eq!(touched.rows_affected(), 0, "{sql}");
    }
    let smuggled = sqlx::query(
        "INSERT INTO job_skills (tenant_id, job_id, ord, skill) VALUES ($1, $2, 1, 'x')",
    )
    .bind(theirs.scope.tenant().as_uuid())
    .bind(their_job.id.as_uuid())
    .execute(connection(&mut tx))
    .await
    .unwrap_err();
    assert_eq!(code(&smuggled), "42501", "a row cannot be written into another tenant");
}

#[tokio::test]
async fn a_row_cannot_refer_to_another_tenants_row() {
    let store = Store::open().await;
    let (ours, theirs) = (store.tenant().await, store.tenant().await);
    let their_job = store.create(&theirs, &a_job("Theirs")).await.summary;
    let our_job = store.create(&ours, &a_job("Ours")).await.summary;
    let their_member = theirs.member(Role::HiringManager).unwrap().user;
    let our_member = ours.member(Role::HiringManager).unwrap().user;
    for (job, user) in [(their_job.id, our_member), (our_job.id, their_member)] {
        let mut tx = store.begin(&ours).await;
        let refused =
            sqlx::query("INSERT INTO job_team (tenant_id, job_id, user_id) VALUES ($1, $2, $3)")
                .bind(ours.scope.tenant().as_uuid())
                .bind(job.as_uuid())
                .bind(user.as_uuid())
                .execute(connection(&mut tx))
                .await
                .unwrap_err();
        assert_eq!(code(&refused), "23503");
    }
}

#[tokio::test]
async fn the_tenant_does_not_stay_with_the_connection() {
    let store = Store::open().await;
    let ours = store.tenant().await;
    store.create(&ours, &a_job("Ours")).await;
    let mut settings = TestDatabase::settings(&store.database.app_url);
    settings.max_connections = 1;
    let db = TenantDb::connect_lazily(&settings).unwrap();
    let empty = store.tenant().await;
    for round in 0..5 {
        let mut tx = db.begin_read(&ours.scope).await.unwrap();
        assert_eq!(jobs::jobs_overview(&mut tx, JobView::All).await.unwrap().total, 1);
        if round % 2 == 0 {
            drop(tx);
        } else {
            tx.commit().await.unwrap();
        }
        // The same connection, since the pool has no other.
        let mut other = db.begin_read(&empty.scope).await.unwrap();
        assert_eq!(jobs::jobs_overview(&mut other, JobView::All).await.unwrap().total, 0);
    }

    let mut bare = connect(&store.database.app_url).await;
    for sql in ["SELECT count(*) FROM jobs", "SELECT count(*) FROM search_jobs('ours')"] {
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(&mut bare).await.unwrap();
        assert_eq!(rows, 0, "without a tenant there is nothing: {sql}");
    }
}

#[tokio::test]
async fn a_read_transaction_cannot_write() {
    let store = Store::open().await;
    let ours = store.tenant().await;
    let mut tx = store.db.begin_read(&ours.scope).await.unwrap();
    let refused = jobs::create_job(&mut tx, &a_job("Ours")).await.unwrap_err();
    assert!(refused.is_unavailable(), "as a standby after a failover: {refused:?}");
}

#[tokio::test]
async fn an_assigned_person_sees_and_edits_what_they_are_assigned_to() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let view = JobView::Assigned(tenant.member(Role::HiringManager).unwrap().user);
    let mine = store.create(&tenant, &a_job("Mine")).await.summary;
    let shown = store.create(&tenant, &a_job("Shown")).await.summary;
    let hidden = store.create(&tenant, &a_job("Hidden")).await.summary;
    let mut tx = store.begin(&tenant).await;
    crate::support::assign(&mut tx, &tenant, mine.id, "edit").await;
    crate::support::assign(&mut tx, &tenant, shown.id, "view").await;
    let copy = done(jobs::duplicate_job(&mut tx, mine.id).await.unwrap());
    assert_eq!(copy.team.len(), 1, "a copy keeps its team");
    tx.commit().await.unwrap();

    assert_eq!(
        store.titles_seen(&tenant, view, JobFilter::default()).await,
        ["Mine", "Mine", "Shown"]
    );
    let text = JobFilter { text: Some("mine shown hidden".to_owned()), ..JobFilter::default() };
    assert_eq!(store.titles_seen(&tenant, view, text).await, Vec::<String>::new());
    let text = JobFilter { text: Some("hidden".to_owned()), ..JobFilter::default() };
    assert_eq!(store.titles_seen(&tenant, view, text).await, Vec::<String>::new());
    let mut tx = store.begin_as(&tenant, Role::HiringManager).await;
    assert_eq!(jobs::jobs_overview(&mut tx, view).await.unwrap().total, 3);
    let may_edit = async |tx: &mut _, id| {
        jobs::find_job_for_update(tx, view, id).await.unwrap().map(|(_, may_edit)| may_edit)
    };
    assert_eq!(may_edit(&mut tx, mine.id).await, Some(true));
    assert_eq!(may_edit(&mut tx, shown.id).await, Some(false));
    assert_eq!(may_edit(&mut tx, hidden.id).await, None);
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().unwrap().code().unwrap().into_owned()
}
