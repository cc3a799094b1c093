//! The demo employers.

use std::collections::HashSet;

use employer_store::identity::TenantStatus;
use employer_store::jobs::JobFilter;
use employer_store::seed::{self, SignInDirectory};

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
