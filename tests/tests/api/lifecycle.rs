//! A job from draft to archive.

use portal_tests::job;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use serde_json::{Value, json};
use tenancy::Role;

#[tokio::test]
async fn a_job_is_created_changed_published_and_seen_in_list_and_figures() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;

    let created = recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
    let path = created.header("location");
    let body = created.json();
    assert_eq!(path, format!("/api/jobs/{}", body["id"].as_str().unwrap()));
    assert_eq!(body["status"], "draft");
    assert_eq!(body["version"], 1);
    assert_eq!(body["salary"]["max"], 9_600_000);
    assert!(body["description_html"].as_str().unwrap().contains("<li>Night shifts</li>"));

    let changes = json!({ "title": "Charge Nurse", "pay_blurb": null, "skills": ["triage"] });
    let after = recruiter.patch(&path, &created.header("etag"), &changes).await.expect(200);
    assert_eq!(after.json()["title"], "Charge Nurse");
    assert_eq!(after.json()["version"], 2);
    assert_ne!(after.header("etag"), created.header("etag"));

    let published = recruiter.post(&format!("{path}/publish"), &json!({})).await.expect(200).json();
    assert_eq!(published["status"], "published");
    assert!(published["published_at"].is_string());

    let list = recruiter.get("/api/jobs?status=published").await.expect(200).json();
    assert_eq!(titles(&list), ["Charge Nurse"]);
    let stats = recruiter.get("/api/jobs/stats/overview").await.expect(200).json();
    assert_eq!(count_of(&stats["by_status"], "published"), 1, "{stats}");
}

#[tokio::test]
async fn only_sensible_moves_are_allowed() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let owner = tenant.signs_in(&portal, Role::Owner).await;
    let path = owner.post("/api/jobs", &job::nurse()).await.expect(201).header("location");
    let acts = async |action: &str| {
        let body = if action == "close" { json!({ "reason": "filled" }) } else { json!({}) };
        owner.post(&format!("{path}/{action}"), &body).await
    };
    let steps = [
        ("pause", Err("draft")),
        ("close", Err("draft")),
        ("reopen", Err("draft")),
        ("publish", Ok("published")),
        ("publish", Err("published")),
        ("archive", Err("published")),
        ("pause", Ok("paused")),
        ("toggle", Ok("published")),
        ("toggle", Ok("paused")),
        ("close", Ok("closed")),
        ("toggle", Err("closed")),
        ("reopen", Ok("published")),
        ("close", Ok("closed")),
        ("archive", Ok("archived")),
        ("publish", Err("archived")),
        ("reopen", Ok("draft")),
    ];
    for (action, expected) in steps {
        let answer = acts(action).await;
        match expected {
            Ok(status) => {
                let body = answer.expect(200).json();
                assert_eq!(body["status"], status, "after {action}");
            }
            Err(from) => {
                let problem = answer.expect_problem(409, "transition_refused");
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains(from), "{action}: {detail}");
            }
        }
    }
}

#[tokio::test]
async fn a_job_that_says_too_little_is_not_published() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let body = json!({ "title": "Bare", "employment_type": "full_time", "workplace": "onsite" });
    let path = recruiter.post("/api/jobs", &body).await.expect(201).header("location");
    let answer = recruiter.post(&format!("{path}/publish"), &json!({})).await;
    let problem = answer.expect_problem(422, "not_publishable");
    let errors = problem["errors"].as_array().unwrap();
    assert!(errors.len() >= 2, "{problem}");
}

#[tokio::test]
async fn a_change_needs_the_version_it_was_made_from() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let created = recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
    let (path, etag) = (created.header("location"), created.header("etag"));
    let change = json!({ "openings": 3 });

    let request = recruiter.request(reqwest::Method::PATCH, &path).json(&change);
    recruiter.send(request).await.expect_problem(428, "precondition_required");
    let _ = recruiter.patch(&path, &etag, &change).await.expect(200);
    recruiter.patch(&path, &etag, &change).await.expect_problem(412, "precondition_failed");
    recruiter.patch(&path, "nonsense", &change).await.expect_problem(400, "invalid_parameter");
    let _ = recruiter.patch(&path, "*", &change).await.expect(200);
}

#[tokio::test]
async fn of_two_who_change_the_same_version_one_wins() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let created = recruiter.post("/api/jobs", &job::nurse()).await.expect(201);
    let (path, etag) = (created.header("location"), created.header("etag"));
    let changes: Vec<Value> = (0..8).map(|n| json!({ "title": format!("Title {n}") })).collect();
    let attempts = changes.iter().map(|change| recruiter.patch(&path, &etag, change));
    let answers = futures_util::future::join_all(attempts).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

#[tokio::test]
async fn a_copy_is_a_new_draft_and_only_drafts_are_deleted() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let admin = tenant.signs_in(&portal, Role::Admin).await;
    let original = admin.post("/api/jobs", &job::nurse()).await.expect(201);
    let path = original.header("location");
    let published = admin.post(&format!("{path}/publish"), &json!({})).await.expect(200);
    let copy = admin.post(&format!("{path}/duplicate"), &json!({})).await.expect(201);
    let (copy_path, body) = (copy.header("location"), copy.json());
    assert_ne!(copy_path, path);
    assert_eq!((&body["status"], &body["title"]), (&json!("draft"), &original.json()["title"]));
    assert!(body["published_at"].is_null());

    let deletes = async |path: &str, etag: &str| {
        admin.send(admin.request(reqwest::Method::DELETE, path).header("If-Match", etag)).await
    };
    deletes(&path, &published.header("etag")).await.expect_problem(409, "transition_refused");
    let _ = deletes(&copy_path, &copy.header("etag")).await.expect(204);
    admin.get(&copy_path).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_hiring_manager_sees_assigned_jobs_and_a_viewer_no_drafts() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let draft = recruiter.post("/api/jobs", &job::titled("Draft")).await.expect(201);
    let open = recruiter.post("/api/jobs", &job::titled("Open")).await.expect(201);
    let _ = recruiter
        .post(&format!("{}/publish", open.header("location")), &json!({}))
        .await
        .expect(200);
    tenant.assigns(Role::HiringManager, open.json()["id"].as_str().unwrap(), "view").await;

    let viewer = tenant.signs_in(&portal, Role::Viewer).await;
    assert_eq!(titles(&viewer.get("/api/jobs").await.expect(200).json()), ["Open"]);
    viewer.get(&draft.header("location")).await.expect_problem(404, "not_found");

    let manager = tenant.signs_in(&portal, Role::HiringManager).await;
    assert_eq!(titles(&manager.get("/api/jobs").await.expect(200).json()), ["Open"]);
    manager.get(&draft.header("location")).await.expect_problem(404, "not_found");
    let seen = manager.get(&open.header("location")).await.expect(200);
    let change = json!({ "openings": 9 });
    let path = open.header("location");
    manager.patch(&path, &seen.header("etag"), &change).await.expect_problem(403, "forbidden");
    tenant.assigns(Role::HiringManager, open.json()["id"].as_str().unwrap(), "edit").await;
    let _ = manager.patch(&path, &seen.header("etag"), &change).await.expect(200);
    let draft_path = draft.header("location");
    manager.patch(&draft_path, "*", &change).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_job_is_closed_when_its_last_day_has_passed() {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let settings = [("PORTAL__JOBS__EXPIRY_INTERVAL_MS", "100")];
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let mut body = job::nurse();
    body["valid_through"] = json!(tenant.instant_in(std::time::Duration::from_secs(3)));
    let path = recruiter.post("/api/jobs", &body).await.expect(201).header("location");
    let _ = recruiter.post(&format!("{path}/publish"), &json!({})).await.expect(200);
    let before = recruiter.get(&path).await.expect(200).json();
    assert_eq!(before["status"], "published");
    let closed = portal_tests::waiting::eventually(
        "the job is closed",
        std::time::Duration::from_secs(15),
        async || {
            let job = recruiter.get(&path).await.expect(200).json();
            (job["status"] == "closed").then_some(job)
        },
    )
    .await;
    assert_eq!(closed["closed_reason"], "expired");
    assert!(titles(&recruiter.get("/api/jobs?status=published").await.json()).is_empty());
}

fn titles(list: &Value) -> Vec<String> {
    let jobs = list["data"].as_array().unwrap();
    jobs.iter().map(|job| job["title"].as_str().unwrap().to_owned()).collect()
}

fn count_of(counts: &Value, value: &str) -> i64 {
    let entries = counts.as_array().unwrap();
    entries.iter().find(|entry| entry["value"] == value).unwrap()["count"].as_i64().unwrap()
}
