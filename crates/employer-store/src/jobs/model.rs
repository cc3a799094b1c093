//! What a job is, as rows, caches and answers carry it.

use serde::{Deserialize, Serialize};
use tenancy::{JobId, UserId};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::vocabulary::{
    CloseReason, EmploymentType, ExperienceLevel, JobStatus, PublishBlocker, SalaryPeriod,
    TeamAccess, WorkplaceType,
};

/// A place of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobLocation {
    /// ISO 3166-1 alpha-2, upper case.
    #[schema(example = "DE")]
    pub country: String,
    /// State, province or the like.
    #[serde(default)]
    pub region: Option<String>,
    /// City or town.
    #[serde(default)]
    pub city: Option<String>,
}

/// A pay range in minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Salary {
    /// Lower end, in minor units (cents).
    #[schema(minimum = 0)]
    pub min: i64,
    /// Upper end, in minor units (cents); not below the lower end.
    #[schema(minimum = 0)]
    pub max: i64,
    /// ISO 4217, upper case.
    #[schema(example = "EUR")]
    pub currency: String,
    /// The time that the amounts are for.
    pub period: SalaryPeriod,
}

/// A job as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobSummary {
    /// The job.
    #[schema(value_type = Uuid)]
    pub id: JobId,
    /// Unique in the tenant; stable once made.
    pub slug: String,
    /// The employer's number of it, such as `REQ-000123`; unique in the tenant.
    pub requisition: String,
    /// What it is called.
    pub title: String,
    /// Where it stands in its life cycle.
    pub status: JobStatus,
    /// The part of the company.
    pub department: Option<String>,
    /// The kind of contract.
    pub employment_type: EmploymentType,
    /// How much experience is asked for.
    pub experience_level: Option<ExperienceLevel>,
    /// Where the work is done.
    pub workplace: WorkplaceType,
    /// Places of work, in the employer's order.
    pub locations: Vec<JobLocation>,
    /// Skills asked for, in the employer's order.
    pub skills: Vec<String>,
    /// The pay range.
    pub salary: Option<Salary>,
    /// How many people are sought.
    pub openings: i32,
    /// When it was published, the last time that it went from unseen to seen.
    #[serde(with = "time::serde::rfc3339::option")]
    pub published_at: Option<OffsetDateTime>,
    /// When it closes by itself.
    #[serde(with = "time::serde::rfc3339::option")]
    pub valid_through: Option<OffsetDateTime>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was changed last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Grows by one with every change; what `If-Match` is compared with.
    pub version: i32,
}

/// A member of the tenant, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// The person.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// Their name.
    pub name: String,
}

/// Somebody on the team of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TeamMember {
    /// The person.
    #[schema(value_type = Uuid)]
    pub user_id: UserId,
    /// Their name.
    pub name: String,
    /// What they may do with the job.
    pub access: TeamAccess,
}

/// A whole job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// What lists show of it.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// The description as HTML, made from the text by this crate: paragraphs and lists, all text
    /// escaped, so that it may be put into a page as it is.
    pub description_html: String,
    /// The description as it was written: plain text, empty lines between paragraphs, list items
    /// behind `- `.
    pub description_text: String,
    /// Words about pay beside the range.
    pub pay_blurb: Option<String>,
    /// BCP 47 tag of the language that the job is written in.
    pub lang: String,
    /// Why it was closed, where it was.
    pub closed_reason: Option<CloseReason>,
    /// Who made it; absent once they have left the tenant.
    pub created_by: Option<Person>,
    /// Who works on it.
    pub team: Vec<TeamMember>,
}

/// A step in the life cycle of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusChange {
    /// Draft or paused to published.
    Publish {
        /// A new last day; the one it has where absent.
        valid_through: Option<OffsetDateTime>,
    },
    /// Published to paused.
    Pause,
    /// Published or paused to closed.
    Close {
        /// Why.
        reason: CloseReason,
    },
    /// Closed to published, archived to draft.
    Reopen {
        /// A new last day; the one it has where absent.
        valid_through: Option<OffsetDateTime>,
    },
    /// Draft, paused or closed to archived.
    Archive,
    /// Published to paused, paused or draft to published.
    Toggle,
}

/// How a change to a job ended.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum WriteOutcome<T> {
    /// It is made, once the transaction commits.
    Done(T),
    /// The tenant has no such job.
    NotFound,
    /// Somebody else changed it first.
    VersionMismatch {
        /// The version that it has now.
        current: i32,
    },
    /// The life cycle has no such step from where the job stands.
    TransitionRefused {
        /// Where it stands.
        from: JobStatus,
        /// The step that was asked for, as a verb.
        action: &'static str,
    },
    /// People have applied for it, so it cannot go away.
    HasApplications,
    /// It would be published, or stay so, without what that takes.
    Unpublishable(Vec<PublishBlocker>),
}
