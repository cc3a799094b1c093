//! The closed vocabularies of jobs, each with the text that rows, JSON and filters share.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::words::vocabulary;

/// The text is none of the words of a vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{vocabulary} is one of {}", words.join(", "))]
pub struct UnknownWord {
    /// What the word should have named, such as `status`.
    pub vocabulary: &'static str,
    /// The words that there are.
    pub words: &'static [&'static str],
}

vocabulary! {
    /// Where a job stands in its life cycle.
    JobStatus ("status") {
        /// Being written; nobody outside sees it.
        Draft = "draft",
        /// Open for applications.
        Published = "published",
        /// Taken off for a while.
        Paused = "paused",
        /// Done, for a reason.
        Closed = "closed",
        /// Kept for the record.
        Archived = "archived",
    }
}

vocabulary! {
    /// The kind of contract.
    EmploymentType ("employment_type") {
        /// Full time.
        FullTime = "full_time",
        /// Part time.
        PartTime = "part_time",
        /// For a project or a fixed term, as a contractor.
        Contract = "contract",
        /// For a short while, as an employee.
        Temporary = "temporary",
        /// Learning on the job.
        Internship = "internship",
    }
}

vocabulary! {
    /// How much experience is asked for.
    ExperienceLevel ("experience_level") {
        /// None to little.
        Entry = "entry",
        /// Some years.
        Mid = "mid",
        /// Many years.
        Senior = "senior",
        /// Leads others in the trade.
        Lead = "lead",
        /// Runs a part of the company.
        Executive = "executive",
    }
}

vocabulary! {
    /// Where the work is done.
    WorkplaceType ("workplace") {
        /// At the employer's place.
        Onsite = "onsite",
        /// Partly there, partly elsewhere.
        Hybrid = "hybrid",
        /// Anywhere.
        Remote = "remote",
    }
}

vocabulary! {
    /// The time that a pay range is for.
    SalaryPeriod ("salary_period") {
        /// An hour.
        Hour = "hour",
        /// A working day.
        Day = "day",
        /// A month.
        Month = "month",
        /// A year.
        Year = "year",
    }
}

vocabulary! {
    /// Why a job was closed.
    CloseReason ("close_reason") {
        /// Somebody was hired.
        Filled = "filled",
        /// The job is not needed any more.
        Cancelled = "cancelled",
        /// Its last day has passed.
        Expired = "expired",
        /// Anything else.
        Other = "other",
    }
}

vocabulary! {
    /// What somebody on a job's team may do with it.
    TeamAccess ("access") {
        /// Read it.
        View = "view",
        /// Read and edit it.
        Edit = "edit",
    }
}

vocabulary! {
    /// The order of a list of jobs.
    JobSort ("sort") {
        /// Latest published (drafts: created) first.
        Newest = "newest",
        /// Earliest published (drafts: created) first.
        Oldest = "oldest",
        /// Latest changed first.
        Updated = "updated",
        /// By title, A first, without regard to case.
        Title = "title",
        /// Highest pay for a year of full-time work first, without regard to currency.
        SalaryHigh = "salary_high",
        /// Best match of the text first; only with a text.
        Relevance = "relevance",
    }
}

vocabulary! {
    /// What keeps a job from being published.
    PublishBlocker ("publish_blocker") {
        /// There is no description.
        DescriptionMissing = "description_missing",
        /// There is no location, and the job is not remote.
        LocationMissing = "location_missing",
        /// There is no pay range, and the tenant's policy asks for one.
        PayRangeMissing = "pay_range_missing",
        /// Its last day has passed.
        ValidThroughPassed = "valid_through_passed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_as_what_they_were_written_for() {
        for status in JobStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        let error = "Full-Time".parse::<EmploymentType>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "employment_type is one of full_time, part_time, contract, temporary, internship"
        );
    }
}
