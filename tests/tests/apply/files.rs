//! Résumés: kept outside of the database, given out to whoever may read the application.

use std::path::Path;

use portal_tests::applicant::{Form, pdf, sends};
use portal_tests::portal::files_folder;
use tenancy::Role;

use crate::Scene;

/// The files that the portals of this process keep of a tenant.
fn kept(tenant: &str) -> usize {
    let folder = files_folder().join("resumes").join(tenant.replace('-', ""));
    std::fs::read_dir(Path::new(&folder)).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_resume_comes_back_as_it_was_and_only_as_a_download() {
    let scene = Scene::open().await;
    // More than one part of an upload, and less than the limit.
    let mut content = pdf();
    content.resize(6 << 20, b'x');
    let form = Form::of("ada@applicants.example").with_file("Lebenslauf Größe.pdf", &content);
    let _ = sends(&scene.anybody(), &scene.tenant.slug, &scene.slug, &form).await.expect(202);
    let page = scene.recruiter.get("/api/applications").await.expect(200).json();
    let id = page["data"][0]["id"].as_str().unwrap();
    let whole = scene.recruiter.get(&format!("/api/applications/{id}")).await.expect(200).json();
    let file = whole["attachments"][0]["id"].as_str().unwrap();
    let path = format!("/api/applications/{id}/files/{file}");
    let response = scene.recruiter.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/pdf");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename*=UTF-8''Lebenslauf%20Gr%C3%B6%C3%9Fe%2Epdf"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "private, no-store");
    assert!(header("content-security-policy").contains("sandbox"));
    assert!(response.bytes().await.unwrap() == content);
    assert_eq!(scene.tenant.audited("candidate_file_read").await, 1);

    let viewer = scene.tenant.signs_in(&scene.portal, Role::Viewer).await;
    let _ = viewer.get(&path).await.expect_problem(403, "forbidden");
    let manager = scene.tenant.signs_in(&scene.portal, Role::HiringManager).await;
    let _ = manager.get(&path).await.expect_problem(404, "not_found");
    scene.tenant.assigns(Role::HiringManager, &scene.job, "view").await;
    let given = manager.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(given.status(), 200);
}

#[tokio::test]
async fn what_is_not_kept_of_an_application_leaves_no_file_behind() {
    let scene = Scene::open_with(&[("PORTAL__BOARD__RESUME_MAX_BYTES", "1000")]).await;
    let (anybody, board, slug) = (scene.anybody(), &scene.tenant.slug, &scene.slug);
    let tenant = scene.tenant.id.to_string();
    let with_file = |form: Form| form.with_file("cv.pdf", &pdf());
    let refused = with_file(Form::default().with("email", "nobody"));
    let _ = sends(&anybody, board, slug, &refused).await.expect_problem(422, "validation_failed");
    let of_a_machine = with_file(Form::of("ada@applicants.example").with("website", "x"));
    let _ = sends(&anybody, board, slug, &of_a_machine).await.expect(202);
    let nowhere = with_file(Form::of("ada@applicants.example"));
    let _ = sends(&anybody, board, "nothing", &nowhere).await.expect_problem(404, "not_found");
    let mut large = pdf();
    large.resize(1_001, b'x');
    let large = Form::of("ada@applicants.example").with_file("cv.pdf", &large);
    let _ = sends(&anybody, board, slug, &large).await.expect_problem(413, "payload_too_large");
    assert_eq!(kept(&tenant), 0);
    let fine = with_file(Form::of("ada@applicants.example"));
    let _ = sends(&anybody, board, slug, &fine).await.expect(202);
    assert_eq!(kept(&tenant), 1);
}
