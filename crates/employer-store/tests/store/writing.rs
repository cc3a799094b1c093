//! Creating, changing and copying jobs.

use employer_store::jobs::{
    self, Change, Job, JobChanges, JobStatus, NewJob, PublishBlocker, WriteOutcome,
};
use tenancy::{JobView, Role};

use crate::support::{Store, a_job, done, place};

#[tokio::test]
async fn a_new_job_is_a_draft_with_a_number_and_an_address_of_its_own() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let new = NewJob {
        title: " Pflegekraft für Ältere ".to_owned(),
        description: "Fürsorge & <b>Mut</b>\n\n- Zeit".to_owned(),
        skills: vec!["Rust".to_owned(), " rust".to_owned(), "SQL".to_owned()],
        locations: vec![place("DE", None, Some("Köln")), place("FR", Some("Bretagne"), None)],
        ..a_job("")
    };
    let job = store.create(&tenant, &new).await;
    let summary = &job.summary;
    assert_eq!(summary.title, "Pflegekraft für Ältere");
    assert!(summary.slug.starts_with("pflegekraft-fuer-aeltere-"), "{}", summary.slug);
    assert_eq!(summary.requisition, "REQ-000001");
    assert_eq!((summary.status, summary.version), (JobStatus::Draft, 1));
    assert_eq!(summary.skills, ["Rust", "SQL"]);
    assert_eq!(summary.locations, new.locations);
    assert_eq!(summary.salary, new.salary);
    assert_eq!(job.lang, "en", "the tenant's own language");
    assert_eq!(
        job.description_html,
        "<p>Fürsorge &amp; &lt;b&gt;Mut&lt;/b&gt;</p><ul><li>Zeit</li></ul>"
    );
    let recruiter = tenant.member(Role::Recruiter).unwrap();
    assert_eq!(job.created_by.unwrap().name, recruiter.name);

    let second = store.create(&tenant, &new).await.summary;
    assert_eq!(second.requisition, "REQ-000002");
    assert_ne!(second.slug, summary.slug);
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    let found = jobs::find_job(&mut tx, JobView::All, second.id).await.unwrap().unwrap();
    assert_eq!(found.summary, second);
    let drafts = jobs::find_job(&mut tx, JobView::Published, second.id).await.unwrap();
    assert_eq!(drafts, None, "a viewer sees no drafts");
}

#[tokio::test]
async fn numbers_are_given_once_when_many_are_made_at_once() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let (one, two) = (a_job("One"), a_job("Two"));
    let (a, b, c, d) = tokio::join!(
        store.create(&tenant, &one),
        store.create(&tenant, &two),
        store.create(&tenant, &one),
        store.create(&tenant, &two),
    );
    let mut numbers: Vec<String> =
        [a, b, c, d].into_iter().map(|job| job.summary.requisition).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ["REQ-000001", "REQ-000002", "REQ-000003", "REQ-000004"]);
}

#[tokio::test]
async fn a_change_writes_what_it_names_and_leaves_the_rest() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let before = store.create(&tenant, &a_job("Nurse")).await;
    let id = before.summary.id;
    let changes = JobChanges {
        title: Change::Set("Midwife".to_owned()),
        department: Change::Set(None),
        skills: Change::Set(vec!["Calm".to_owned()]),
        locations: Change::Set(Vec::new()),
        salary: Change::Set(None),
        description: Change::Set("Help".to_owned()),
        ..JobChanges::default()
    };
    let mut tx = store.begin(&tenant).await;
    let after = done(jobs::update_job(&mut tx, id, 1, &changes).await.unwrap());
    tx.commit().await.unwrap();
    let mut expected = before.clone();
    expected.summary.title = "Midwife".to_owned();
    expected.summary.department = None;
    expected.summary.skills = vec!["Calm".to_owned()];
    expected.summary.locations = Vec::new();
    expected.summary.salary = None;
    expected.summary.version = 2;
    expected.summary.updated_at = after.summary.updated_at;
    expected.description_text = "Help".to_owned();
    expected.description_html = "<p>Help</p>".to_owned();
    assert_eq!(after, expected);
    assert!(after.summary.updated_at > before.summary.updated_at);
    assert_eq!(after.summary.slug, before.summary.slug, "the address is stable");

    let mut tx = store.begin(&tenant).await;
    let stale = jobs::update_job(&mut tx, id, 1, &changes).await.unwrap();
    assert_eq!(stale, WriteOutcome::VersionMismatch { current: 2 });
    let same: Job = done(jobs::update_job(&mut tx, id, 2, &changes).await.unwrap());
    assert_eq!(same.summary.version, 2, "what changes nothing is not a change");
    assert_eq!(tx.commit().await.unwrap(), []);
}

#[tokio::test]
async fn a_published_job_stays_publishable() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let job = store.create_in(&tenant, &a_job("Nurse"), JobStatus::Published).await.summary;
    let changes = JobChanges { description: Change::Set(String::new()), ..JobChanges::default() };
    let mut tx = store.begin(&tenant).await;
    let outcome = jobs::update_job(&mut tx, job.id, job.version, &changes).await.unwrap();
    assert_eq!(outcome, WriteOutcome::Unpublishable(vec![PublishBlocker::DescriptionMissing]));
}

#[tokio::test]
async fn of_two_changes_to_one_version_one_is_made() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let job = store.create(&tenant, &a_job("Nurse")).await.summary;
    let change = async |title: &str| {
        let mut tx = store.begin(&tenant).await;
        let changes = JobChanges { title: Change::Set(title.to_owned()), ..JobChanges::default() };
        let outcome = jobs::update_job(&mut tx, job.id, 1, &changes).await.unwrap();
        tx.commit().await.unwrap();
        matches!(outcome, WriteOutcome::Done(_))
    };
    let (one, two) = tokio::join!(change("One"), change("Two"));
    assert!(one ^ two);
}

#[tokio::test]
async fn a_copy_has_everything_but_the_dates() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    for status in JobStatus::ALL {
        let original = store.create_in(&tenant, &a_job("Nurse"), *status).await;
        let mut tx = store.begin(&tenant).await;
        let copy = done(jobs::duplicate_job(&mut tx, original.summary.id).await.unwrap());
        assert_eq!(copy.summary.status, JobStatus::Draft);
        assert_eq!(copy.summary.title, original.summary.title);
        assert_eq!(copy.summary.locations, original.summary.locations);
        assert_eq!(copy.summary.skills, original.summary.skills);
        assert_eq!(copy.summary.salary, original.summary.salary);
        assert_eq!(copy.description_text, original.description_text);
        assert_eq!((copy.summary.published_at, copy.summary.valid_through), (None, None));
        assert_eq!(copy.closed_reason, None);
        assert_ne!(copy.summary.slug, original.summary.slug);
        assert_ne!(copy.summary.requisition, original.summary.requisition);
        tx.commit().await.unwrap();
    }
}
