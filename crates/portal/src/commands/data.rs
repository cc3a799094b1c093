//! `portal migrate` and `portal seed`.

use employer_store::seed::{
    DirectoryPerson, LoadPlan, SeedError, SeedProgress, SeedReport, SignInDirectory,
};
use employer_store::{migrate as migrations, seed as seeding};
use tenancy::{Clock, SystemClock};

use super::{CommandError, block_on, say};
use crate::settings::{OwnerSettings, Variables};
use crate::telemetry;

/// What to load.
#[derive(Debug, clap::Args)]
pub(crate) struct SeedArguments {
    /// Load the demo tenants; loading them again changes nothing.
    #[arg(long, conflicts_with = "jobs")]
    demo: bool,
    /// Generate this many jobs for load tests.
    #[arg(long, required_unless_present = "demo", value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    jobs: Option<u32>,
    /// Spread the generated jobs over this many tenants.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tenants: u32,
    /// Give tenants sizes after Zipf's law instead of equal ones.
    #[arg(long)]
    zipf: bool,
    /// The number that decides every generated row.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the people of the largest tenant to this file, in dev-auth0's format.
    #[arg(long, value_name = "FILE")]
    people: Option<std::path::PathBuf>,
}

/// Brings the database to this version's schema.
pub(crate) fn migrate(variables: &Variables) -> Result<(), CommandError> {
    let settings = OwnerSettings::load(variables)?;
    telemetry::start(&settings.tuning.telemetry)?;
    block_on(async {
        let report = migrations::run(&settings.database).await.map_err(CommandError::Migrate)?;
        let (ran, version) = (report.applied.len(), report.version);
        say(format!("{ran} migrations ran; the database is at version {version}"))
    })
}

/// Loads the demo tenants or generated rows.
pub(crate) fn seed(variables: &Variables, arguments: &SeedArguments) -> Result<(), CommandError> {
    let settings = OwnerSettings::load(variables)?;
    telemetry::start(&settings.tuning.telemetry)?;
    let now = SystemClock.now();
    let report = block_on(async {
        let Some(jobs) = arguments.jobs else {
            return seeding::load_demo(&settings.database, now).await.map_err(fault);
        };
        let (tenants, zipf, seed) = (arguments.tenants, arguments.zipf, arguments.seed);
        let plan = LoadPlan { jobs, tenants, zipf, seed };
        let progress = |at: SeedProgress| {
            tracing::info!(seed.tenants = at.tenants, seed.jobs = at.jobs, "loading");
        };
        seeding::generate_load(&settings.database, &plan, now, progress).await.map_err(fault)
    })?;
    if let Some(path) = &arguments.people {
        let people = serde_json::to_vec_pretty(&largest_tenant(&report))
            .map_err(|error| CommandError::Output(error.into()))?;
        std::fs::write(path, people).map_err(CommandError::Output)?;
    }
    tell(&report)
}

/// The largest tenant and those of its people that belong to no other.
fn largest_tenant(report: &SeedReport) -> SignInDirectory {
    let Some((organization, people)) = report.largest() else { return SignInDirectory::default() };
    let belongs_here_only = |person: &&&DirectoryPerson| person.memberships.len() == 1;
    SignInDirectory {
        organizations: vec![organization.clone()],
        people: people.iter().filter(belongs_here_only).map(|person| (*person).clone()).collect(),
    }
}

fn fault(error: SeedError) -> CommandError {
    CommandError::Seed(Box::new(error))
}

fn tell(report: &SeedReport) -> Result<(), CommandError> {
    say(format!(
        "made {} tenants with {} people, {} memberships, {} jobs and {} applications; left {} \
         tenants alone",
        report.tenants,
        report.people,
        report.memberships,
        report.jobs,
        report.applications,
        report.tenants_left_alone
    ))?;
    let Some((organization, people)) = report.largest() else { return Ok(()) };
    say(format!("the largest is {} ({}):", organization.display_name, organization.id))?;
    for person in people {
        let here = person.memberships.iter().find(|member| member.org == organization.id);
        let role = here.map(|member| member.role.as_str()).unwrap_or_default();
        say(format!("  {role:<15} {} ({})", person.name, person.subject))?;
    }
    Ok(())
}
