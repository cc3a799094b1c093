//! Figures that move by themselves.

use portal_tests::applicant;
use portal_tests::client::Browser;
use portal_tests::events::EventStream;
use portal_tests::waiting::eventually;
use reqwest::Method;
use reqwest::header::USER_AGENT;
use serde_json::Value;
use tenancy::Role;
use tokio::time::Instant;
use uuid::Uuid;

use crate::history::SOON;
use crate::{Scene, report};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0";

async fn slug_of(scene: &Scene, job: Uuid) -> String {
    let job = scene.owner.get(&format!("/api/jobs/{job}")).await.expect(200).json();
    job["slug"].as_str().unwrap().to_owned()
}

async fn applies(scene: &Scene, job: Uuid) {
    let slug = slug_of(scene, job).await;
    let email = format!("{}@applicants.example", Uuid::now_v7().simple());
    let anybody = scene.portal.browser();
    let _ = applicant::applies(&anybody, &scene.tenant.slug, &slug, &email).await;
}

async fn watches(browser: &Browser, subjects: &str) -> EventStream {
    EventStream::open(browser, &format!("?metrics={subjects}"), None).await
}

/// The next snapshot of a subject that is as it is wanted.
pub(crate) async fn snapshot(
    stream: &mut EventStream,
    subject: &str,
    is_wanted: impl Fn(&Value) -> bool,
) -> Value {
    let deadline = Instant::now() + SOON;
    loop {
        let event = stream.next_before(deadline).await.unwrap_or_else(|| panic!("no {subject}"));
        if event.name != "metrics" {
            continue;
        }
        assert_eq!(event.id, stream.last_id(), "snapshots have no place of their own");
        let body = event.json();
        if body["subject"] == subject && is_wanted(&body["counters"]) {
            return body;
        }
    }
}

#[tokio::test]
async fn an_application_moves_the_figures_and_an_older_answer_is_known_by_its_number() {
    let scene = Scene::open().await;
    let job = scene.jobs[0];
    let of_job = format!("job:{job}");
    let mut stream = watches(&scene.owner, &format!("all,{of_job}")).await;
    let first = snapshot(&mut stream, "all", |_| true).await;
    assert_eq!(first["counters"]["now"]["open"], 0);
    let cached = report(&scene.owner, "overview").await;
    assert_eq!(cached["now"], first["counters"]["now"], "an overview has the same fields");
    assert_eq!(cached["today"], first["counters"]["today"]);
    applies(&scene, job).await;
    let is_one = |counters: &Value| counters["now"]["open"] == 1;
    let moved = snapshot(&mut stream, "all", is_one).await;
    assert_eq!(moved["counters"]["today"]["applications"], 1);
    assert_eq!(moved["counters"]["now"]["open_by_stage"]["applied"], 1);
    // A page that asks now is given what is kept, and by its number drops it.
    let again = scene.owner.get("/api/analytics/overview").await.expect(200);
    assert_eq!(again.header("x-cache"), "hit");
    let again = again.json();
    assert_eq!(again["now"]["open"], 0);
    let versions = [&first, &cached, &moved].map(|one| one["version"].as_u64().unwrap());
    assert_eq!(again["version"].as_u64(), Some(versions[1]));
    assert!(versions[2] > versions[1] && versions[2] > versions[0], "{versions:?}");
    // What is loaded anew is newer than the snapshot, or the same.
    let fresh = report(&scene.owner, "overview?tz=Asia/Tokyo").await;
    assert_eq!(fresh["now"]["open"], 1);
    assert!(fresh["version"].as_u64().unwrap() >= versions[2]);
}

#[tokio::test]
async fn snapshots_are_of_what_somebody_may_see() {
    let scene = Scene::open().await;
    let (ours, theirs) = (scene.jobs[0], scene.jobs[1]);
    scene.tenant.assigns(Role::HiringManager, &ours.to_string(), "view").await;
    let manager = scene.tenant.signs_in(&scene.portal, Role::HiringManager).await;
    let viewer = scene.tenant.signs_in(&scene.portal, Role::Viewer).await;
    let stranger = scene.world.tenant().await.signs_in(&scene.portal, Role::Owner).await;
    let subjects = format!("all,job:{theirs},job:{ours}");
    let mut of_manager = watches(&manager, &subjects).await;
    let mut of_viewer = watches(&viewer, &subjects).await;
    let mut of_stranger = watches(&stranger, &subjects).await;
    applies(&scene, theirs).await;
    applies(&scene, ours).await;
    let is_one = |counters: &Value| counters["now"]["open"] == 1;
    let is_two = |counters: &Value| counters["now"]["open"] == 2;
    let _ = snapshot(&mut of_viewer, "all", is_two).await;
    let _ = snapshot(&mut of_manager, &format!("job:{ours}"), is_one).await;
    let _ = snapshot(&mut of_stranger, "all", |_| true).await;
    // Whatever else they were shown, it was none of the others.
    let deadline = Instant::now() + std::time::Duration::from_secs(3);
    while let Some(event) = of_manager.next_before(deadline).await {
        assert!(event.name != "metrics" || event.json()["subject"] == format!("job:{ours}"));
    }
    let deadline = Instant::now() + std::time::Duration::from_secs(1);
    while let Some(event) = of_stranger.next_before(deadline).await {
        if event.name == "metrics" {
            assert_eq!(event.json()["subject"], "all");
            assert_eq!(event.json()["counters"]["now"]["open"], 0);
        }
    }
}

#[tokio::test]
async fn views_of_which_no_message_tells_are_shown_as_well() {
    let scene = Scene::open_with(&[("PORTAL__EVENTS__FIGURES_MS", "500")]).await;
    let job = scene.jobs[0];
    let mut stream = watches(&scene.owner, &format!("job:{job}")).await;
    let subject = format!("job:{job}");
    let before = snapshot(&mut stream, &subject, |_| true).await;
    assert_eq!(before["counters"]["today"]["views"], 0);
    let path =
        format!("/public/boards/{}/jobs/{}/view", scene.tenant.slug, slug_of(&scene, job).await);
    let anybody = scene.portal.browser();
    let look = anybody.request(Method::POST, &path).header(USER_AGENT, FIREFOX);
    let _ = anybody.send(look).await.expect(204);
    // At midnight it is yesterday's; the next look says so.
    let shown = eventually("the view is shown", SOON, async || {
        Some(snapshot(&mut stream, &subject, |counters| counters["today"]["views"] == 1).await)
    });
    assert!(shown.await["version"].as_u64() > before["version"].as_u64());
}
