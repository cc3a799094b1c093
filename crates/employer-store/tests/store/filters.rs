//! What each filter lets through, and texts of all kinds.

use employer_store::jobs::{
    self, EmploymentType, JobFilter, JobQuery, JobSort, JobStatus, NewJob, Salary, SalaryPeriod,
    WorkplaceType,
};
use employer_store::testing::TestTenant;
use tenancy::JobView;
use time::OffsetDateTime;

use crate::support::{Store, a_job, by_title, place};

const ENGINEER: &str = "Senior Software Engineer";

fn pay(min: i64, max: i64, period: SalaryPeriod) -> Salary {
    Salary { min, max, currency: "EUR".to_owned(), period }
}

/// Four jobs that differ in everything a filter looks at.
async fn four_jobs(store: &Store) -> TestTenant {
    let tenant = store.tenant().await;
    let engineer = NewJob {
        department: Some("Engineering".to_owned()),
        workplace: WorkplaceType::Remote,
        locations: vec![place("BR", Some("São Paulo"), Some("São Paulo"))],
        skills: vec!["Rust".to_owned(), "SQL".to_owned()],
        salary: Some(pay(5_000, 6_000, SalaryPeriod::Hour)),
        description: "Build systems that stay up.".to_owned(),
        ..a_job(ENGINEER)
    };
    let nurse = NewJob {
        employment_type: EmploymentType::PartTime,
        locations: vec![
            place("DE", Some("Hessen"), Some("Kassel")),
            place("DE", Some("Bayern"), Some("München")),
        ],
        skills: vec!["Patience".to_owned(), "rust removal".to_owned()],
        salary: Some(pay(300_000, 350_000, SalaryPeriod::Month)),
        ..a_job("Nurse")
    };
    let driver = NewJob {
        employment_type: EmploymentType::Contract,
        department: Some("Logistics".to_owned()),
        workplace: WorkplaceType::Hybrid,
        locations: vec![place("US", Some("Texas"), Some("Paris"))],
        skills: Vec::new(),
        salary: None,
        description: "Carry 100% of the goods_to the \"depot\".".to_owned(),
        ..a_job("Driver")
    };
    let intern = NewJob {
        employment_type: EmploymentType::Internship,
        department: None,
        locations: Vec::new(),
        skills: vec!["SQL".to_owned()],
        salary: Some(pay(1_000_000, 2_000_000, SalaryPeriod::Year)),
        description: "Learn.".to_owned(),
        ..a_job("Intern")
    };
    store.create_in(&tenant, &engineer, JobStatus::Published).await;
    store.create_in(&tenant, &nurse, JobStatus::Published).await;
    store.create_in(&tenant, &driver, JobStatus::Paused).await;
    store.create_in(&tenant, &intern, JobStatus::Draft).await;
    tenant
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[tokio::test]
async fn each_filter_narrows_as_it_says() {
    let store = Store::open().await;
    let tenant = four_jobs(&store).await;
    let none = JobFilter::default;
    let at = |location: &str| JobFilter { location: Some(location.to_owned()), ..none() };
    let skilled = |skills: &[&str]| JobFilter { skills: texts(skills), ..none() };
    let paid = |salary_min| JobFilter { salary_min: Some(salary_min), ..none() };
    let past = OffsetDateTime::UNIX_EPOCH;
    let cases: Vec<(JobFilter, &[&str])> = vec![
        (none(), &["Driver", "Intern", "Nurse", ENGINEER]),
        (JobFilter { statuses: vec![JobStatus::Draft], ..none() }, &["Intern"]),
        (
            JobFilter { statuses: vec![JobStatus::Paused, JobStatus::Draft], ..none() },
            &["Driver", "Intern"],
        ),
        (JobFilter { statuses: vec![JobStatus::Archived], ..none() }, &[]),
        (at("kassel"), &["Nurse"]),
        (at("MÜNCHEN"), &["Nurse"]),
        (at(" são paulo "), &[ENGINEER]),
        (at("texas"), &["Driver"]),
        (at("de"), &["Nurse"]),
        (at("Pari"), &[]),
        (at("%"), &[]),
        (at("\0"), &[]),
        (
            JobFilter { workplaces: vec![WorkplaceType::Remote, WorkplaceType::Hybrid], ..none() },
            &["Driver", ENGINEER],
        ),
        (JobFilter { employment_types: vec![EmploymentType::PartTime], ..none() }, &["Nurse"]),
        (
            JobFilter { departments: texts(&["Logistics", "Engineering"]), ..none() },
            &["Driver", ENGINEER],
        ),
        (JobFilter { departments: texts(&["logistics\0"]), ..none() }, &[]),
        (skilled(&["sql"]), &["Intern", ENGINEER]),
        (skilled(&["RUST", "patience"]), &["Nurse", ENGINEER]),
        (skilled(&["rust", "\0"]), &[ENGINEER]),
        // Yearly: the engineer 6000 * 2080, the nurse 350000 * 12, the intern 2000000.
        (paid(12_480_000), &[ENGINEER]),
        (paid(4_200_000), &["Nurse", ENGINEER]),
        (paid(0), &["Intern", "Nurse", ENGINEER]),
        // The draft was never posted.
        (JobFilter { posted_after: Some(past), ..none() }, &["Driver", "Nurse", ENGINEER]),
        (
            JobFilter {
                statuses: vec![JobStatus::Published],
                skills: texts(&["sql"]),
                location: Some("br".to_owned()),
                ..none()
            },
            &[ENGINEER],
        ),
        (JobFilter { location: Some("br".to_owned()), ..skilled(&["patience"]) }, &[]),
    ];
    for (filter, expected) in cases {
        let described = format!("{filter:?}");
        assert_eq!(store.titles(&tenant, filter).await, expected, "{described}");
    }
    assert_eq!(
        store.titles_seen(&tenant, JobView::Published, none()).await,
        ["Driver", "Nurse", ENGINEER]
    );
}

#[tokio::test]
async fn a_text_finds_words_and_their_like_and_is_never_a_pattern() {
    let store = Store::open().await;
    let tenant = four_jobs(&store).await;
    let cases: &[(&str, &[&str])] = &[
        ("nurse", &["Nurse"]),
        ("NURSES", &["Nurse"]),
        ("software eng", &[ENGINEER]),
        ("rust", &["Nurse", ENGINEER]),
        ("rust -removal", &[ENGINEER]),
        ("systems -rust", &[]),
        ("care -kassel", &[]),
        ("\"stay up\"", &[ENGINEER]),
        ("são paulo", &[ENGINEER]),
        ("kassel", &["Nurse"]),
        ("logistics", &["Driver"]),
        ("depot", &["Driver"]),
        // One edit away from a title.
        ("nurce", &["Nurse"]),
        ("softwere enginer", &[ENGINEER]),
        // Neither a wildcard nor a word.
        ("%", &[]),
        ("_", &[]),
        ("'", &[]),
        ("\"", &[]),
        ("\\", &[]),
        (":*", &[]),
        ("!&|()<->", &[]),
        ("", &[]),
        ("   ", &[]),
        ("\0", &[]),
        ("nur\0se", &["Nurse"]),
        ("100%", &["Driver"]),
        ("'; DROP TABLE jobs; --", &[]),
        ("看護師", &[]),
        ("🦀", &[]),
    ];
    for (text, expected) in cases {
        let filter = JobFilter { text: Some((*text).to_owned()), ..JobFilter::default() };
        assert_eq!(store.titles(&tenant, filter).await, *expected, "{text:?}");
    }
    let narrowed = JobFilter {
        text: Some("rust".to_owned()),
        location: Some("kassel".to_owned()),
        skills: texts(&["patience"]),
        salary_min: Some(1),
        ..JobFilter::default()
    };
    assert_eq!(store.titles(&tenant, narrowed).await, ["Nurse"]);
}

#[tokio::test]
async fn a_huge_text_is_cut_and_still_answered() {
    let store = Store::open().await;
    let tenant = four_jobs(&store).await;
    for text in ["nurse ".repeat(2_000), "🦀\0'%".repeat(2_500), "a".repeat(10_240)] {
        let filter = JobFilter { text: Some(text.clone()), ..JobFilter::default() };
        let found = store.titles(&tenant, filter).await;
        assert_eq!(found.contains(&"Nurse".to_owned()), text.starts_with("nurse"));
    }
}

#[tokio::test]
async fn relevance_puts_titles_before_descriptions_and_needs_a_text() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let described = NewJob { description: "Helps the baker.".to_owned(), ..a_job("Assistant") };
    let skilled = NewJob { skills: texts(&["Baker"]), ..a_job("Helper") };
    for job in [&described, &skilled, &a_job("Baker")] {
        store.create(&tenant, job).await;
    }
    let query = |text: Option<&str>| JobQuery {
        sort: JobSort::Relevance,
        filter: JobFilter { text: text.map(str::to_owned), ..JobFilter::default() },
        ..by_title()
    };
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    let mut titles = async |query: JobQuery| -> Vec<String> {
        let page = jobs::list_jobs(&mut tx, &query).await.unwrap();
        page.jobs.into_iter().map(|job| job.title).collect()
    };
    assert_eq!(titles(query(Some("baker"))).await, ["Baker", "Helper", "Assistant"]);
    assert_eq!(titles(query(None)).await, ["Baker", "Helper", "Assistant"], "newest first");
}
