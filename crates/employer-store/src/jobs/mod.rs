//! Jobs: lists, single jobs, changes, life cycle, figures.

mod description;
mod difference;
mod expiring;
mod expiry;
mod facets;
mod figures;
mod filter;
mod input;
mod lifecycle;
pub mod limits;
mod list;
mod model;
mod overview;
mod predicate;
mod read;
mod rows;
mod slug;
mod status;
mod vocabulary;
mod write;

pub use description::description_html;
pub use expiring::tell_expiring;
pub use expiry::close_expired;
pub use facets::job_facets;
pub use figures::{
    EmploymentTypeCount, JobFacets, JobsOverview, SalaryMedian, StatusCount, ValueCount,
    WorkplaceCount,
};
pub use filter::{CursorKey, JobCursor, JobFilter, JobPage, JobQuery};
pub use input::{Change, JobChanges, NewJob};
pub use limits::FieldProblem;
pub use list::{count_jobs, list_jobs};
pub use model::{
    Job, JobLocation, JobSummary, Person, Salary, StatusChange, TeamMember, WriteOutcome,
};
pub use overview::jobs_overview;
pub(crate) use read::word;
pub use read::{find_job, find_job_for_update};
pub use slug::search_terms;
pub use status::change_status;
pub use vocabulary::{
    CloseReason, EmploymentType, ExperienceLevel, JobSort, JobStatus, PublishBlocker, SalaryPeriod,
    TeamAccess, UnknownWord, WorkplaceType,
};
pub use write::{create_job, delete_draft, duplicate_job, update_job};
