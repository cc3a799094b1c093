//! Generated tenants.

use employer_store::jobs::{self, JobFilter, JobQuery, JobSort};
use employer_store::seed::{self, LoadPlan};
use tenancy::JobView;
use uuid::Uuid;

use crate::support::{begin, begin_write, count, database, made, membership, owner, today};

#[tokio::test]
async fn a_load_is_what_its_plan_says_and_is_made_once() {
    let database = database().await;
    // A seed that no earlier run has used: its tenants do not exist yet.
    let (seed, _) = Uuid::new_v4().as_u64_pair();
    let plan = LoadPlan { jobs: 2_500, tenants: 6, zipf: true, seed };
    let shares = plan.jobs_of_tenants();
    let mut steps = Vec::new();
    let progress = |so_far| steps.push(so_far);
    let report = seed::generate_load(&owner(&database), &plan, today(), progress).await.unwrap();
    assert_eq!((report.tenants, report.tenants_left_alone, report.jobs), (6, 0, 2_500));
    assert_eq!(report.people, report.memberships);
    assert!(report.locations >= report.jobs && report.skills >= 3 * report.jobs && report.team > 0);
    let end = steps.last().unwrap();
    assert_eq!((end.tenants, end.jobs), (6, 2_500));

    let db = database.tenant_db().unwrap();
    let (organization, people) = report.largest().unwrap();
    let member = membership(&db, &people[0].subject, &organization.id).await;
    let mut tx = begin(&db, &member).await;
    assert_eq!(count(&mut tx, JobFilter::default()).await, i64::from(shares[0]));
    let query = JobQuery {
        view: JobView::All,
        filter: JobFilter::default(),
        sort: JobSort::Newest,
        after: None,
        skip: 0,
        limit: 50,
    };
    let page = jobs::list_jobs(&mut tx, &query).await.unwrap();
    assert_eq!(page.jobs.len(), 50);
    assert!(page.jobs.iter().all(|job| !job.locations.is_empty() && job.skills.len() >= 3));
    drop(tx);

    let again = seed::generate_load(&owner(&database), &plan, today(), |_| {}).await.unwrap();
    assert_eq!((made(&again), again.tenants_left_alone), ([0; 7], 6));
    assert_eq!(again.directory, report.directory);
}

#[tokio::test]
async fn a_generated_tenant_goes_on_with_the_next_requisition() {
    let database = database().await;
    let (seed, _) = Uuid::new_v4().as_u64_pair();
    let plan = LoadPlan { jobs: 20, tenants: 1, zipf: false, seed };
    let report = seed::generate_load(&owner(&database), &plan, today(), |_| {}).await.unwrap();
    let (organization, people) = report.largest().unwrap();
    let db = database.tenant_db().unwrap();
    let member = membership(&db, &people[0].subject, &organization.id).await;
    let mut tx = begin_write(&db, &member).await;
    let new = serde_json::from_value(serde_json::json!({
        "title": "Night Porter", "employment_type": "part_time", "workplace": "onsite"
    }));
    let job = jobs::create_job(&mut tx, &new.unwrap()).await.unwrap();
    assert_eq!(job.summary.requisition, "REQ-000021");
}
