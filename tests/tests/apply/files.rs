//! Résumés: kept outside of the database, given out to whoever may read the application.

use std::path::Path;
use std::time::Duration;

use portal_tests::applicant::{Form, applies, pdf, sends, sends_with};
use portal_tests::client::Browser;
use portal_tests::portal::{Portal, Redis, files_folder};
use portal_tests::unheard::LosingProxy;
use portal_tests::waiting::eventually;
use tenancy::Role;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::Scene;

/// The files that the portals of this process keep of a tenant.
fn kept(tenant: &str) -> usize {
    let folder = files_folder().join("resumes").join(tenant.replace('-', ""));
    std::fs::read_dir(Path::new(&folder)).map_or(0, Iterator::count)
}

/// Files that nobody needs are deleted beside the answer.
async fn keeps(tenant: &str, count: usize) {
    let what = format!("{count} files are kept");
    eventually(&what, Duration::from_secs(20), async || (kept(tenant) == count).then_some(()))
        .await;
}

/// Where the only file of the only application is given out.
pub(crate) async fn only_file(recruiter: &Browser) -> String {
    let page = recruiter.get("/api/applications").await.expect(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    let id = page["data"][0]["id"].as_str().unwrap();
    let whole = recruiter.get(&format!("/api/applications/{id}")).await.expect(200).json();
    assert_eq!(whole["attachments"].as_array().unwrap().len(), 1);
    format!("/api/applications/{id}/files/{}", whole["attachments"][0]["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_resume_comes_back_as_it_was_and_only_as_a_download() {
    let scene = Scene::open().await;
    // More than one part of an upload, and less than the limit.
    let mut content = pdf();
    content.resize(6 << 20, b'x');
    let form = Form::of("ada@applicants.example").with_file("Lebenslauf Größe.pdf", &content);
    let _ = sends(&scene.anybody(), &scene.tenant.slug, &scene.slug, &form).await.expect(202);
    let path = only_file(&scene.recruiter).await;
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
    keeps(&tenant, 0).await;
    let fine = with_file(Form::of("ada@applicants.example"));
    let _ = sends(&anybody, board, slug, &fine).await.expect(202);
    assert_eq!(kept(&tenant), 1);
}

#[tokio::test]
async fn whoever_hangs_up_leaves_no_file_behind() {
    let scene = Scene::open().await;
    let tenant = scene.tenant.id.to_string();
    let path = format!("/public/boards/{}/jobs/{}/apply", scene.tenant.slug, scene.slug);
    let address = scene.portal.base_url().trim_start_matches("http://");
    let form = Form::of("ada@applicants.example").with_file("cv.pdf", &pdf());
    let body = form.with("message", "Never said to its end.").body();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        Form::media_type(),
        body.len(),
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    // The whole file, and the beginning of what comes after it.
    connection.write_all(&body[..body.len() - 50]).await.unwrap();
    keeps(&tenant, 1).await;
    drop(connection);
    keeps(&tenant, 0).await;
}

#[tokio::test]
async fn a_resume_outlives_the_lost_answer_of_its_commit() {
    let scene = Scene::open().await;
    let public_url = &scene.world.databases.public_url;
    let proxy = LosingProxy::start_to(public_url, "unheard@applicants.example").await;
    let through = [("DATABASE_PUBLIC_URL", proxy.url())];
    let portal = Portal::spawn_with(&scene.world.databases, Redis::Memory, &through).await;
    let (board, slug) = (&scene.tenant.slug, &scene.slug);
    let form = Form::of("unheard@applicants.example").with_file("cv.pdf", &pdf());
    let key = [("Idempotency-Key", "attempt 1")];
    let first = sends_with(&portal.browser(), board, slug, &form, &key).await;
    assert_eq!((first.status.as_u16(), proxy.lost()), (503, 1));
    // What the applicant is told to do; the second file is not needed.
    let _ = sends_with(&portal.browser(), board, slug, &form, &key).await.expect(202);
    keeps(&scene.tenant.id.to_string(), 1).await;
    let path = only_file(&scene.recruiter).await;
    let given = scene.recruiter.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(given.status(), 200);
    assert!(given.bytes().await.unwrap() == pdf());
}

#[tokio::test]
async fn a_file_store_that_hangs_takes_no_connection_to_the_database() {
    let scene = Scene::open().await;
    let (board, slug) = (&scene.tenant.slug, &scene.slug);
    let _ = applies(&scene.anybody(), board, slug, "ada@applicants.example").await;
    let path = only_file(&scene.recruiter).await;
    // It accepts, and says nothing.
    let store = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", store.local_addr().unwrap());
    let connections = 4;
    let settings = [
        ("PORTAL__FILES__STORE", "s3"),
        ("PORTAL__FILES__S3_BUCKET", "resumes"),
        ("PORTAL__FILES__S3_REGION", "us-east-1"),
        ("PORTAL__FILES__S3_ENDPOINT", endpoint.as_str()),
        ("FILES_S3_ACCESS_KEY_ID", "nobody"),
        ("FILES_S3_SECRET_ACCESS_KEY", "nothing"),
        ("PORTAL__DATABASE__MAX_CONNECTIONS", &connections.to_string()),
    ];
    let portal = Portal::spawn_with(&scene.world.databases, Redis::Memory, &settings).await;
    let recruiter = scene.tenant.signs_in(&portal, Role::Recruiter).await;
    let downloads = async {
        let one = || async { recruiter.get(&path).await.expect_problem(503, "unavailable") };
        tokio::join!(one(), one(), one(), one())
    };
    let meanwhile = async {
        let mut held = Vec::new();
        while held.len() < connections {
            held.push(store.accept().await.unwrap());
        }
        let _ = recruiter.get("/api/applications?count=true").await.expect(200);
        held
    };
    let (_refused, _held) = tokio::join!(downloads, meanwhile);
    assert_eq!(scene.tenant.audited("candidate_file_read").await, 4, "each was asked for");
}
