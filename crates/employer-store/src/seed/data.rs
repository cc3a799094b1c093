//! The files of `demo/`, as `build_demo.py` writes them. What only people read there is left out.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tenancy::Role;

use super::report::SeedError;
use crate::jobs::{
    CloseReason, EmploymentType, ExperienceLevel, JobStatus, Salary, SalaryPeriod, TeamAccess,
    WorkplaceType,
};

#[derive(Clone, Debug, Deserialize)]
pub(super) struct DemoTenant {
    pub slug: String,
    pub org_id: String,
    pub name: String,
    pub status: String,
    pub time_zone: String,
    pub locale: String,
    pub currency: String,
    pub pay_range_required: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct DemoMember {
    pub subject: String,
    pub name: String,
    pub email: String,
    pub memberships: Vec<DemoMembership>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct DemoMembership {
    pub tenant: String,
    pub role: Role,
}

/// Days from the day of loading, and the minute of that day in UTC.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Moment(pub i64, pub i64);

#[derive(Clone, Debug, Deserialize)]
pub(super) struct DemoJob {
    pub tenant: String,
    pub title: String,
    pub department: String,
    pub status: JobStatus,
    pub employment_type: EmploymentType,
    pub experience_level: ExperienceLevel,
    pub workplace: WorkplaceType,
    pub openings: i32,
    pub created: Moment,
    pub updated: Moment,
    pub published: Option<Moment>,
    pub valid_through: Option<Moment>,
    pub closed_reason: Option<CloseReason>,
    pub salary: Option<Salary>,
    pub pay_blurb: Option<String>,
    pub locations: Vec<DemoPlace>,
    pub skills: Vec<String>,
    pub created_by: String,
    pub team: Vec<DemoTeamMember>,
    pub description: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct DemoPlace {
    pub country: String,
    pub region: Option<String>,
    pub city: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct DemoTeamMember {
    pub subject: String,
    pub access: TeamAccess,
}

/// A role that generated jobs are drawn from.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PoolRole {
    pub kind: String,
    pub department: String,
    pub period: SalaryPeriod,
    /// The 10th, 25th, 50th, 75th and 90th percentile.
    pub wages_in_cents: [i64; 5],
    pub titles: Vec<String>,
    pub levels: Vec<ExperienceLevel>,
    pub workplaces: Vec<WorkplaceType>,
    pub employment: Vec<EmploymentType>,
    pub about: String,
    pub duties: Vec<String>,
    pub skills: Vec<String>,
}

/// A city that generated tenants sit in.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PoolCity {
    pub country: String,
    pub region: Option<String>,
    pub city: String,
    pub time_zone: String,
    pub currency: String,
    pub weight: u32,
    /// Pay here for 1000 of pay in the nation; abroad the exchange rate.
    pub wage_per_mille: i64,
}

pub(super) fn tenants() -> Result<Vec<DemoTenant>, SeedError> {
    parse("tenants.json", include_str!("../../demo/tenants.json"))
}

pub(super) fn members() -> Result<Vec<DemoMember>, SeedError> {
    parse("members.json", include_str!("../../demo/members.json"))
}

pub(super) fn jobs() -> Result<Vec<DemoJob>, SeedError> {
    parse("jobs.json", include_str!("../../demo/jobs.json"))
}

pub(super) fn roles() -> Result<Vec<PoolRole>, SeedError> {
    parse("pool.json", include_str!("../../demo/pool.json"))
}

pub(super) fn cities() -> Result<Vec<PoolCity>, SeedError> {
    parse("cities.json", include_str!("../../demo/cities.json"))
}

pub(super) fn parse<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<T, SeedError> {
    serde_json::from_str(text).map_err(|source| SeedError::Data { file, source })
}
