//! The store refuses to start where its walls are down, and outlives a server that restarts.

use employer_store::testing::TestDatabase;
use employer_store::{DatabaseSettings, StoreError, TenantDb, WorkerDb, jobs, migrate};
use secrecy::SecretString;
use sqlx::Connection;
use std::time::Duration;
use tenancy::{JobView, Role};

use crate::support::{Store, connect};

async fn refusal(url: &str) -> String {
    let db = TenantDb::connect_lazily(&TestDatabase::settings(url)).unwrap();
    match db.verify().await {
        Err(StoreError::Role(why) | StoreError::Schema(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn the_application_and_the_workers_roles_are_accepted() {
    let store = Store::open().await;
    store.db.verify().await.unwrap();
    store.worker.verify().await.unwrap();
    assert!(store.db.ping().await.unwrap() < Duration::from_secs(5));
}

#[tokio::test]
async fn powerful_roles_are_refused() {
    let store = Store::open().await;
    let mut superuser = store.superuser().await;
    sqlx::raw_sql(
        "DO $$ BEGIN
             PERFORM pg_advisory_xact_lock(7071);
             IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'test_open') THEN
                 CREATE ROLE test_open LOGIN BYPASSRLS PASSWORD 'for-tests-only';
                 CREATE ROLE test_member LOGIN NOINHERIT PASSWORD 'for-tests-only';
                 GRANT test_open TO test_member;
                 GRANT portal_app TO test_open, test_member;
             END IF;
             EXECUTE format('GRANT CONNECT ON DATABASE %I TO test_member', current_database());
         END $$",
    )
    .execute(&mut superuser)
    .await
    .unwrap();
    let as_role =
        |role: &str| store.database.app_url.replace("//portal_app:", &format!("//{role}:"));
    let why = refusal(&store.database.superuser_url).await;
    assert!(why.ends_with("is a superuser"), "{why}");
    let why = refusal(&as_role("test_open")).await;
    assert_eq!(why, "test_open is allowed to bypass row level security");
    let why = refusal(&as_role("test_member")).await;
    assert_eq!(
        why,
        "test_member may become test_open, which is allowed to bypass row level security"
    );
    let why = refusal(&store.database.owner_url).await;
    assert_eq!(why, "portal_owner is the owner of tenant tables");
}

/// A database of its own, since its tables are broken on purpose.
async fn scratch(store: &Store, name: &str) -> (sqlx::PgConnection, String) {
    let mut cluster = store.superuser().await;
    for sql in [
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut cluster).await.unwrap();
    }
    cluster.close().await.unwrap();
    let database = url::Url::parse(&store.database.app_url).unwrap().path().to_owned();
    let inside = store.database.superuser_url.replace(&database, &format!("/{name}"));
    (connect(&inside).await, store.database.app_url.replace(&database, &format!("/{name}")))
}

#[tokio::test]
async fn an_open_table_and_a_foreign_schema_are_refused() {
    let store = Store::open().await;
    let (mut superuser, app_url) = scratch(&store, "portal_scratch_open").await;
    assert_eq!(refusal(&app_url).await, "no migration has run yet");
    for sql in [
        "CREATE TABLE safe (tenant_id uuid)",
        "ALTER TABLE safe ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE safe FORCE ROW LEVEL SECURITY",
        "CREATE TABLE _sqlx_migrations (version bigint, checksum bytea, success boolean)",
        "GRANT SELECT ON _sqlx_migrations TO portal_app",
    ] {
        sqlx::query(sql).execute(&mut superuser).await.unwrap();
    }
    assert_eq!(refusal(&app_url).await, "migration 1 has not run yet");
    sqlx::query("INSERT INTO _sqlx_migrations VALUES (1, '', true)")
        .execute(&mut superuser)
        .await
        .unwrap();
    assert_eq!(refusal(&app_url).await, "migration 1 ran in another form");
    sqlx::query("ALTER TABLE safe NO FORCE ROW LEVEL SECURITY")
        .execute(&mut superuser)
        .await
        .unwrap();
    let open = refusal(&app_url).await;
    assert_eq!(open, "row level security is not enabled and forced on safe");
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let store = Store::open().await;
    let owner = TestDatabase::settings(&store.database.owner_url);
    let report = migrate::run(&owner).await.unwrap();
    assert_eq!(report.applied, Vec::<i64>::new());
    assert!(report.version >= 11);
}

#[tokio::test]
async fn a_dead_connection_costs_nobody_a_request() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let mut settings = TestDatabase::settings(&store.database.app_url);
    settings.max_connections = 1;
    let db = TenantDb::connect_lazily(&settings).unwrap();
    for _ in 0..3 {
        let mut tx = db.begin_read(&tenant.scope).await.unwrap();
        jobs::jobs_overview(&mut tx, JobView::All).await.unwrap();
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(employer_store::testing::connection(&mut tx))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let mut superuser = store.superuser().await;
        let gone: bool = sqlx::query_scalar("SELECT pg_terminate_backend($1, 5000)")
            .bind(backend)
            .fetch_one(&mut superuser)
            .await
            .unwrap();
        assert!(gone);
    }
}

#[tokio::test]
async fn an_unreachable_or_overworked_server_is_an_outage() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = DatabaseSettings {
        url: SecretString::from(format!("postgres://nobody:secret@127.0.0.1:{port}/none")),
        max_connections: 1,
        acquire_timeout: Duration::from_millis(300),
        statement_timeout: Duration::from_millis(100),
    };
    let error = TenantDb::connect_lazily(&settings).unwrap().ping().await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    assert!(!format!("{settings:?} {error:?}").contains("secret"));
    let error = WorkerDb::connect_lazily(&settings).unwrap().ping().await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");

    let store = Store::open().await;
    let tenant = store.tenant().await;
    let short = DatabaseSettings {
        statement_timeout: Duration::from_millis(100),
        acquire_timeout: Duration::from_millis(300),
        max_connections: 1,
        ..TestDatabase::settings(&store.database.app_url)
    };
    let db = TenantDb::connect_lazily(&short).unwrap();
    let actor = tenant.member(Role::Owner).unwrap().actor();
    let mut tx = db.begin(&tenant.scope, &actor).await.unwrap();
    let slow = sqlx::query("SELECT pg_sleep(20)")
        .execute(employer_store::testing::connection(&mut tx))
        .await
        .unwrap_err();
    assert!(StoreError::from(slow).is_unavailable(), "a statement that takes too long");
    let waiting = db.begin(&tenant.scope, &actor).await.unwrap_err();
    assert!(waiting.is_unavailable(), "no connection is free");
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_not_repeated() {
    let settings = TestDatabase::settings("mysql://root:hunter2@localhost/db");
    let error = TenantDb::connect_lazily(&settings).unwrap_err();
    assert!(matches!(error, StoreError::Address));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}
