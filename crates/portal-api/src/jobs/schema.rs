//! The bodies of jobs, described for the OpenAPI document. [`super::body`] reads them, and knows
//! the same bounds.

use employer_store::jobs::{
    CloseReason, EmploymentType, ExperienceLevel, JobLocation, Salary, SalaryPeriod, WorkplaceType,
};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A new job.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct JobDraft {
    /// What it is called.
    #[schema(min_length = 3, max_length = 200)]
    title: String,
    /// The part of the company.
    #[schema(max_length = 100)]
    department: Option<String>,
    /// The kind of contract.
    employment_type: EmploymentType,
    /// How much experience is asked for.
    experience_level: Option<ExperienceLevel>,
    /// Where the work is done.
    workplace: WorkplaceType,
    /// Places of work.
    #[schema(max_items = 10)]
    locations: Option<Vec<JobLocation>>,
    /// Skills asked for, each once, each at most 80 characters.
    #[schema(max_items = 30)]
    skills: Option<Vec<String>>,
    /// The pay range, in minor units of its currency.
    salary: Option<Salary>,
    /// Words about pay beside the range.
    #[schema(max_length = 1_000)]
    pay_blurb: Option<String>,
    /// How many people are sought.
    #[schema(minimum = 1, maximum = 1_000, default = 1)]
    openings: Option<i32>,
    /// When it closes by itself; in the future, within 5 years.
    valid_through: Option<OffsetDateTime>,
    /// The description: plain text, empty lines between paragraphs, list items behind `- `.
    #[schema(max_length = 20_000)]
    description: Option<String>,
    /// BCP 47 tag of the language; the company's own where absent.
    #[schema(max_length = 35, example = "en")]
    lang: Option<String>,
}

/// Changes to a job: what is absent stays, `null` clears what a job can be without.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct JobPatch {
    /// What it is called.
    #[schema(nullable = false, min_length = 3, max_length = 200)]
    title: Option<String>,
    /// The part of the company.
    #[schema(max_length = 100)]
    department: Option<String>,
    /// The kind of contract.
    #[schema(nullable = false)]
    employment_type: Option<EmploymentType>,
    /// How much experience is asked for.
    experience_level: Option<ExperienceLevel>,
    /// Where the work is done.
    #[schema(nullable = false)]
    workplace: Option<WorkplaceType>,
    /// Places of work; replaces all of them.
    #[schema(max_items = 10)]
    locations: Option<Vec<JobLocation>>,
    /// Skills asked for; replaces all of them.
    #[schema(max_items = 30)]
    skills: Option<Vec<String>>,
    /// The pay range; a part of it is enough where the job has one.
    salary: Option<SalaryPatch>,
    /// Words about pay beside the range.
    #[schema(max_length = 1_000)]
    pay_blurb: Option<String>,
    /// How many people are sought.
    #[schema(nullable = false, minimum = 1, maximum = 1_000)]
    openings: Option<i32>,
    /// When it closes by itself; in the future, within 5 years.
    valid_through: Option<OffsetDateTime>,
    /// The description: plain text, empty lines between paragraphs, list items behind `- `.
    #[schema(max_length = 20_000)]
    description: Option<String>,
    /// BCP 47 tag of the language.
    #[schema(nullable = false, max_length = 35, example = "en")]
    lang: Option<String>,
}

/// Changes to a pay range.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct SalaryPatch {
    /// Lower end, in minor units.
    #[schema(nullable = false, minimum = 0)]
    min: Option<i64>,
    /// Upper end, in minor units; not below the lower end.
    #[schema(nullable = false, minimum = 0)]
    max: Option<i64>,
    /// ISO 4217.
    #[schema(nullable = false, example = "EUR")]
    currency: Option<String>,
    /// The time that the amounts are for.
    #[schema(nullable = false)]
    period: Option<SalaryPeriod>,
}

/// The optional body of `publish` and `reopen`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct PublishBody {
    /// A new last day; the one that the job has where absent.
    valid_through: Option<OffsetDateTime>,
}

/// The body of `close`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body; the fields are read one by one")]
pub(crate) struct CloseBody {
    /// Why the job is closed.
    reason: CloseReason,
}
