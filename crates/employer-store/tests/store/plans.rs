//! On a tenant of 40,000 jobs, in the application's role, every list and search uses an index.
//!
//! The statements are the store's own, run by its own functions; the server counts how the table
//! was read. A plan that fell back to reading the whole table would
//! show as a sequential scan, one that walks over too much as tuples fetched. The plan of one
//! statement of each kind is looked at as well.

use employer_store::TenantTx;
use employer_store::jobs::{
    self, EmploymentType, JobFilter, JobPage, JobQuery, JobSort, JobStatus, WorkplaceType,
};
use employer_store::testing::{TestTenant, connection};
use sqlx::Row;
use tenancy::{JobView, Role};

use crate::support::{Store, by_title, connect};

const JOBS: i64 = 40_000;

/// Every 4000th job is in Rareville and asks for Falconry; every 400th is on the team's list.
async fn large_tenant(store: &Store) -> TestTenant {
    let tenant = store.tenant().await;
    let mut owner = connect(&store.database.owner_url).await;
    let sql = include_str!("large_tenant.sql")
        .replace(":tenant", &format!("'{}'", tenant.scope.tenant()))
        .replace(":member", &format!("'{}'", tenant.member(Role::HiringManager).unwrap().user))
        .replace(":jobs", &JOBS.to_string());
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
    tenant
}

/// How the table of jobs has been read: sequential scans, and tuples fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reads {
    scans: i64,
    fetched: i64,
}

/// What this connection has done so far. It counts on over transactions, so only the difference
/// of two answers says something.
async fn reads(tx: &mut TenantTx) -> Reads {
    let row = sqlx::query(
        "SELECT seq_scan, coalesce(idx_tup_fetch, 0) + seq_tup_read AS fetched
         FROM pg_stat_xact_user_tables WHERE schemaname = 'public' AND relname = 'jobs'",
    )
    .fetch_one(connection(tx))
    .await
    .unwrap();
    Reads { scans: row.get("seq_scan"), fetched: row.get("fetched") }
}

/// Lists a page and says how the table was read for it.
async fn list(store: &Store, tenant: &TestTenant, query: &JobQuery) -> (JobPage, Reads) {
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    let before = reads(&mut tx).await;
    let page = jobs::list_jobs(&mut tx, query).await.unwrap();
    let after = reads(&mut tx).await;
    let scans = after.scans - before.scans;
    (page, Reads { scans, fetched: after.fetched - before.fetched })
}

#[tokio::test]
async fn lists_and_searches_use_an_index() {
    let store = Store::open().await;
    let tenant = large_tenant(&store).await;
    let assigned = JobView::Assigned(tenant.member(Role::HiringManager).unwrap().user);
    let none = JobFilter::default;
    let text = |text: &str| JobFilter { text: Some(text.to_owned()), ..none() };
    let at = |place: &str| JobFilter { location: Some(place.to_owned()), ..none() };
    let skilled = |skill: &str| JobFilter { skills: vec![skill.to_owned()], ..none() };
    let in_status = |status| JobFilter { statuses: vec![status], ..none() };
    let mut cases: Vec<(JobView, JobFilter, i64)> = vec![
        (JobView::All, none(), 500),
        (JobView::Published, none(), 500),
        (assigned, none(), 1_000),
        (JobView::All, in_status(JobStatus::Published), 500),
        (JobView::All, in_status(JobStatus::Archived), 8_000),
        (JobView::All, at("Rareville"), 1_000),
        (JobView::All, at("City 3"), 8_000),
        (JobView::All, at("nowhere"), 0),
        (JobView::All, skilled("falconry"), 1_000),
        (JobView::All, skilled("skill 2"), 8_000),
        (JobView::All, skilled("nothing"), 0),
        (JobView::All, text("falconer"), 1_000),
        (JobView::All, text("flaconer"), 1_000),
        (
            JobView::All,
            JobFilter { location: Some("rareville".to_owned()), ..text("falconer") },
            1_000,
        ),
    ];
    cases.push((
        JobView::All,
        JobFilter {
            workplaces: vec![WorkplaceType::Remote],
            employment_types: vec![EmploymentType::FullTime],
            ..in_status(JobStatus::Published)
        },
        3_000,
    ));
    for (view, filter, at_most) in cases {
        for sort in JobSort::ALL {
            let query =
                JobQuery { view, filter: filter.clone(), sort: *sort, limit: 20, ..by_title() };
            let (page, read) = list(&store, &tenant, &query).await;
            assert_eq!(read.scans, 0, "{query:?} reads the whole table");
            assert!(read.fetched <= at_most, "{read:?} for {} by {query:?}", page.jobs.len());
            assert_eq!(page.jobs.is_empty(), at_most == 0, "{query:?}");
            if let Some(after) = page.next {
                let query = JobQuery { after: Some(after), ..query };
                let (_, read) = list(&store, &tenant, &query).await;
                assert_eq!(read.scans, 0, "{query:?} reads the whole table");
                assert!(read.fetched <= 2 * at_most, "{read:?} by {query:?}");
            }
        }
    }
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    let before = reads(&mut tx).await;
    jobs::job_facets(&mut tx, JobView::All, &text("falconer")).await.unwrap();
    jobs::count_jobs(&mut tx, JobView::All, &at("Rareville")).await.unwrap();
    assert_eq!(reads(&mut tx).await.scans, before.scans, "counts read the whole table");
    let overview = jobs::jobs_overview(&mut tx, JobView::All).await.unwrap();
    assert_eq!(overview.total, JOBS);
}

#[tokio::test]
async fn the_planner_says_so_too() {
    let store = Store::open().await;
    let tenant = large_tenant(&store).await;
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    for (condition, order, index) in [
        ("true", "listed_at DESC, id DESC", "jobs_listed_idx"),
        ("true", "listed_at, id", "jobs_listed_idx"),
        ("true", "updated_at DESC, id DESC", "jobs_updated_idx"),
        ("true", "title_key, id", "jobs_title_idx"),
        ("true", "salary_yearly DESC, id DESC", "jobs_salary_idx"),
        ("status = 'published'", "listed_at DESC, id DESC", "jobs_status_listed_idx"),
        ("department = 'Care'", "listed_at DESC, id DESC", "jobs_department_idx"),
    ] {
        let sql = format!(
            "EXPLAIN SELECT title FROM jobs WHERE tenant_id = '{}' AND {condition}
             ORDER BY {order} LIMIT 21",
            tenant.scope.tenant()
        );
        let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(connection(&mut tx))
            .await
            .unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains(index), "{plan}");
        assert!(!plan.contains("Seq Scan") && !plan.contains("Sort"), "{plan}");
    }
}
