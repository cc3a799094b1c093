//! What a list of jobs is asked for, and where its next page begins.

use serde::{Deserialize, Serialize};
use tenancy::{JobId, JobView};
use time::OffsetDateTime;

use super::model::JobSummary;
use super::vocabulary::{EmploymentType, JobSort, JobStatus, WorkplaceType};

/// Which jobs are wanted. Values of one field are alternatives, fields narrow each other; an
/// empty field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Any of these states.
    pub statuses: Vec<JobStatus>,
    /// Words in title, department, skills, places or description, with quotes and minus as in web
    /// search. The first [`MAX_TEXT_CHARS`](super::limits::MAX_TEXT_CHARS) characters count;
    /// control characters do not. A text without a word finds nothing.
    pub text: Option<String>,
    /// City, region or country code of any of the job's places, without regard to case.
    pub location: Option<String>,
    /// Any of these workplaces.
    pub workplaces: Vec<WorkplaceType>,
    /// Any of these kinds of contract.
    pub employment_types: Vec<EmploymentType>,
    /// Any of these departments, as facets name them.
    pub departments: Vec<String>,
    /// Any of these skills, without regard to case.
    pub skills: Vec<String>,
    /// The upper end of the pay range is at least this, in minor units for a year of full-time
    /// work (an hour counts 2080, a day 260, a month 12 times), without regard to currency.
    pub salary_min: Option<i64>,
    /// Published at or after this instant.
    pub posted_after: Option<OffsetDateTime>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct JobQuery {
    /// The part of the tenant's jobs that the asker sees.
    pub view: JobView,
    /// Which of them are wanted.
    pub filter: JobFilter,
    /// In which order. `Relevance` without a text is `Newest`.
    pub sort: JobSort,
    /// Where the previous page ended; of the same filter and sort.
    pub after: Option<JobCursor>,
    /// How many jobs to pass over.
    pub skip: u32,
    /// How many jobs a page has at most.
    pub limit: u16,
}

/// Where a page ended: the sort key and id of its last job.
///
/// It is not a secret and not a proof: whoever hands it to clients signs it together with the
/// filter and sort that it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobCursor {
    /// The last job's value of what the list is sorted by.
    pub key: CursorKey,
    /// The last job.
    pub id: JobId,
}

/// A value that a list is sorted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorKey {
    /// Microseconds since 1970, for `Newest`, `Oldest` and `Updated`.
    Time(i64),
    /// The folded title, for `Title`.
    Text(String),
    /// The yearly pay, for `SalaryHigh`.
    Number(i64),
    /// The rank, for `Relevance`.
    Rank(f32),
}

impl CursorKey {
    /// Whether a list in this order can go on from this key.
    pub const fn fits(&self, sort: JobSort) -> bool {
        matches!(
            (sort, self),
            (JobSort::Newest | JobSort::Oldest | JobSort::Updated, Self::Time(_))
                | (JobSort::Title, Self::Text(_))
                | (JobSort::SalaryHigh, Self::Number(_))
                | (JobSort::Relevance, Self::Rank(_))
        )
    }
}

/// A page of jobs, and where the next one begins.
#[derive(Clone, Debug, PartialEq)]
pub struct JobPage {
    /// The jobs, in the order asked for.
    pub jobs: Vec<JobSummary>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<JobCursor>,
}

impl JobQuery {
    /// The sort that is really used: relevance needs a text.
    pub fn effective_sort(&self) -> JobSort {
        match self.sort {
            JobSort::Relevance if self.filter.text.is_none() => JobSort::Newest,
            sort => sort,
        }
    }
}
