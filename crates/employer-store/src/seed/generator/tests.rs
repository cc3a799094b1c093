//! One integer decides everything but the dates, and the rows fit the tables.

use std::collections::HashSet;

use tenancy::{OrgId, Role};
use time::Duration;
use time::macros::datetime;

use super::*;
use crate::jobs::{JobStatus, NewJob};
use crate::seed::rows::JobRow;

const DAY: OffsetDateTime = datetime!(2026-11-21 00:00 UTC);
const PLAN: LoadPlan = LoadPlan { jobs: 3_000, tenants: 20, zipf: true, seed: 7 };

type Made = (TenantRow, Vec<PersonRow>, Vec<MemberRow>, Vec<JobRow>);

fn make(plan: LoadPlan, rank: u32, jobs: u32, day: OffsetDateTime) -> Made {
    let pools = Pools::read().unwrap();
    let made = pools.tenant(&plan, rank, jobs, day).unwrap();
    (made.tenant, made.people, made.members, made.jobs.collect())
}

#[test]
fn the_same_seed_makes_the_same_rows() {
    assert_eq!(make(PLAN, 1, 900, DAY), make(PLAN, 1, 900, DAY));
}

#[test]
fn another_day_changes_only_the_dates() {
    let (tenant, people, _, jobs) = make(PLAN, 2, 300, DAY);
    let (later_tenant, later_people, _, later) = make(PLAN, 2, 300, DAY + Duration::days(9));
    assert_eq!((tenant, people), (later_tenant, later_people));
    for (job, later) in jobs.iter().zip(&later) {
        assert_eq!(later.created_at - job.created_at, Duration::days(9));
        assert_eq!((job.id, &job.title, &job.salary), (later.id, &later.title, &later.salary));
    }
}

#[test]
fn another_seed_makes_other_tenants() {
    let (tenant, people, _, jobs) = make(PLAN, 1, 50, DAY);
    let (other, others, _, other_jobs) = make(LoadPlan { seed: 8, ..PLAN }, 1, 50, DAY);
    assert!(tenant.id != other.id && tenant.org_id != other.org_id && tenant.slug != other.slug);
    assert!(people[0].id != others[0].id && people[0].subject != others[0].subject);
    assert_ne!(jobs, other_jobs);
}

#[test]
fn every_tenant_has_an_owner_and_a_recruiter_of_its_own() {
    let mut subjects = HashSet::new();
    let mut organizations = HashSet::new();
    for (rank, jobs) in (1..).zip(PLAN.jobs_of_tenants()) {
        let (tenant, people, members, _) = make(PLAN, rank, jobs, DAY);
        tenant.org_id.parse::<OrgId>().unwrap();
        assert!(organizations.insert(tenant.org_id));
        for role in [Role::Owner, Role::Recruiter] {
            assert!(members.iter().any(|member| member.role == role));
        }
        for person in people {
            assert!(subjects.insert(person.subject) && person.email.ends_with("@example.com"));
        }
    }
}

#[test]
fn every_job_fits_the_tables() {
    let (_, _, members, jobs) = make(PLAN, 3, 2_000, DAY);
    assert_eq!(jobs.len(), 2_000);
    let slugs: HashSet<_> = jobs.iter().map(JobRow::slug).collect();
    let ids: HashSet<_> = jobs.iter().map(|job| job.id).collect();
    assert_eq!((slugs.len(), ids.len()), (2_000, 2_000));
    for job in jobs {
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
        assert!(job.salary.is_none_or(|salary| salary.min < salary.max), "{}", job.title);
        assert!(job.created_at <= job.updated_at && job.updated_at < DAY, "{}", job.title);
        assert_eq!(job.published_at.is_none(), job.status == JobStatus::Draft);
        let is_over = matches!(job.status, JobStatus::Closed | JobStatus::Archived);
        assert_eq!(job.closed_reason.is_some(), is_over);
        assert!(is_over || job.valid_through.is_none_or(|end| end > DAY + Duration::days(7)));
        assert!(members.iter().any(|member| member.user == job.created_by));
    }
}
