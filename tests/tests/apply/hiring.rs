//! The way of an application through its pipeline, and who may take it along.

use portal_tests::applicant::applies;
use serde_json::{Value, json};
use tenancy::Role;

use crate::{Scene, publishes};

impl Scene {
    async fn application(&self, email: &str) -> String {
        let _ = applies(&self.anybody(), &self.tenant.slug, &self.slug, email).await;
        let newest = self.recruiter.get("/api/applications?limit=1").await.expect(200).json();
        format!("/api/applications/{}", newest["data"][0]["id"].as_str().unwrap())
    }
}

#[tokio::test]
async fn an_application_is_moved_rejected_taken_back_and_hired() {
    let scene = Scene::open().await;
    let path = scene.application("ada@applicants.example").await;
    let step = async |name: &str, body: Value| {
        scene.recruiter.post(&format!("{path}/{name}"), &body).await
    };
    let moved = step("move", json!({ "stage": "interview" })).await.expect(200);
    assert_eq!(
        (&moved.json()["stage"], &moved.json()["version"]),
        (&json!("interview"), &json!(2))
    );
    let read = scene.recruiter.get(&path).await.expect(200);
    assert_eq!(read.header("etag"), moved.header("etag"), "the same as the next read has");
    let rejected = step("reject", json!({ "reason": "salary" })).await.expect(200).json();
    assert_eq!(rejected["reject_reason"], "salary");
    let _ = step("hire", json!({})).await.expect_problem(409, "transition_refused");
    let back = step("unreject", json!({})).await.expect(200).json();
    assert_eq!((&back["stage"], &back["status"]), (&json!("interview"), &json!("active")));
    let hired = step("hire", json!({})).await.expect(200).json();
    assert_eq!(hired["status"], "hired");
    let _ = step("withdraw", json!({})).await.expect_problem(409, "transition_refused");
    for (name, body) in [
        ("move", json!({})),
        ("move", json!({ "stage": "nowhere" })),
        ("move", json!({ "stage": "hired" })),
        ("reject", json!({ "reason": "nothing" })),
        ("hire", json!({ "more": 1 })),
    ] {
        let _ = step(name, body).await.expect_problem(422, "validation_failed");
    }
    let list = scene.recruiter.get("/api/applications?status=hired").await.expect(200).json();
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "the list follows at once");
}

#[tokio::test]
async fn of_two_who_decide_at_once_the_second_is_told() {
    let scene = Scene::open().await;
    let path = scene.application("ada@applicants.example").await;
    let seen = scene.recruiter.get(&path).await.expect(200).header("etag");
    let step = async |name: &str, body: &Value, tag: &str| {
        let request = scene.recruiter.request(reqwest::Method::POST, &format!("{path}/{name}"));
        scene.recruiter.send(request.header("If-Match", tag).json(body)).await
    };
    let first = step("move", &json!({ "stage": "screen" }), &seen).await.expect(200);
    let _ = step("reject", &json!({}), &seen).await.expect_problem(412, "precondition_failed");
    let _ = step("reject", &json!({}), &first.header("etag")).await.expect(200);
    let current = scene.recruiter.get(&path).await.expect(200);
    let request = scene.recruiter.request(reqwest::Method::GET, &path);
    let known = request.header("If-None-Match", current.header("etag"));
    assert_eq!(scene.recruiter.send(known).await.status, 304);
}

#[tokio::test]
async fn a_hiring_manager_sees_and_moves_those_of_their_jobs_and_decides_nothing() {
    let scene = Scene::open().await;
    let path = scene.application("ada@applicants.example").await;
    let (other_job, other_slug) = publishes(&scene.recruiter).await;
    let _ =
        applies(&scene.anybody(), &scene.tenant.slug, &other_slug, "bob@applicants.example").await;
    let manager = scene.tenant.signs_in(&scene.portal, Role::HiringManager).await;
    let of_job = format!("/api/jobs/{}/applications", scene.job);
    let _ = manager.get(&path).await.expect_problem(404, "not_found");
    let _ = manager.get(&of_job).await.expect_problem(404, "not_found");
    assert!(scene.shown(&manager, "/api/applications").await.is_empty());

    scene.tenant.assigns(Role::HiringManager, &scene.job, "view").await;
    assert_eq!(manager.get(&path).await.expect(200).json()["candidate"]["name"], "Ada Example");
    // Assigned behind the cache: another page of the list is another answer.
    assert_eq!(scene.shown(&manager, "/api/applications?limit=7").await.len(), 1);
    let other = format!("/api/jobs/{other_job}/applications");
    let _ = manager.get(&other).await.expect_problem(404, "not_found");
    let moved = manager.post(&format!("{path}/move"), &json!({ "stage": "screen" })).await;
    let _ = moved.expect(200);
    for decision in ["reject", "unreject", "hire", "withdraw"] {
        let refused = manager.post(&format!("{path}/{decision}"), &json!({})).await;
        let _ = refused.expect_problem(403, "forbidden");
    }
    let viewer = scene.tenant.signs_in(&scene.portal, Role::Viewer).await;
    for path in [path.as_str(), of_job.as_str(), "/api/applications"] {
        let _ = viewer.get(path).await.expect_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn lists_go_on_where_they_ended_and_belong_to_one_question() {
    let scene = Scene::open().await;
    for index in 0..5 {
        let email = format!("p{index}@applicants.example");
        let _ = applies(&scene.anybody(), &scene.tenant.slug, &scene.slug, &email).await;
    }
    let whole = scene.shown(&scene.recruiter, "/api/applications").await;
    let (mut seen, mut path) = (Vec::new(), "/api/applications?limit=2".to_owned());
    loop {
        let page = scene.recruiter.get(&path).await.expect(200);
        let ids = page.json()["data"].as_array().unwrap().clone();
        seen.extend(ids.iter().map(|one| one["id"].to_string()));
        let link = page.header("link");
        let Some(next) = link.strip_prefix('<').and_then(|link| link.split('>').next()) else {
            break;
        };
        path = next.to_owned();
    }
    assert_eq!(seen, whole);
    let cursor = path.split("cursor=").nth(1).unwrap();
    let elsewhere = format!("/api/applications?status=active&cursor={cursor}");
    let _ = scene.recruiter.get(&elsewhere).await.expect_problem(400, "cursor_invalid");
}
