//! Every order is paged through completely and without repetition, also while jobs are added.

use std::collections::HashSet;

use employer_store::StoreError;
use employer_store::jobs::{
    self, CursorKey, JobCursor, JobFilter, JobPage, JobQuery, JobSort, JobSummary, NewJob, Salary,
    SalaryPeriod,
};
use employer_store::testing::{TestTenant, connection};
use tenancy::JobId;

use crate::support::{Store, a_job, by_title};

const JOBS: usize = 23;

/// Jobs with many equal sort keys: made in one transaction, so at one instant; four titles; three
/// salaries, one of them none.
async fn alike(store: &Store) -> TestTenant {
    let tenant = store.tenant().await;
    let mut tx = store.begin(&tenant).await;
    for index in 0..JOBS {
        let pay = i64::try_from(index % 3).unwrap();
        let salary = (pay != 0).then(|| Salary {
            min: 1,
            max: 100 * pay,
            currency: "EUR".to_owned(),
            period: SalaryPeriod::Year,
        });
        let title = ["Baker", "baker", "Cook", "Zoologist"][index % 4];
        let new = NewJob { salary, description: "Work with bread".to_owned(), ..a_job(title) };
        jobs::create_job(&mut tx, &new).await.unwrap();
    }
    tx.commit().await.unwrap();
    tenant
}

fn query(sort: JobSort, text: Option<&str>, after: Option<JobCursor>) -> JobQuery {
    let filter = JobFilter { text: text.map(str::to_owned), ..JobFilter::default() };
    JobQuery { sort, filter, after, limit: 4, ..by_title() }
}

async fn page(store: &Store, tenant: &TestTenant, query: &JobQuery) -> JobPage {
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    jobs::list_jobs(&mut tx, query).await.unwrap()
}

fn is_ordered(sort: JobSort, earlier: &JobSummary, later: &JobSummary) -> bool {
    let yearly = |job: &JobSummary| job.salary.as_ref().map_or(-1, |salary| salary.max);
    match sort {
        JobSort::Newest => earlier.created_at >= later.created_at,
        JobSort::Oldest => earlier.created_at <= later.created_at,
        JobSort::Updated => earlier.updated_at >= later.updated_at,
        JobSort::Title => earlier.title.to_lowercase() <= later.title.to_lowercase(),
        JobSort::SalaryHigh => yearly(earlier) >= yearly(later),
        JobSort::Relevance => true,
    }
}

#[tokio::test]
async fn pages_of_every_order_hold_every_job_once() {
    let store = Store::open().await;
    let tenant = alike(&store).await;
    let orders = JobSort::ALL.iter().flat_map(|sort| [(*sort, None), (*sort, Some("bread"))]);
    let mut before: HashSet<JobId> = HashSet::new();
    for (sort, text) in orders {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = page(&store, &tenant, &query(sort, text, after)).await;
            seen.extend(page.jobs);
            // What is added meanwhile may be seen or not; it displaces nothing.
            store.create(&tenant, &a_job("Added")).await;
            match page.next {
                // As a client has it: through JSON.
                Some(cursor) => {
                    let json = serde_json::to_string(&cursor).unwrap();
                    after = Some(serde_json::from_str(&json).unwrap());
                }
                None => break,
            }
            assert!(seen.len() < 500, "{sort}: the pages come to an end");
        }
        for pair in seen.windows(2) {
            assert!(is_ordered(sort, &pair[0], &pair[1]), "{sort}: {pair:?}");
        }
        let ids: HashSet<JobId> = seen.iter().map(|job| job.id).collect();
        assert_eq!(ids.len(), seen.len(), "{sort} {text:?}: no job twice");
        let original = seen.iter().filter(|job| job.title != "Added").map(|job| job.id);
        let original: HashSet<JobId> = original.collect();
        assert_eq!(original.len(), JOBS, "{sort} {text:?}: no job left out");
        assert!(before.is_empty() || before == original);
        before = original;
    }
}

#[tokio::test]
async fn skipping_gives_the_same_jobs_as_following_cursors() {
    let store = Store::open().await;
    let tenant = alike(&store).await;
    let first = page(&store, &tenant, &query(JobSort::Title, None, None)).await;
    let next = page(&store, &tenant, &query(JobSort::Title, None, first.next)).await;
    let skipped = JobQuery { skip: 4, ..query(JobSort::Title, None, None) };
    assert_eq!(page(&store, &tenant, &skipped).await, next);
    let beyond = JobQuery { skip: 1_000, ..query(JobSort::Title, None, None) };
    assert_eq!(page(&store, &tenant, &beyond).await, JobPage { jobs: Vec::new(), next: None });
    let nothing = JobQuery { limit: 0, ..query(JobSort::Title, None, None) };
    assert_eq!(page(&store, &tenant, &nothing).await, JobPage { jobs: Vec::new(), next: None });
}

#[tokio::test]
async fn a_cursor_of_another_order_is_refused() {
    let store = Store::open().await;
    let tenant = alike(&store).await;
    let id = JobId::from_uuid(uuid::Uuid::nil());
    let mut tx = store.db.begin_read(&tenant.scope).await.unwrap();
    for (sort, key) in [
        (JobSort::Title, CursorKey::Number(1)),
        (JobSort::Newest, CursorKey::Text("a".to_owned())),
        (JobSort::Newest, CursorKey::Time(i64::MAX)),
    ] {
        let query = query(sort, None, Some(JobCursor { key, id }));
        let error = jobs::list_jobs(&mut tx, &query).await.unwrap_err();
        assert!(matches!(error, StoreError::Inconsistent { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn keys_are_folded_by_the_database_as_filters_are_here() {
    let store = Store::open().await;
    let tenant = store.tenant().await;
    let mut tx = store.begin(&tenant).await;
    for text in ["SÃO PAULO", "ΟΔΟΣ", "İstanbul", "STRAẞE", "Ǆ", "ЖУК", "C++", "naïve"]
    {
        let folded: String = sqlx::query_scalar("SELECT lower($1 COLLATE \"und-x-icu\")")
            .bind(text)
            .fetch_one(connection(&mut tx))
            .await
            .unwrap();
        assert_eq!(folded, text.to_lowercase());
    }
}
