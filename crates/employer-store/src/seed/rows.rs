//! Rows before they are stored, and the ids and names that data alone decides.

use tenancy::Role;
use time::{Duration, OffsetDateTime, Time};
use uuid::Uuid;

use crate::jobs::{
    CloseReason, EmploymentType, ExperienceLevel, JobLocation, JobStatus, Salary, TeamAccess,
    WorkplaceType,
};

/// Names of things become ids under it (RFC 9562, version 5): a second run finds the same ones.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0d_7b7e_51b0_4f0c_9a53_2c0d_5a1e_8e77);

/// The id of what `path` names.
pub(super) fn id_of(path: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, path.as_bytes())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TenantRow {
    pub id: Uuid,
    pub org_id: String,
    pub slug: String,
    pub name: String,
    pub status: String,
    pub time_zone: String,
    pub locale: String,
    pub currency: String,
    pub pay_range_required: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PersonRow {
    pub id: Uuid,
    pub subject: String,
    pub name: String,
    pub email: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemberRow {
    pub user: Uuid,
    pub role: Role,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JobRow {
    pub id: Uuid,
    /// Counts the jobs of its tenant, from 1.
    pub number: u32,
    pub title: String,
    pub department: String,
    pub employment_type: EmploymentType,
    pub experience_level: ExperienceLevel,
    pub workplace: WorkplaceType,
    pub description: String,
    pub locations: Vec<JobLocation>,
    pub skills: Vec<String>,
    pub salary: Option<Salary>,
    pub pay_blurb: Option<String>,
    pub openings: i32,
    pub status: JobStatus,
    pub closed_reason: Option<CloseReason>,
    pub published_at: Option<OffsetDateTime>,
    pub valid_through: Option<OffsetDateTime>,
    pub created_by: Uuid,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    pub team: Vec<(Uuid, TeamAccess)>,
}

impl JobRow {
    /// The number as tenants write it.
    pub(super) fn requisition(&self) -> String {
        format!("REQ-{:06}", self.number)
    }

    /// The title in ASCII kebab-case and the number, which makes it unique in the tenant.
    pub(super) fn slug(&self) -> String {
        let mut slug = String::with_capacity(self.title.len() + 8);
        for c in self.title.chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        if !slug.ends_with('-') {
            slug.push('-');
        }
        slug.push_str(&self.number.to_string());
        slug
    }
}

/// The start of the day of `now`, in UTC: what dates of the data count from.
pub(super) fn day_of(now: OffsetDateTime) -> OffsetDateTime {
    now.to_offset(time::UtcOffset::UTC).replace_time(Time::MIDNIGHT)
}

/// A day before or after `day`, and a minute of it.
pub(super) fn moment(day: OffsetDateTime, days: i64, minutes: i64) -> OffsetDateTime {
    day + Duration::days(days) + Duration::minutes(minutes)
}
