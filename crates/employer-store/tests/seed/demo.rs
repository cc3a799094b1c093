//! The demo employers.

use std::collections::HashSet;

use employer_store::identity::TenantStatus;
use employer_store::jobs::JobFilter;
use employer_store::seed::{self, SignInDirectory};

use sqlx::{Connection as _, PgConnection};

use crate::support::{begin, count, database, made, membership, owner, today};

#[tokio::test]
async fn the_demo_is_loaded_once_and_its_people_find_their_jobs() {
    let database = database().await;
    let first = seed::load_demo(&owner(&database), today()).await.unwrap();
    // The database outlives a run of the tests.
    assert_eq!(first.tenants + first.tenants_left_alone, 6);
    if first.tenants == 6 {
        assert_eq!((first.people, first.memberships, first.jobs), (25, 28, 180));
    }
    let second = seed::load_demo(&owner(&database), today()).await.unwrap();
    assert_eq!((made(&second), second.tenants_left_alone), ([0; 7], 6));

    let db = database.tenant_db().unwrap();
    let directory: SignInDirectory = serde_json::from_str(seed::DEMO_DIRECTORY_JSON).unwrap();
    let mut jobs_of_all = 0;
    let mut suspended = 0;
    let mut seen = HashSet::new();
    for person in &directory.people {
        for listed in &person.memberships {
            let member = membership(&db, &person.subject, &listed.org).await;
            if listed.org == seed::DEMO_PLATFORM_ORG {
                assert_eq!(
                    (member.role.as_str(), listed.role.as_str()),
                    ("viewer", "platform_operator")
                );
                continue;
            }
            assert_eq!((member.role.as_str(), &member.name), (&*listed.role, &person.name));
            if seen.insert(member.tenant) {
                suspended += i64::from(member.tenant_status == TenantStatus::Suspended);
                let mut tx = begin(&db, &member).await;
                jobs_of_all += count(&mut tx, JobFilter::default()).await;
            }
        }
    }
    assert_eq!((seen.len(), jobs_of_all, suspended), (6, 180, 1));
}

#[tokio::test]
async fn applicants_come_with_the_figures_that_they_make_and_jobs_are_on_the_board() {
    let database = database().await;
    let _ = seed::load_demo(&owner(&database), today()).await.unwrap();
    let organizations: SignInDirectory = serde_json::from_str(seed::DEMO_DIRECTORY_JSON).unwrap();
    let mut superuser = PgConnection::connect(&database.superuser_url).await.unwrap();
    let mut read = async |sql: &str| -> i64 {
        let orgs: Vec<&str> =
            organizations.organizations.iter().map(|one| one.id.as_str()).collect();
        let sql = sql.replace("DEMO", "(SELECT id FROM tenants WHERE org_id = ANY($1))");
        let read = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(orgs);
        read.fetch_one(&mut superuser).await.unwrap()
    };
    let applications = "SELECT count(*) FROM applications WHERE tenant_id IN DEMO";
    assert!(read(applications).await > 1_000);
    let drift = "SELECT count(*) FROM (
            SELECT job_id, coalesce(source, '') AS source, kind,
                   date_bin('15 minutes', occurred_at, '2000-01-01 00:00+00') AS bucket,
                   count(*) AS n
            FROM event_log WHERE tenant_id IN DEMO GROUP BY 1, 2, 3, 4
        ) l
        FULL JOIN (
            SELECT * FROM metric_hours WHERE tenant_id IN DEMO AND starts_with(kind, 'application.')
        ) m USING (job_id, source, kind, bucket)
        WHERE m.n IS DISTINCT FROM l.n";
    assert_eq!(read(drift).await, 0);
    let strays = "SELECT count(*) FROM applications a
        WHERE a.tenant_id IN DEMO AND a.stage IS DISTINCT FROM (
            SELECT m.to_kind FROM stage_moves m
            WHERE m.tenant_id = a.tenant_id AND m.application_id = a.id AND m.to_kind IS NOT NULL
            ORDER BY m.at DESC LIMIT 1)";
    assert_eq!(read(strays).await, 0, "everybody stands where their last step led");
    let hidden = "SELECT count(*) FROM jobs j
        FULL JOIN public_jobs p ON p.tenant_id = j.tenant_id AND p.job_id = j.id
        WHERE j.tenant_id IN DEMO AND (j.status = 'published') IS DISTINCT FROM (p.job_id IS NOT NULL)";
    assert_eq!(read(hidden).await, 0);
}

#[tokio::test]
async fn demo_jobs_are_found_by_words_places_and_skills() {
    let database = database().await;
    let report = seed::load_demo(&owner(&database), today()).await.unwrap();
    let (organization, people) = report.largest().unwrap();
    let db = database.tenant_db().unwrap();
    let member = membership(&db, &people[0].subject, &organization.id).await;
    let mut tx = begin(&db, &member).await;
    let all = count(&mut tx, JobFilter::default()).await;
    for filter in [
        JobFilter { text: Some("cloud migration".into()), ..JobFilter::default() },
        JobFilter { location: Some("boulder".into()), ..JobFilter::default() },
        JobFilter { skills: vec!["postgresql".into()], ..JobFilter::default() },
        JobFilter { departments: vec!["Cyber Security".into()], ..JobFilter::default() },
    ] {
        let found = count(&mut tx, filter.clone()).await;
        assert!((1..all).contains(&found), "{found} of {all}: {filter:?}");
    }
}
