//! The demo data is what its makers promise, and fits the tables.

use std::collections::{BTreeMap, HashSet};

use tenancy::{OrgId, Role};
use time::macros::datetime;

use super::super::report::SignInDirectory;
use super::*;
use crate::jobs::{JobStatus, NewJob, WorkplaceType};

const NOW: OffsetDateTime = datetime!(2026-11-21 15:30 UTC);

pub(in crate::seed) fn any_job() -> JobRow {
    employers(NOW).unwrap().into_iter().find_map(|mut employer| employer.jobs.pop()).unwrap()
}

fn all_jobs() -> Vec<(TenantRow, JobRow)> {
    let employers = employers(NOW).unwrap().into_iter();
    employers
        .flat_map(|employer| {
            let tenant = employer.tenant;
            employer.jobs.into_iter().map(move |job| (tenant.clone(), job))
        })
        .collect()
}

#[test]
fn there_are_six_employers_of_different_kinds_of_standing() {
    let employers = employers(NOW).unwrap();
    assert_eq!(employers.len(), 6);
    assert_eq!(employers.iter().filter(|e| e.tenant.status == "suspended").count(), 1);
    assert_eq!(employers.iter().filter(|e| e.jobs.is_empty()).count(), 1);
    assert_eq!(employers.iter().filter(|e| e.tenant.pay_range_required).count(), 1);
    let zones: HashSet<_> = employers.iter().map(|e| &e.tenant.time_zone).collect();
    assert_eq!(zones.len(), 6);
    for employer in &employers {
        employer.tenant.org_id.parse::<OrgId>().unwrap();
        let owners = employer.members.iter().filter(|member| member.role == Role::Owner).count();
        assert_eq!(owners, 1, "{}", employer.tenant.slug);
        assert!(employer.members.iter().any(|member| member.role == Role::Recruiter));
    }
}

#[test]
fn twenty_five_members_hold_every_role_and_some_two_of_them() {
    let members = data::members().unwrap();
    assert_eq!(members.len(), 25);
    let held: HashSet<Role> =
        members.iter().flat_map(|m| m.memberships.iter().map(|one| one.role)).collect();
    assert_eq!(held, HashSet::from(Role::ALL));
    assert!(members.iter().filter(|member| member.memberships.len() == 2).count() >= 2);
    for member in &members {
        let (_, domain) = member.email.split_once('@').unwrap();
        assert!(matches!(domain, "example.com" | "example.net" | "example.org"));
        assert_eq!(member.email, member.email.to_lowercase());
    }
}

#[test]
fn the_directory_lists_the_same_people_and_the_platform_operator() {
    let directory: SignInDirectory = serde_json::from_str(DEMO_DIRECTORY_JSON).unwrap();
    let members = data::members().unwrap();
    let tenants = data::tenants().unwrap();
    assert_eq!(directory.organizations.len(), tenants.len() + 1);
    assert_eq!(directory.people.len(), members.len() + 1);
    for (member, person) in members.iter().zip(&directory.people) {
        assert_eq!((&member.subject, &member.email), (&person.subject, &person.email));
        for (membership, listed) in member.memberships.iter().zip(&person.memberships) {
            let tenant = tenants.iter().find(|tenant| tenant.slug == membership.tenant).unwrap();
            assert_eq!(
                (tenant.org_id.as_str(), membership.role.as_str()),
                (&*listed.org, &*listed.role)
            );
        }
    }
    let operator = directory.people.last().unwrap();
    assert_eq!(operator.memberships[0].org, "org_platform0operator");
}

#[test]
fn a_hundred_and_eighty_jobs_are_spread_over_all_states() {
    let jobs = all_jobs();
    assert_eq!(jobs.len(), 180);
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, job) in &jobs {
        *states.entry(job.status.as_str()).or_default() += 1;
    }
    assert_eq!(states.len(), JobStatus::ALL.len());
    assert!(states.values().all(|count| *count >= 10), "{states:?}");
    let ids: HashSet<_> = jobs.iter().map(|(_, job)| job.id).collect();
    let slugs: HashSet<_> = jobs.iter().map(|(tenant, job)| (tenant.id, job.slug())).collect();
    assert_eq!((ids.len(), slugs.len()), (180, 180));
}

#[test]
fn every_job_could_have_been_entered_by_hand() {
    for (tenant, job) in all_jobs() {
        let new = NewJob {
            title: job.title.clone(),
            department: Some(job.department.clone()),
            employment_type: job.employment_type,
            experience_level: Some(job.experience_level),
            workplace: job.workplace,
            locations: job.locations.clone(),
            skills: job.skills.clone(),
            salary: job.salary.clone(),
            pay_blurb: job.pay_blurb.clone(),
            openings: job.openings,
            valid_through: job.valid_through,
            description: job.description.clone(),
            lang: None,
        };
        assert_eq!(new.problems(), [], "{}", job.title);
        assert!(job.description.contains("What you will do") && job.skills.len() >= 4);
        let distinct: HashSet<_> = job.skills.iter().map(|skill| skill.to_lowercase()).collect();
        assert_eq!(distinct.len(), job.skills.len(), "{}", job.title);
        if let Some(salary) = &job.salary {
            assert!(salary.min < salary.max && salary.currency == tenant.currency, "{}", job.title);
        }
    }
}

#[test]
fn published_jobs_could_have_been_published() {
    for (tenant, job) in all_jobs() {
        assert!(job.created_at <= job.updated_at && job.updated_at < NOW, "{}", job.title);
        assert!(job.created_at >= NOW - time::Duration::weeks(13), "{}", job.title);
        let is_closed = job.status == JobStatus::Closed;
        assert!(!is_closed || job.closed_reason.is_some(), "{}", job.title);
        if job.status == JobStatus::Draft {
            assert_eq!(job.published_at, None, "{}", job.title);
            continue;
        }
        assert!(job.published_at.unwrap() >= job.created_at, "{}", job.title);
        if job.status == JobStatus::Published {
            assert!(job.valid_through.unwrap() > NOW + time::Duration::days(7), "{}", job.title);
            assert!(!job.locations.is_empty() || job.workplace == WorkplaceType::Remote);
            assert!(job.salary.is_some() || !tenant.pay_range_required, "{}", job.title);
        }
    }
}

#[test]
fn another_moment_of_the_day_makes_the_same_rows() {
    let rows = |now| -> Vec<JobRow> {
        employers(now).unwrap().into_iter().flat_map(|employer| employer.jobs).collect()
    };
    assert_eq!(rows(NOW), rows(datetime!(2026-11-21 23:59:59 UTC)));
    assert_ne!(rows(NOW), rows(datetime!(2026-11-22 00:00 UTC)));
}
