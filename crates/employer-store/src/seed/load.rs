//! Any number of jobs from one integer.

use std::sync::{Mutex, PoisonError};

use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use super::generator::{GeneratedTenant, Pools};
use super::plan::LoadPlan;
use super::report::{
    DirectoryMembership, DirectoryOrganization, DirectoryPerson, SeedError, SeedProgress,
    SeedReport,
};
use super::writer::{JOBS_AT_A_TIME, Stage};
use super::{rows, writer};
use crate::database::DatabaseSettings;

/// Makes the tenants of a plan and their jobs, over two connections where the settings allow it:
/// the database does most of the work, on one core for each. Every large tenant has a transaction,
/// small ones share some, so an interrupted run is finished by running it again. `progress` is
/// called after every transaction.
pub async fn generate_load(
    owner: &DatabaseSettings,
    plan: &LoadPlan,
    now: OffsetDateTime,
    progress: impl FnMut(SeedProgress) + Send,
) -> Result<SeedReport, SeedError> {
    plan.check()?;
    let run = Run {
        plan,
        pools: &Pools::read()?,
        day: rows::day_of(now),
        queue: Mutex::new((1..).zip(plan.jobs_of_tenants()).collect::<Vec<_>>().into_iter()),
        progress: Mutex::new((SeedProgress::default(), progress)),
    };
    let (mut report, mut made) = if owner.max_connections > 1 {
        let (one, other) = tokio::try_join!(run.work(owner), run.work(owner))?;
        (sum(one.0, &other.0), [one.1, other.1].concat())
    } else {
        run.work(owner).await?
    };
    if report.tenants > 0 {
        let mut connection = writer::connect(owner).await?;
        writer::vacuum(&mut connection).await?;
        connection.close().await?;
    }
    made.sort_by_key(|one| one.rank);
    for one in made {
        report.directory.organizations.push(one.organization);
        report.directory.people.extend(one.people);
    }
    Ok(report)
}

/// What the two connections share.
struct Run<'a, Progress> {
    plan: &'a LoadPlan,
    pools: &'a Pools,
    day: OffsetDateTime,
    queue: Mutex<std::vec::IntoIter<(u32, u32)>>,
    progress: Mutex<(SeedProgress, Progress)>,
}

#[derive(Clone)]
struct Listed {
    rank: u32,
    organization: DirectoryOrganization,
    people: Vec<DirectoryPerson>,
}

impl<Progress: FnMut(SeedProgress) + Send> Run<'_, Progress> {
    /// Takes tenants off the queue until it is empty.
    async fn work(&self, owner: &DatabaseSettings) -> Result<(SeedReport, Vec<Listed>), SeedError> {
        let mut connection = writer::connect(owner).await?;
        let mut stage = Stage::default();
        let mut report = SeedReport::default();
        let mut made = Vec::new();
        loop {
            let batch = self.next_batch();
            if batch.is_empty() {
                break;
            }
            let mut transaction = connection.begin().await?;
            for (rank, jobs) in &batch {
                let generated = self
                    .pools
                    .tenant(self.plan, *rank, *jobs, self.day)
                    .ok_or(SeedError::Plan("the pools of the demo data are empty"))?;
                made.push(listed(*rank, &generated));
                self.add(&mut transaction, &mut stage, generated, &mut report).await?;
            }
            stage.flush(&mut transaction, &mut report).await?;
            transaction.commit().await?;
            self.tell(batch.len(), batch.iter().map(|(_, jobs)| u64::from(*jobs)).sum());
        }
        connection.close().await?;
        Ok((report, made))
    }

    async fn add(
        &self,
        connection: &mut PgConnection,
        stage: &mut Stage,
        generated: GeneratedTenant<'_>,
        report: &mut SeedReport,
    ) -> Result<(), SeedError> {
        let GeneratedTenant { tenant, people, members, jobs } = generated;
        if !writer::insert_tenant(connection, &tenant).await? {
            report.tenants_left_alone += 1;
            return Ok(());
        }
        report.tenants += 1;
        report.people += writer::insert_people(connection, &people).await?;
        report.memberships += writer::insert_members(connection, tenant.id, &members).await?;
        writer::insert_counter(connection, tenant.id, jobs.numbers.clone().count()).await?;
        for job in jobs {
            stage.add(connection, tenant.id, &job, report).await?;
        }
        Ok(())
    }

    /// Tenants whose jobs fill a stage, or one that fills several; with the size of each.
    fn next_batch(&self) -> Vec<(u32, u32)> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut jobs = 0;
        let mut batch = Vec::new();
        while jobs < JOBS_AT_A_TIME
            && let Some(tenant) = queue.next()
        {
            jobs += usize::try_from(tenant.1).unwrap_or(usize::MAX);
            batch.push(tenant);
        }
        batch
    }

    fn tell(&self, tenants: usize, jobs: u64) {
        let mut guard = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (so_far, progress) = &mut *guard;
        so_far.tenants += tenants;
        so_far.jobs += jobs;
        progress(*so_far);
    }
}

fn sum(one: SeedReport, other: &SeedReport) -> SeedReport {
    SeedReport {
        tenants: one.tenants + other.tenants,
        tenants_left_alone: one.tenants_left_alone + other.tenants_left_alone,
        people: one.people + other.people,
        memberships: one.memberships + other.memberships,
        jobs: one.jobs + other.jobs,
        locations: one.locations + other.locations,
        skills: one.skills + other.skills,
        team: one.team + other.team,
        applications: one.applications + other.applications,
        directory: one.directory,
    }
}

fn listed(rank: u32, generated: &GeneratedTenant<'_>) -> Listed {
    let tenant = &generated.tenant;
    let people = generated.people.iter().zip(&generated.members);
    Listed {
        rank,
        organization: DirectoryOrganization {
            id: tenant.org_id.clone(),
            name: tenant.slug.clone(),
            display_name: tenant.name.clone(),
        },
        people: people
            .map(|(person, member)| DirectoryPerson {
                subject: person.subject.clone(),
                name: person.name.clone(),
                email: person.email.clone(),
                memberships: vec![DirectoryMembership {
                    org: tenant.org_id.clone(),
                    role: member.role.as_str().to_owned(),
                }],
            })
            .collect(),
    }
}
