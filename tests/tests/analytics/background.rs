//! Figures as a file that is made in the background.

mod instances;

use std::path::PathBuf;

use portal_tests::client::{Answer, Browser};
use portal_tests::events::EventStream;
use portal_tests::portal::files_folder;
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tenancy::Role;
use time::macros::datetime;

use crate::Scene;
use crate::history::{History, SOON};

const EXPORTS: &str = "/api/analytics/exports";
const WORKS: (&str, &str) = ("PORTAL__EXPORTS__CONCURRENCY", "2");

/// What the files are of.
fn period() -> Value {
    json!({ "from": "2025-10-20", "to": "2025-11-05", "tz": "Europe/Berlin" })
}

async fn asks(browser: &Browser, body: &Value) -> String {
    let asked = browser.post(EXPORTS, body).await.expect(202);
    let path = asked.header("location");
    assert_eq!(path, format!("{EXPORTS}/{}", asked.json()["id"].as_str().unwrap()));
    path
}

/// The export, once it is in this state.
async fn becomes(browser: &Browser, path: &str, state: &str) -> Value {
    eventually(&format!("{path} is {state}"), SOON, async || {
        let found = browser.get(path).await.expect(200).json();
        (found["state"] == state).then_some(found)
    })
    .await
}

/// The exports that somebody was told of.
async fn told(browser: &Browser) -> Vec<Value> {
    let list = browser.get("/api/notifications/list").await.expect(200).json();
    let kept = list["data"].as_array().unwrap().iter();
    kept.filter(|one| one["kind"] == "export_ready")
        .map(|one| one["data"]["export"].clone())
        .collect()
}

/// The files that are kept for a tenant.
fn files(tenant: &Tenant) -> Vec<PathBuf> {
    let folder = files_folder().join("exports").join(tenant.id.simple().to_string());
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Nobody reads figures until this is dropped.
async fn holds_up_figures(superuser_url: &str) -> PgConnection {
    let mut connection = PgConnection::connect(superuser_url).await.unwrap();
    let lock = "BEGIN; LOCK TABLE metric_hours IN ACCESS EXCLUSIVE MODE";
    connection.execute(sqlx::raw_sql(lock)).await.unwrap();
    connection
}

async fn lets_go(connection: PgConnection) {
    connection.close().await.unwrap();
}

/// A column of all exports of a tenant.
async fn column<T>(scene: &Scene, name: &str) -> Vec<T>
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let query = format!("SELECT {name} FROM exports WHERE tenant_id = $1 ORDER BY id");
    let found = sqlx::query_scalar(AssertSqlSafe(query)).bind(scene.tenant.id);
    found.fetch_all(&mut scene.superuser().await).await.unwrap()
}

async fn sets(scene: &Scene, change: &str) {
    let update = format!("UPDATE exports SET {change} WHERE tenant_id = $1");
    let update = sqlx::query(AssertSqlSafe(update)).bind(scene.tenant.id);
    update.execute(&mut scene.superuser().await).await.unwrap();
}

async fn repeats(browser: &Browser, body: &Value, key: &str) -> Answer {
    let request = browser.request(reqwest::Method::POST, EXPORTS).json(body);
    browser.send(request.header("Idempotency-Key", key)).await
}

#[tokio::test]
async fn whoever_asks_is_told_and_fetches_what_export_csv_gives() {
    let scene = Scene::open_in(World::for_purpose("exports").await, &[WORKS]).await;
    let span = (datetime!(2025-10-10 00:00 UTC), datetime!(2025-11-12 00:00 UTC));
    let history = History::invent(43, &scene.jobs, 120, span);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    let admin = scene.tenant.signs_in(&scene.portal, Role::Admin).await;
    let mut stream = EventStream::open(&scene.owner, "", None).await;

    let asked = repeats(&scene.owner, &period(), "october").await.expect(202);
    let path = asked.header("location");
    let again = repeats(&scene.owner, &period(), "october").await.expect(202);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json()["id"], asked.json()["id"]);
    let other = repeats(&scene.owner, &json!({}), "october").await;
    let _ = other.expect_problem(422, "idempotency_mismatch");

    // Other kinds may come by as well.
    let notice = loop {
        let event = stream.wait_for("notification", SOON).await;
        if event.json()["kind"] == "export_ready" {
            break event;
        }
    };
    assert_eq!(notice.json()["export"], asked.json()["id"], "{}", notice.data);
    // Whoever was away is told the same.
    let (epoch, _) = notice.id.split_once('.').unwrap();
    let before = format!("{epoch}.{}", notice.seq() - 1);
    let mut later = EventStream::open(&scene.owner, "", Some(&before)).await;
    assert_eq!(later.wait_for("notification", SOON).await.json(), notice.json());
    let ready = scene.owner.get(&path).await.expect(200).json();
    assert_eq!(ready["state"], "ready");
    let direct = format!(
        "/api/analytics/export.csv?from={}&to={}&tz=Europe/Berlin",
        ready["from"].as_str().unwrap(),
        ready["to"].as_str().unwrap()
    );
    let direct = scene.owner.get(&direct).await.expect(200);
    let file = admin.get(&format!("{path}/file")).await.expect(200);
    assert_eq!(file.text, direct.text);
    assert!(file.text.contains(",\"'=Transport\","), "{}", file.text);
    assert_eq!(ready["bytes"], file.text.len());
    assert_eq!(ready["lines"], file.text.lines().count() - 1);
    assert_eq!(file.header("content-length"), file.text.len().to_string());
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"figures-2025-10-20-2025-11-05.csv\""
    );
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(file.header("cache-control"), "private, no-store");
    assert_eq!(admin.get(EXPORTS).await.expect(200).json()["data"], json!([ready]));
    assert_eq!(told(&scene.owner).await, [ready["id"].clone()]);
    assert_eq!(told(&admin).await, Vec::<Value>::new());

    let stranger = scene.world.tenant().await.signs_in(&scene.portal, Role::Owner).await;
    assert_eq!(stranger.get(EXPORTS).await.expect(200).json()["data"], json!([]));
    for path in [path.clone(), format!("{path}/file")] {
        let _ = stranger.get(&path).await.expect_problem(404, "not_found");
    }
    let theirs = stranger.send(stranger.request(reqwest::Method::DELETE, &path)).await;
    let _ = theirs.expect_problem(404, "not_found");
    for role in [Role::Recruiter, Role::HiringManager, Role::Viewer] {
        let browser = scene.tenant.signs_in(&scene.portal, role).await;
        let _ = browser.get(&format!("{path}/file")).await.expect_problem(403, "forbidden");
        let _ = browser.post(EXPORTS, &json!({})).await.expect_problem(403, "forbidden");
    }
    assert_eq!(files(&scene.tenant).len(), 1);
    let gone = admin.send(admin.request(reqwest::Method::DELETE, &path)).await;
    let _ = gone.expect(204);
    let _ = scene.owner.get(&path).await.expect_problem(404, "not_found");
    eventually("file and row are gone", SOON, async || {
        let rows: Vec<String> = column(&scene, "state").await;
        (files(&scene.tenant).is_empty() && rows.is_empty()).then_some(())
    })
    .await;
    for (action, count) in [
        ("analytics_export_asked", 1),
        ("analytics_exported", 2),
        ("analytics_export_read", 1),
        ("analytics_export_deleted", 1),
        ("analytics_export_expired", 0),
    ] {
        assert_eq!(scene.tenant.audited(action).await, count, "{action}");
    }
    assert!(scene.portal.figure("portal_exports_removed_total").await >= 1.0);
}

#[tokio::test]
async fn what_makes_no_sense_or_is_too_much_is_refused() {
    let scene = Scene::open_with(&[
        ("PORTAL__EXPORTS__OPEN_PER_TENANT", "2"),
        ("PORTAL__EXPORTS__KEPT_PER_TENANT", "3"),
    ])
    .await;
    for (body, pointer) in [
        (json!({ "job": "7" }), "#/job"),
        (json!({ "from": 20_251_020 }), "#/from"),
        (json!({ "from": "2025-11-02", "to": "2025-11-01" }), "#/to"),
        (json!({ "from": "2001-01-01", "to": "2025-11-01" }), "#/from"),
        (json!({ "grain": "hour", "from": "2025-01-01", "to": "2025-03-01" }), "#/from"),
        (json!({ "tz": "Mars/Phobos" }), "#/tz"),
        (json!({ "source": "x' OR 1=1" }), "#/source"),
        (json!({ "grain": "minute" }), "#/grain"),
        (json!({ "state": "ready" }), "#/state"),
    ] {
        let refused = scene.owner.post(EXPORTS, &body).await;
        let refused = refused.expect_problem(422, "validation_failed");
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}");
    }
    let stranger = scene.world.tenant().await.signs_in(&scene.portal, Role::Owner).await;
    let theirs = stranger.post(EXPORTS, &json!({ "job": scene.jobs[0] })).await;
    let _ = theirs.expect_problem(404, "not_found");
    let queried = scene.owner.post(&format!("{EXPORTS}?from=2025-10-01"), &json!({})).await;
    let _ = queried.expect_problem(400, "invalid_parameter");
    assert_eq!(scene.tenant.audited("analytics_export_asked").await, 0);

    let first = asks(&scene.owner, &json!({ "job": scene.jobs[0], "grain": "week" })).await;
    let shown = scene.owner.get(&first).await.expect(200).json();
    assert_eq!((&shown["state"], &shown["job"]), (&json!("queued"), &json!(scene.jobs[0])));
    let _ = scene.owner.get(&format!("{first}/file")).await.expect_problem(409, "conflict");
    let _ = asks(&scene.owner, &json!({})).await;
    let _ = scene.owner.post(EXPORTS, &json!({})).await.expect_problem(409, "conflict");
    sets(&scene, "state = 'failed', failed_for = 'too_large', finished_at = now()").await;
    let _ = scene.owner.get(&format!("{first}/file")).await.expect_problem(409, "conflict");
    let _ = asks(&scene.owner, &json!({})).await;
    // One is open, and three are kept.
    let _ = scene.owner.post(EXPORTS, &json!({})).await.expect_problem(409, "conflict");
    // Another organization has its own.
    let _ = asks(&stranger, &json!({})).await;
    sets(&scene, "expires_at = now()").await;
    assert_eq!(scene.owner.get(&first).await.expect(200).json()["state"], "expired");
    let _ = scene.owner.get(&format!("{first}/file")).await.expect_problem(410, "gone");
    let _ = asks(&scene.owner, &json!({})).await;
}

/// The owner has one notification of the export, and everything was told.
async fn is_told_once(scene: &Scene, ready: &Value) {
    eventually("everything is told", SOON, async || {
        let waiting = "SELECT count(*) FROM outbox WHERE tenant_id = $1 AND NOT fanned_out";
        let waiting = sqlx::query_scalar(waiting).bind(scene.tenant.id);
        let waiting: i64 = waiting.fetch_one(&mut scene.superuser().await).await.unwrap();
        (waiting == 0).then_some(())
    })
    .await;
    assert_eq!(told(&scene.owner).await, [ready["id"].clone()]);
    assert_eq!(scene.tenant.audited("analytics_exported").await, 1);
}

#[tokio::test]
async fn whoever_may_not_have_it_any_more_gets_nothing_and_what_is_over_is_removed() {
    let settings = [WORKS, ("PORTAL__EXPORTS__MAX_BYTES", "2000")];
    let scene = Scene::open_in(World::for_purpose("exportsend").await, &settings).await;
    let admin = scene.tenant.signs_in(&scene.portal, Role::Admin).await;
    let held = holds_up_figures(scene.superuser_url()).await;
    let demoted = asks(&admin, &period()).await;
    let _ = becomes(&scene.owner, &demoted, "running").await;
    scene.tenant.demotes_behind_the_portal(Role::Admin, Role::Recruiter).await;
    lets_go(held).await;
    let failed = becomes(&scene.owner, &demoted, "failed").await;
    assert_eq!(failed["failed_for"], "not_allowed");
    assert_eq!(scene.tenant.audited("analytics_export_failed").await, 1);

    // The next one is not even begun while another of the tenant is.
    scene.tenant.demotes_behind_the_portal(Role::Admin, Role::Admin).await;
    let held = holds_up_figures(scene.superuser_url()).await;
    let ours = asks(&scene.owner, &period()).await;
    let _ = becomes(&scene.owner, &ours, "running").await;
    let admin = scene.tenant.signs_in(&scene.portal, Role::Admin).await;
    let waits = asks(&admin, &period()).await;
    scene.tenant.removes_behind_the_portal(Role::Admin).await;
    assert_eq!(column::<i16>(&scene, "attempts").await, [1, 1, 0]);
    lets_go(held).await;
    let ready = becomes(&scene.owner, &ours, "ready").await;
    let failed = becomes(&scene.owner, &waits, "failed").await;
    assert_eq!(failed["failed_for"], "not_allowed");
    is_told_once(&scene, &ready).await;
    let told_others = "SELECT count(*) FROM notifications
                       WHERE tenant_id = $1 AND kind = 'export_ready'";
    let told_others = sqlx::query_scalar(told_others).bind(scene.tenant.id);
    let told_others: i64 = told_others.fetch_one(&mut scene.superuser().await).await.unwrap();
    assert_eq!(told_others, 1);

    let many = "INSERT INTO metric_hours (tenant_id, job_id, source, kind, bucket, n)
        SELECT $1, $2, 's' || s, 'job.viewed', '2025-10-21 00:00+00', 1
        FROM generate_series(1, 100) s";
    let many = sqlx::query(many).bind(scene.tenant.id).bind(scene.jobs[0]);
    many.execute(&mut scene.superuser().await).await.unwrap();
    let large =
        asks(&scene.owner, &json!({ "from": "2025-10-20", "to": "2025-10-31", "grain": "hour" }))
            .await;
    let failed = becomes(&scene.owner, &large, "failed").await;
    assert_eq!(failed["failed_for"], "too_large");
    let _ = scene.owner.get(&format!("{ours}/file")).await.expect(200);
    eventually("there is one file", SOON, async || (files(&scene.tenant).len() == 1).then_some(()))
        .await;

    sets(&scene, "expires_at = now()").await;
    eventually("files and rows are gone", SOON, async || {
        let rows: Vec<String> = column(&scene, "state").await;
        (files(&scene.tenant).is_empty() && rows.is_empty()).then_some(())
    })
    .await;
    let _ = scene.owner.get(&format!("{ours}/file")).await.expect_problem(404, "not_found");
    assert_eq!(scene.tenant.audited("analytics_export_expired").await, 4);
}
