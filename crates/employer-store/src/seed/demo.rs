//! The employers of `demo/`.

use std::collections::HashMap;

use sqlx::Connection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::data::{self, DemoJob, DemoMember, DemoTenant, Moment};
use super::platform::insert_platform;
use super::report::{SeedError, SeedReport, SignInDirectory};
use super::rows::{self, JobRow, MemberRow, PersonRow, TenantRow};
use super::writer::Stage;
use super::{DEMO_DIRECTORY_JSON, applicants, applicants_rows, writer};
use crate::database::DatabaseSettings;
use crate::jobs::JobLocation;

/// An employer and everything in it.
#[derive(Clone, Debug)]
pub(super) struct DemoRows {
    pub tenant: TenantRow,
    pub members: Vec<MemberRow>,
    pub jobs: Vec<JobRow>,
}

/// Loads the employers of `demo/` in one transaction, in the owner's role. Dates are laid around
/// the day of `now`. Employers that exist are left alone, with all that has happened to them.
pub async fn load_demo(
    owner: &DatabaseSettings,
    now: OffsetDateTime,
) -> Result<SeedReport, SeedError> {
    let people = people(&data::members()?);
    let employers = employers(now)?;
    let directory: SignInDirectory = data::parse("people.json", DEMO_DIRECTORY_JSON)?;
    let mut report = SeedReport { directory, ..SeedReport::default() };

    let (mut stage, mut applying) = (Stage::default(), Vec::new());
    let mut connection = writer::connect(owner).await?;
    let mut transaction = connection.begin().await?;
    report.people = writer::insert_people(&mut transaction, &people).await?;
    for DemoRows { tenant, members, jobs } in &employers {
        if !writer::insert_tenant(&mut transaction, tenant).await? {
            report.tenants_left_alone += 1;
            continue;
        }
        report.tenants += 1;
        report.memberships += writer::insert_members(&mut transaction, tenant.id, members).await?;
        writer::insert_counter(&mut transaction, tenant.id, jobs.len()).await?;
        applying.push((tenant.id, applicants::of(jobs, now)));
        for job in jobs {
            stage.add(&mut transaction, tenant.id, job, &mut report).await?;
        }
    }
    stage.flush(&mut transaction, &mut report).await?;
    for (tenant, applicants) in &applying {
        report.applications +=
            applicants_rows::insert(&mut transaction, *tenant, applicants).await?;
    }
    insert_platform(&mut transaction, &report.directory).await?;
    transaction.commit().await?;
    if report.tenants > 0 {
        writer::vacuum(&mut connection).await?;
    }
    connection.close().await?;
    Ok(report)
}

pub(super) fn person_id(subject: &str) -> Uuid {
    rows::id_of(&format!("person/{subject}"))
}

fn people(members: &[DemoMember]) -> Vec<PersonRow> {
    let row = |member: &DemoMember| PersonRow {
        id: person_id(&member.subject),
        subject: member.subject.clone(),
        name: member.name.clone(),
        email: member.email.clone(),
    };
    members.iter().map(row).collect()
}

/// The rows of all employers, in the order of the file.
pub(super) fn employers(now: OffsetDateTime) -> Result<Vec<DemoRows>, SeedError> {
    let day = rows::day_of(now);
    let mut employers: Vec<DemoRows> = data::tenants()?
        .into_iter()
        .map(|tenant| DemoRows { tenant: tenant_row(tenant), members: vec![], jobs: vec![] })
        .collect();
    let places: HashMap<String, usize> =
        employers.iter().enumerate().map(|(at, e)| (e.tenant.slug.clone(), at)).collect();
    for member in data::members()? {
        for membership in member.memberships {
            let employer = find(&mut employers, &places, &membership.tenant)?;
            let user = person_id(&member.subject);
            employer.members.push(MemberRow { user, role: membership.role });
        }
    }
    for job in data::jobs()? {
        let employer = find(&mut employers, &places, &job.tenant)?;
        let number = u32::try_from(employer.jobs.len() + 1).unwrap_or(u32::MAX);
        let row = job_row(job, number, day, employer)?;
        employer.jobs.push(row);
    }
    Ok(employers)
}

fn find<'a>(
    employers: &'a mut [DemoRows],
    places: &HashMap<String, usize>,
    slug: &str,
) -> Result<&'a mut DemoRows, SeedError> {
    places
        .get(slug)
        .and_then(|at| employers.get_mut(*at))
        .ok_or_else(|| SeedError::Undefined { what: "a tenant", name: slug.to_owned() })
}

fn tenant_row(tenant: DemoTenant) -> TenantRow {
    TenantRow {
        id: rows::id_of(&format!("tenant/{}", tenant.org_id)),
        org_id: tenant.org_id,
        slug: tenant.slug,
        name: tenant.name,
        status: tenant.status,
        time_zone: tenant.time_zone,
        locale: tenant.locale,
        currency: tenant.currency,
        pay_range_required: tenant.pay_range_required,
    }
}

fn job_row(
    job: DemoJob,
    number: u32,
    day: OffsetDateTime,
    employer: &DemoRows,
) -> Result<JobRow, SeedError> {
    let at = |Moment(days, minute)| rows::moment(day, days, minute);
    let member = |subject: &str| {
        let user = person_id(subject);
        let is_member = employer.members.iter().any(|member| member.user == user);
        let unknown = || SeedError::Undefined { what: "a member", name: subject.to_owned() };
        if is_member { Ok(user) } else { Err(unknown()) }
    };
    let team = job.team.iter().map(|one| Ok((member(&one.subject)?, one.access)));
    let location = |place: data::DemoPlace| JobLocation {
        country: place.country,
        region: place.region,
        city: Some(place.city),
    };
    Ok(JobRow {
        id: rows::id_of(&format!("job/{}/{number}", employer.tenant.org_id)),
        number,
        created_by: member(&job.created_by)?,
        team: team.collect::<Result<_, SeedError>>()?,
        title: job.title,
        department: job.department,
        employment_type: job.employment_type,
        experience_level: job.experience_level,
        workplace: job.workplace,
        description: job.description,
        locations: job.locations.into_iter().map(location).collect(),
        skills: job.skills,
        salary: job.salary,
        pay_blurb: job.pay_blurb,
        openings: job.openings,
        status: job.status,
        closed_reason: job.closed_reason,
        published_at: job.published.map(at),
        valid_through: job.valid_through.map(at),
        created_at: at(job.created),
        updated_at: at(job.updated),
    })
}

#[cfg(test)]
pub(super) mod tests;
