//! Overview and facets count what lists show.

use employer_store::jobs::{
    self, JobFilter, JobStatus, NewJob, Salary, SalaryPeriod, StatusChange, ValueCount,
    WorkplaceType,
};
use employer_store::testing::connection;
use tenancy::JobView;

use crate::support::{Store, a_job, done, place};

#[tokio::test]
async fn the_overview_adds_up() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let pay = |min: i64, max: i64| {
        Some(Salary { min, max, currency: "USD".to_owned(), period: SalaryPeriod::Hour })
    };
    for (salary, department) in [
        (pay(10, 20), Some("Care")),
        (pay(30, 40), Some("Care")),
        (pay(50, 90), Some("IT")),
        (None, None),
    ] {
        let department = department.map(str::to_owned);
        let new = NewJob { salary, department, ..a_job("Any") };
        store.create_in(&tenant, &new, JobStatus::Published).await;
    }
    let draft = NewJob { workplace: WorkplaceType::Remote, ..a_job("Draft") };
    store.create(&tenant, &draft).await;
    let closed = store.create_in(&tenant, &a_job("Closed"), JobStatus::Closed).await.summary;

    let mut tx = store.begin(&tenant).await;
    let as_of = jobs::jobs_overview(&mut tx, JobView::All).await.unwrap().as_of;
    let soon = StatusChange::Reopen { valid_through: Some(as_of + time::Duration::days(3)) };
    let _reopened = done(jobs::change_status(&mut tx, closed.id, None, &soon).await.unwrap());
    sqlx::query("UPDATE jobs SET published_at = now() - interval '20 days' WHERE id = $1")
        .bind(closed.id.as_uuid())
        .execute(connection(&mut tx))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    let all = jobs::jobs_overview(&mut tx, JobView::All).await.unwrap();
    assert_eq!(all.total, 6);
    let by_status: Vec<_> = all.by_status.iter().map(|c| (c.status, c.count)).collect();
    assert_eq!(
        by_status,
        [
            (JobStatus::Draft, 1),
            (JobStatus::Published, 5),
            (JobStatus::Paused, 0),
            (JobStatus::Closed, 0),
            (JobStatus::Archived, 0),
        ]
    );
    assert_eq!(all.by_employment_type.iter().map(|c| c.count).collect::<Vec<_>>(), [6, 0, 0, 0, 0]);
    assert_eq!(all.by_workplace.iter().map(|c| c.count).collect::<Vec<_>>(), [5, 0, 1]);
    assert_eq!(all.by_department, [counted("Care", 4), counted("IT", 1)]);
    assert_eq!((all.published_last_7_days, all.published_last_30_days), (4, 5));
    assert_eq!(all.expiring_within_7_days, 1);
    let median = &all.salary_medians[0];
    assert_eq!((median.currency.as_str(), median.jobs), ("USD", 3));
    assert_eq!((median.min, median.max), (30, 40));
    assert_eq!(all.salary_medians.len(), 2, "one a currency and period");

    let seen = jobs::jobs_overview(&mut tx, JobView::Published).await.unwrap();
    assert_eq!((seen.total, seen.by_status[0].count), (5, 0));
}

#[tokio::test]
async fn facets_count_under_the_filter_most_frequent_first() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let skills = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let rust = NewJob { skills: skills(&["Rust", "SQL"]), ..a_job("Rust engineer") };
    let sql = NewJob {
        skills: skills(&["sql"]),
        locations: vec![place("DE", None, Some("berlin")), place("DE", None, Some("Kassel"))],
        ..a_job("SQL engineer")
    };
    let other = NewJob { department: None, locations: Vec::new(), ..a_job("Nurse") };
    store.create(&tenant, &rust).await;
    store.create_in(&tenant, &sql, JobStatus::Published).await;
    store.create(&tenant, &other).await;

    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    let all = jobs::job_facets(&mut tx, JobView::All, &JobFilter::default()).await.unwrap();
    assert_eq!(all.status, [counted("draft", 2), counted("published", 1)]);
    assert_eq!(all.employment_type, [counted("full_time", 3)]);
    assert_eq!(all.workplace, [counted("onsite", 3)]);
    assert_eq!(all.department, [counted("Care", 2)]);
    assert_eq!(all.skill.len(), 3);
    assert_eq!((all.skill[0].value.to_lowercase().as_str(), all.skill[0].count), ("sql", 2));
    assert_eq!(
        (all.location[0].value.to_lowercase().as_str(), all.location[0].count),
        ("berlin", 2)
    );

    for filter in [
        JobFilter { text: Some("engineer".to_owned()), ..JobFilter::default() },
        JobFilter { skills: skills(&["sql"]), ..JobFilter::default() },
    ] {
        let facets = jobs::job_facets(&mut tx, JobView::All, &filter).await.unwrap();
        assert_eq!(facets.employment_type, [counted("full_time", 2)], "{filter:?}");
        assert_eq!(facets.department, [counted("Care", 2)]);
        assert_eq!(facets.location.len(), 2);
    }
    let nothing = JobFilter { location: Some("nowhere".to_owned()), ..JobFilter::default() };
    let facets = jobs::job_facets(&mut tx, JobView::All, &nothing).await.unwrap();
    assert_eq!(facets, jobs::JobFacets::default());
}

#[tokio::test]
async fn a_facet_shows_twenty_values_at_most() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let new =
        NewJob { skills: (0..30).map(|index| format!("Skill {index}")).collect(), ..a_job("Many") };
    store.create(&tenant, &new).await;
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    let facets = jobs::job_facets(&mut tx, JobView::All, &JobFilter::default()).await.unwrap();
    assert_eq!(facets.skill.len(), 20);
}

fn counted(value: &str, count: i64) -> ValueCount {
    ValueCount { value: value.to_owned(), count }
}
