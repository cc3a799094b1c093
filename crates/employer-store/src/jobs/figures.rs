//! Figures over a tenant's jobs, as the overview and the facets show them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::vocabulary::{EmploymentType, JobStatus, SalaryPeriod, WorkplaceType};

/// How many jobs have a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValueCount {
    /// The value, as a filter takes it.
    pub value: String,
    /// The jobs that have it.
    pub count: i64,
}

/// How many jobs are in a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusCount {
    /// The state.
    #[serde(rename = "value")]
    pub status: JobStatus,
    /// The jobs in it.
    pub count: i64,
}

/// How many jobs have a kind of contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmploymentTypeCount {
    /// The kind of contract.
    #[serde(rename = "value")]
    pub employment_type: EmploymentType,
    /// The jobs that have it.
    pub count: i64,
}

/// How many jobs are done somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkplaceCount {
    /// Where.
    #[serde(rename = "value")]
    pub workplace: WorkplaceType,
    /// The jobs that are done there.
    pub count: i64,
}

/// The middle of what published jobs of one currency and period pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalaryMedian {
    /// ISO 4217.
    pub currency: String,
    /// The time that the amounts are for.
    pub period: SalaryPeriod,
    /// Median of the lower ends, in minor units.
    pub min: i64,
    /// Median of the upper ends, in minor units.
    pub max: i64,
    /// The published jobs that it was taken over.
    pub jobs: i64,
}

/// A tenant's jobs in figures. States, kinds and workplaces without a job are listed with 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobsOverview {
    /// All jobs that the asker sees.
    pub total: i64,
    /// By state.
    pub by_status: Vec<StatusCount>,
    /// By kind of contract.
    pub by_employment_type: Vec<EmploymentTypeCount>,
    /// By workplace.
    pub by_workplace: Vec<WorkplaceCount>,
    /// The ten departments with most jobs.
    pub by_department: Vec<ValueCount>,
    /// Published within the last 7 days, whatever became of them.
    pub published_last_7_days: i64,
    /// Published within the last 30 days, whatever became of them.
    pub published_last_30_days: i64,
    /// Published jobs whose last day is within the next 7 days.
    pub expiring_within_7_days: i64,
    /// What published jobs pay, the most frequent currency and period first.
    pub salary_medians: Vec<SalaryMedian>,
    /// When the figures were taken.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
}

/// What the jobs under a filter have, the most frequent values first, at most 20 of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobFacets {
    /// By state.
    pub status: Vec<ValueCount>,
    /// By kind of contract.
    pub employment_type: Vec<ValueCount>,
    /// By workplace.
    pub workplace: Vec<ValueCount>,
    /// By department.
    pub department: Vec<ValueCount>,
    /// By skill.
    pub skill: Vec<ValueCount>,
    /// By city.
    pub location: Vec<ValueCount>,
}
