//! What somebody is told who applies, and what is kept of it.

use portal_tests::applicant::{Form, applies, pdf, sends, sends_with};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{Scene, publishes};

#[tokio::test]
async fn an_application_is_there_at_once_for_those_who_hire() {
    let scene = Scene::open().await;
    let list = format!("/api/jobs/{}/applications?count=true", scene.job);
    let before = scene.recruiter.get(&list).await.expect(200);
    assert_eq!((before.header("x-cache").as_str(), &before.json()["total"]), ("miss", &json!(0)));
    assert_eq!(scene.recruiter.get(&list).await.expect(200).header("x-cache"), "hit");

    let form = Form::of("Ada@Applicants.example")
        .with("phone", "+1 555 0100")
        .with("message", "First line.\r\nSecond line.")
        .with("utm_source", "News Letter")
        .with("website", "")
        .with_file("../CV of Ada.exe", &pdf());
    let answer = sends(&scene.anybody(), &scene.tenant.slug, &scene.slug, &form).await.expect(202);
    assert_eq!(answer.header("access-control-allow-origin"), "*", "careers pages are elsewhere");
    assert_eq!(answer.json().as_object().unwrap().len(), 1, "a reference, and nothing else");

    let after = scene.recruiter.get(&list).await.expect(200);
    assert_eq!(after.header("x-cache"), "miss", "it dropped the list of its job");
    let page = after.json();
    assert_eq!(page["total"], 1);
    let id = page["data"][0]["id"].as_str().unwrap();
    let whole = scene.recruiter.get(&format!("/api/applications/{id}")).await.expect(200).json();
    assert_eq!(whole["candidate"]["email"], "ada@applicants.example");
    assert_eq!((&whole["stage"], &whole["status"]), (&json!("applied"), &json!("active")));
    assert_eq!(whole["source"], "news-letter");
    assert_eq!(whole["submitted"][0]["reference"], answer.json()["reference"]);
    assert_eq!(whole["submitted"][0]["message"], "First line.\r\nSecond line.");
    let file = &whole["attachments"][0];
    assert_eq!(
        (&file["name"], &file["mime"]),
        (&json!("CV of Ada.pdf"), &json!("application/pdf"))
    );
    assert_eq!(whole["history"][0]["action"], "submit");
}

#[tokio::test]
async fn who_has_applied_before_is_answered_like_anybody() {
    let scene = Scene::open().await;
    let (board, slug) = (&scene.tenant.slug, &scene.slug);
    let known = applies(&scene.anybody(), board, slug, "ada@applicants.example").await;
    let again = applies(&scene.anybody(), board, slug, "ada@applicants.example").await;
    let fresh = applies(&scene.anybody(), board, slug, "bob@applicants.example").await;
    let shape = |answer: &portal_tests::client::Answer| {
        let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        let fields: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
        (answer.status, headers, fields)
    };
    assert_eq!(shape(&known), shape(&again));
    assert_eq!(shape(&known), shape(&fresh));
    assert_ne!(known.json()["reference"], again.json()["reference"]);
    let page = scene.recruiter.get("/api/applications").await.expect(200).json();
    let ada: Vec<&Value> = page["data"].as_array().unwrap().iter().collect();
    assert_eq!(ada.len(), 2, "one a person");
    assert_eq!(ada[1]["submissions"], 2, "and the recruiter sees that it came again");
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field_and_nothing_is_kept() {
    let scene = Scene::open().await;
    let (anybody, board, slug) = (scene.anybody(), &scene.tenant.slug, &scene.slug);
    let missing = sends(&anybody, board, slug, &Form::default().with("email", "nobody")).await;
    let problem = missing.expect_problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "#/name");
    assert_eq!(problem["errors"][1]["pointer"], "#/email");
    let valid = || Form::of("ada@applicants.example");
    for (form, status, code) in [
        (valid().with("unknown", "x"), 422, "validation_failed"),
        (valid().with("name", "Twice"), 400, "bad_request"),
        (valid().with("message", &"x".repeat(10_001)), 422, "validation_failed"),
        (valid().with("message", &"x".repeat(50_000)), 413, "payload_too_large"),
        (valid().with_file("cv.pdf", b"MZ a program"), 422, "validation_failed"),
        (valid().with_file("cv.pdf", b""), 422, "validation_failed"),
        (valid().with_file("a.pdf", &pdf()).with_file("b.pdf", &pdf()), 400, "bad_request"),
    ] {
        let _ = sends(&anybody, board, slug, &form).await.expect_problem(status, code);
    }
    let path = format!("/public/boards/{board}/jobs/{slug}/apply");
    let text = anybody.request(Method::POST, &path).header("content-type", "text/plain").body("x");
    let _ = anybody.send(text).await.expect_problem(415, "unsupported_media_type");
    let cut = valid().with_file("cv.pdf", &pdf()).body();
    let cut = anybody
        .request(Method::POST, &path)
        .header("content-type", Form::media_type())
        .body(cut[..cut.len() - 40].to_vec());
    let _ = anybody.send(cut).await.expect_problem(400, "bad_request");
    let body = json!({ "name": 7, "email": "ada@applicants.example" });
    let _ = anybody.post(&path, &body).await.expect_problem(422, "validation_failed");
    assert_eq!(scene.shown(&scene.recruiter, "/api/applications").await.len(), 0);
}

#[tokio::test]
async fn jobs_that_are_not_there_and_jobs_that_are_closed() {
    let scene = Scene::open().await;
    let (anybody, board) = (scene.anybody(), &scene.tenant.slug);
    let form = Form::of("ada@applicants.example").with_file("cv.pdf", &pdf());
    let draft = scene.recruiter.post("/api/jobs", &portal_tests::job::nurse()).await.expect(201);
    let draft = draft.json()["slug"].as_str().unwrap().to_owned();
    for (board, slug) in
        [("nobody", "nothing"), (board.as_str(), "nothing"), (board.as_str(), draft.as_str())]
    {
        let _ = sends(&anybody, board, slug, &form).await.expect_problem(404, "not_found");
    }
    let close = format!("/api/jobs/{}/close", scene.job);
    let _ = scene.recruiter.post(&close, &json!({ "reason": "filled" })).await.expect(200);
    let _ = sends(&anybody, board, &scene.slug, &form).await.expect_problem(410, "gone");
    let (_, open) = publishes(&scene.recruiter).await;
    scene.tenant.is_suspended().await;
    let _ = sends(&anybody, board, &open, &form).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_key_makes_it_safe_to_send_again() {
    let scene = Scene::open().await;
    let (anybody, board, slug) = (scene.anybody(), &scene.tenant.slug, &scene.slug);
    let key = [("Idempotency-Key", "attempt 1")];
    let form = Form::of("ada@applicants.example").with_file("cv.pdf", &pdf());
    let first = sends_with(&anybody, board, slug, &form, &key).await.expect(202);
    let again = sends_with(&anybody, board, slug, &form, &key).await.expect(202);
    assert_eq!(first.json(), again.json());
    let other = form.clone().with("message", "Something else.");
    let refused = sends_with(&anybody, board, slug, &other, &key).await;
    let _ = refused.expect_problem(422, "idempotency_mismatch");
    let somebody_else = Form::of("bob@applicants.example");
    let _ = sends_with(&anybody, board, slug, &somebody_else, &key).await.expect(202);
    let page = scene.recruiter.get("/api/applications").await.expect(200).json();
    let submissions: Vec<&Value> =
        page["data"].as_array().unwrap().iter().map(|one| &one["submissions"]).collect();
    assert_eq!(submissions, [&json!(1), &json!(1)]);
}

#[tokio::test]
async fn a_machine_that_fills_in_everything_learns_nothing() {
    let scene = Scene::open().await;
    let form = Form::of("ada@applicants.example")
        .with("website", "https://spam.example")
        .with_file("cv.pdf", &pdf());
    let answer = sends(&scene.anybody(), &scene.tenant.slug, &scene.slug, &form).await.expect(202);
    assert!(answer.json()["reference"].is_string());
    assert_eq!(scene.shown(&scene.recruiter, "/api/applications").await.len(), 0);
}

#[tokio::test]
async fn machines_are_refused_what_people_are_refused() {
    let scene = Scene::open().await;
    let (anybody, board) = (scene.anybody(), &scene.tenant.slug);
    let (closed_job, closed) = publishes(&scene.recruiter).await;
    let close = format!("/api/jobs/{closed_job}/close");
    let _ = scene.recruiter.post(&close, &json!({ "reason": "filled" })).await.expect(200);
    let shape = |answer: &portal_tests::client::Answer| {
        let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
        headers.sort();
        let body = answer.json();
        let fields: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
        (answer.status, headers, fields, body["code"].clone(), body["detail"].clone())
    };
    let valid = || Form::of("ada@applicants.example").with_file("cv.pdf", &pdf());
    for (form, job, status) in [
        (valid(), scene.slug.as_str(), 202),
        (valid(), "nothing", 404),
        (valid(), closed.as_str(), 410),
        (Form::of("nobody"), scene.slug.as_str(), 422),
    ] {
        let machine = form.clone().with("website", "https://spam.example");
        let to_a_machine = sends(&anybody, board, job, &machine).await.expect(status);
        let to_a_person = sends(&anybody, board, job, &form).await.expect(status);
        assert_eq!(shape(&to_a_machine), shape(&to_a_person), "{job}");
    }
    let page = scene.recruiter.get("/api/applications").await.expect(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), 1, "the person's");
    assert_eq!(page["data"][0]["submissions"], 1);
}

#[tokio::test]
async fn a_campaign_in_any_script_is_taken() {
    let scene = Scene::open().await;
    for (index, letter) in ["ж", "\"", "𝒜"].into_iter().enumerate() {
        let mut form = Form::of(&format!("p{index}@applicants.example"));
        for name in ["source", "medium", "campaign", "term", "content"] {
            form = form.with(&format!("utm_{name}"), &letter.repeat(200));
        }
        let answer = sends(&scene.anybody(), &scene.tenant.slug, &scene.slug, &form).await;
        let _ = answer.expect(202);
    }
    assert_eq!(scene.shown(&scene.recruiter, "/api/applications").await.len(), 3);
}
