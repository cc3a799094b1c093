//! Who may see which figures, and what is refused.

use portal_tests::client::Browser;
use portal_tests::tenant::World;
use serde_json::json;
use tenancy::Role;
use time::macros::datetime;

use crate::history::History;
use crate::{Scene, report};

/// Every report.
pub(crate) const REPORTS: [&str; 7] =
    ["overview", "timeseries", "funnel", "breakdown", "sources", "time-in-stage", "time-to-hire"];

const PERIOD: &str = "from=2025-10-01&to=2025-12-31&tz=UTC";

async fn applications(browser: &Browser, filter: &str) -> i64 {
    let answer = report(browser, &format!("overview?{PERIOD}{filter}")).await;
    answer["totals"]["applications"].as_i64().unwrap()
}

#[tokio::test]
async fn each_role_sees_the_figures_of_its_jobs() {
    let scene = Scene::open().await;
    let span = (datetime!(2025-10-10 00:00 UTC), datetime!(2025-11-12 00:00 UTC));
    let history = History::invent(7, &scene.jobs, 90, span);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    let of = |job| history.0.iter().filter(|one| one.job == job).count();
    let (ours, theirs) = (scene.jobs[0], scene.jobs[1]);
    scene.tenant.assigns(Role::HiringManager, &ours.to_string(), "view").await;
    for role in [Role::Owner, Role::Admin, Role::Recruiter, Role::Viewer] {
        let browser = scene.tenant.signs_in(&scene.portal, role).await;
        assert_eq!(applications(&browser, "").await, 90, "{role}");
        let found = applications(&browser, &format!("&job={theirs}")).await;
        assert_eq!(usize::try_from(found).unwrap(), of(theirs), "{role}");
    }
    let manager = scene.tenant.signs_in(&scene.portal, Role::HiringManager).await;
    assert_eq!(usize::try_from(applications(&manager, "").await).unwrap(), of(ours));
    let now = report(&manager, &format!("overview?{PERIOD}")).await;
    let open = |job| {
        let is_open =
            |one: &&crate::history::Application| one.job == job && one.standing().1 == "active";
        history.0.iter().filter(is_open).count()
    };
    assert_eq!(now["now"]["open"], open(ours));
    for name in REPORTS {
        let path = format!("/api/analytics/{name}?{PERIOD}&job={theirs}");
        let _ = manager.get(&path).await.expect_problem(404, "not_found");
    }
    // Another tenant has figures of its own, and none of ours.
    let stranger = scene.world.tenant().await.signs_in(&scene.portal, Role::Owner).await;
    assert_eq!(applications(&stranger, "").await, 0);
    for name in REPORTS {
        let path = format!("/api/analytics/{name}?{PERIOD}&job={ours}");
        let _ = stranger.get(&path).await.expect_problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_draft_is_there_for_those_only_who_see_drafts() {
    let scene = Scene::open().await;
    let draft = scene.owner.post("/api/jobs", &portal_tests::job::nurse()).await.expect(201);
    let path = format!("/api/analytics/overview?job={}", draft.json()["id"].as_str().unwrap());
    let _ = scene.owner.get(&path).await.expect(200);
    let viewer = scene.tenant.signs_in(&scene.portal, Role::Viewer).await;
    let _ = viewer.get(&path).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_manager_who_leaves_a_team_sees_its_figures_no_more() {
    // The event is for this portal: others have caches of their own.
    let scene = Scene::open_in(World::for_purpose("figures").await, &[]).await;
    let span = (datetime!(2025-10-10 00:00 UTC), datetime!(2025-11-12 00:00 UTC));
    let history = History::invent(8, &scene.jobs[..1], 10, span);
    history.happens(&scene.tenant, scene.superuser_url()).await;
    let job = scene.jobs[0].to_string();
    scene.tenant.assigns(Role::HiringManager, &job, "view").await;
    let manager = scene.tenant.signs_in(&scene.portal, Role::HiringManager).await;
    assert_eq!(applications(&manager, "").await, 10);
    let mut connection = scene.superuser().await;
    sqlx::query("DELETE FROM job_team WHERE tenant_id = $1")
        .bind(scene.tenant.id)
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO outbox (tenant_id, kind, subject, payload)
         VALUES ($1, 'job.team_changed', $2, '{\"v\": 1}')",
    )
    .bind(scene.tenant.id)
    .bind(scene.jobs[0])
    .execute(&mut connection)
    .await
    .unwrap();
    portal_tests::waiting::eventually("the figures are gone", crate::history::SOON, async || {
        (applications(&manager, "").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_needs_the_scope_of_figures() {
    let scene = Scene::open().await;
    for (scope, status) in [("analytics:read", 200), ("jobs:read", 403)] {
        let body = json!({ "name": "Reports", "scopes": [scope] });
        let made = scene.owner.post("/api/api-keys", &body).await.expect(201).json();
        let machine = scene.portal.browser().with_key(made["key"].as_str().unwrap());
        for name in REPORTS {
            let _ = machine.get(&format!("/api/analytics/{name}")).await.expect(status);
        }
    }
    let body = json!({ "name": "Exports", "scopes": ["analytics:export"] });
    let refused = scene.owner.post("/api/api-keys", &body).await;
    assert!(refused.status.is_client_error(), "{}", refused.text);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let scene = Scene::open().await;
    for (query, pointer) in [
        ("job=7", "query:job"),
        ("source=A%20b", "query:source"),
        ("source=x%27%20OR%201%3D1", "query:source"),
        ("from=2025-02-30", "query:from"),
        ("from=2025-11-02&to=2025-11-01", "query:to"),
        ("from=2001-01-01&to=2025-11-01", "query:from"),
        ("from=2001-01-01", "query:from"),
        ("tz=Mars/Phobos", "query:tz"),
        ("tz=%2B02:00", "query:tz"),
        ("nonsense=1", "query:nonsense"),
        ("tz=UTC&tz=UTC", "query:tz"),
    ] {
        for name in REPORTS {
            let path = format!("/api/analytics/{name}?{query}");
            let refused = scene.owner.get(&path).await.expect_problem(400, "invalid_parameter");
            assert_eq!(refused["errors"][0]["pointer"], pointer, "{path}");
        }
    }
    for (query, pointer) in [
        ("grain=minute", "query:grain"),
        ("metric=salaries", "query:metric"),
        ("grain=hour&from=2025-10-01&to=2025-11-30", "query:from"),
        ("grain=day&from=2024-01-01&to=2025-11-30", "query:from"),
    ] {
        let path = format!("/api/analytics/timeseries?{query}");
        let refused = scene.owner.get(&path).await.expect_problem(400, "invalid_parameter");
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{path}");
    }
}
