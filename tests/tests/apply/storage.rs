//! Résumés in a store that speaks S3: what happens to applications while it fails, and what becomes
//! of files that nobody needs.

use std::time::Duration;

use dev_s3::{DevS3, Fault, Operation};
use portal_tests::applicant::{Form, pdf, sends, sends_with};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tenancy::Role;
use uuid::Uuid;

use crate::files::only_file;
use crate::{Scene, publishes};

const SOON: Duration = Duration::from_secs(20);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn settings<'a>(endpoint: &'a str, secret: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("PORTAL__FILES__STORE", "s3"),
        ("PORTAL__FILES__S3_BUCKET", DevS3::BUCKET),
        ("PORTAL__FILES__S3_REGION", DevS3::REGION),
        ("PORTAL__FILES__S3_ENDPOINT", endpoint),
        ("FILES_S3_ACCESS_KEY_ID", DevS3::KEY_ID),
        ("FILES_S3_SECRET_ACCESS_KEY", secret),
    ]
}

async fn keeps(store: &DevS3, count: usize) {
    let what = format!("{count} files are kept, and no parts");
    let is_so = async || (store.keys().len() == count && store.uploads() == 0).then_some(());
    eventually(&what, SOON, is_so).await;
}

fn large() -> Vec<u8> {
    let mut content = pdf();
    content.resize(6 << 20, b'x');
    content
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_lost_or_half_kept() {
    let store = DevS3::start().await.unwrap();
    let endpoint = store.endpoint();
    let scene = Scene::open_with(&settings(&endpoint, DevS3::SECRET)).await;
    let (anybody, board, slug) = (scene.anybody(), &scene.tenant.slug, &scene.slug);
    let small = Form::of("ada@applicants.example").with_file("cv.pdf", &pdf());
    let large_form = Form::of("ada@applicants.example").with_file("cv.pdf", &large());
    let key = [("Idempotency-Key", "one application")];
    for (form, operation, fault) in [
        (&small, Operation::Put, Fault::SlowDown),
        (&small, Operation::Put, Fault::LostAnswer),
        (&small, Operation::Put, Fault::Refused("AccessDenied")),
        (&large_form, Operation::Begin, Fault::SlowDown),
        (&large_form, Operation::Part, Fault::LostAnswer),
        (&large_form, Operation::Complete, Fault::SlowDown),
    ] {
        store.fails(operation, fault, 100);
        let refused = sends_with(&anybody, board, slug, form, &key).await;
        assert_ne!(refused.header("retry-after"), "", "{operation:?} {fault:?}");
        let _ = refused.expect_problem(503, "unavailable");
        store.recovers();
        keeps(&store, 0).await;
    }
    let page = scene.recruiter.get("/api/applications").await.expect(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), 0, "nobody has applied yet");
    // What the applicant is told to do; an answer that is lost once is nobody's concern.
    store.fails(Operation::Part, Fault::LostAnswer, 1);
    let _ = sends_with(&anybody, board, slug, &large_form, &key).await.expect(202);
    keeps(&store, 1).await;
    let path = only_file(&scene.recruiter).await;
    store.fails(Operation::Get, Fault::Cut, 1);
    let given = scene.recruiter.request(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(given.status(), 200);
    assert!(given.bytes().await.unwrap() == large());
    store.fails(Operation::Get, Fault::SlowDown, 100);
    let refused = scene.recruiter.get(&path).await;
    assert_ne!(refused.header("retry-after"), "");
    let _ = refused.expect_problem(503, "unavailable");
}

#[tokio::test]
async fn a_store_that_refuses_us_puts_no_secret_into_the_log() {
    let store = DevS3::start().await.unwrap();
    let (endpoint, wrong) = (store.endpoint(), "not/the+secret0of1anybody2and3nothing4el");
    let scene = Scene::open_with(&settings(&endpoint, wrong)).await;
    let form = Form::of("ada@applicants.example").with_file("cv.pdf", &pdf());
    let sent = sends(&scene.anybody(), &scene.tenant.slug, &scene.slug, &form).await;
    let _ = sent.expect_problem(503, "unavailable");
    let log = scene.portal.log();
    assert!(log.contains("SignatureDoesNotMatch"), "the log says why");
    for secret in [wrong, DevS3::KEY_ID, "AWS4-HMAC-SHA256", "StringToSign", "ada@"] {
        assert!(!log.contains(secret), "{secret}");
    }
    assert_eq!(store.keys(), Vec::<String>::new());
}

#[tokio::test]
async fn files_that_no_row_names_go_and_rows_without_a_file_are_told_of() {
    let world = World::for_purpose("sweeping").await;
    let tenant = world.tenant().await;
    let store = DevS3::start().await.unwrap();
    let endpoint = store.endpoint();
    let mut settings = settings(&endpoint, DevS3::SECRET);
    settings.push(("PORTAL__FILES__ORPHAN_HOURS", "0"));
    let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let recruiter = tenant.signs_in(&portal, Role::Recruiter).await;
    let (_, slug) = publishes(&recruiter).await;
    for person in ["ada", "grace"] {
        let form = Form::of(&format!("{person}@applicants.example")).with_file("cv.pdf", &pdf());
        let _ = sends(&portal.browser(), &tenant.slug, &slug, &form).await.expect(202);
    }
    let named = store.keys();
    assert_eq!(named.len(), 2);
    let mut superuser = PgConnection::connect(&world.databases.superuser_url).await.unwrap();
    let old = "UPDATE candidate_files SET created_at = now() - interval '9 days'";
    superuser.execute(old).await.unwrap();
    // One of them is lost, the other is old; orphans fill more than two pages.
    store.loses(&named[0]);
    store.holds(&named[1], &pdf(), 9 * DAY);
    let of = |tenant: Uuid| format!("resumes/{}/{}", tenant.simple(), Uuid::now_v7().simple());
    for _ in 0..2_050 {
        store.holds(&of(tenant.id), b"nobody's", 4 * DAY);
    }
    let stays = [of(tenant.id), of(Uuid::now_v7()), "resumes/readme.txt".to_owned()];
    store.holds(&stays[0], b"its row may come", 2 * DAY);
    store.holds(&stays[1], b"another database's", 9 * DAY);
    store.holds(&stays[2], b"somebody's", 9 * DAY);
    store.holds("elsewhere/a/b", b"not ours to look at", 9 * DAY);
    assert!(portal.figure("portal_files_orphans_deleted_total").await < 0.5);
    let _ = portal.stops().await;

    settings.pop();
    let one = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let other = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
    let mut kept = vec![named[1].clone(), "elsewhere/a/b".to_owned()];
    kept.extend(stays);
    kept.sort();
    eventually("only what somebody may need is left", 3 * SOON, async || {
        (store.keys() == kept).then_some(())
    })
    .await;
    let figure = async |name: &str| one.figure(name).await + other.figure(name).await;
    eventually("it is counted", SOON, async || {
        let deleted = figure("portal_files_orphans_deleted_total").await;
        (2_049.5..2_050.5).contains(&deleted).then_some(())
    })
    .await;
    let missing = async || one.log().contains(&named[0]) || other.log().contains(&named[0]);
    eventually("the lost file is told of", SOON, async || missing().await.then_some(())).await;
}
