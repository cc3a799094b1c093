//! What is cached, for how long, and what drops it. The README's table is held to this one.

use std::fmt;
use std::time::Duration;

use tenancy::{EventKind, Feature, JobField, KeyBuilder, Tag, TenantScope};

/// Something that is cached: a feature and an operation within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// A page of a job list under one set of filters.
    JobsList,
    /// One job.
    JobsItem,
    /// The overview figures of a tenant's jobs.
    JobsStats,
    /// Counts of jobs by the values of their fields.
    JobFacets,
    /// A page of a list of applications under one set of filters.
    ApplicationsList,
    /// Figures about jobs and applications, of one kind and period.
    AnalyticsReport,
    /// A sealed operation for tests; no part of [`Operation::ALL`], so that no event drops it.
    #[cfg(any(test, feature = "testing"))]
    SealedProbe,
}

/// How an operation's values may be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Shared by people with the same view.
    Listing,
    /// Of one person.
    Personal,
    /// About people, and not for everybody who may look into the provider.
    Sensitive,
    /// Decides what somebody may do.
    Security,
    /// What everybody may see.
    Public,
}

impl Class {
    /// Whether a value whose time is over may be served while there is no newer one.
    pub const fn may_be_stale(self) -> bool {
        match self {
            Self::Listing | Self::Personal | Self::Public => true,
            Self::Sensitive | Self::Security => false,
        }
    }

    /// Whether values leave the process encrypted only.
    pub const fn is_sealed(self) -> bool {
        matches!(self, Self::Sensitive)
    }

    /// Whether values may be held, readable, in the memory of the process beyond the request.
    pub const fn is_kept_in_process(self) -> bool {
        match self {
            Self::Listing | Self::Personal | Self::Public => true,
            Self::Sensitive | Self::Security => false,
        }
    }
}

/// The rules of one operation.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long a value may be served, before jitter.
    pub ttl: Duration,
    /// How its values may be treated.
    pub class: Class,
    /// Whether they may be compressed. Not where a secret stands beside text that a caller has
    /// chosen: the compressed length tells how much of it was guessed.
    pub may_compress: bool,
    /// The events that drop its values.
    pub dropped_by: &'static [EventKind],
    /// What of a job its values are made from: where an event says what it changed, a change of
    /// anything else drops nothing.
    pub made_of: MadeOf,
    /// What tells its values apart: where an event says what it changed, it drops those only that
    /// it concerns in these respects.
    pub told_apart_by: &'static [Respect],
}

/// What of a job values are made from, beside its being there and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeOf {
    /// Everything: they show the time and number of its last change.
    Everything,
    /// These fields.
    Fields {
        /// Of every job.
        of_all: &'static [JobField],
        /// Of published jobs.
        of_published: &'static [JobField],
    },
}

/// In what values of one operation differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Respect {
    /// Each is about one job.
    Job,
    /// Who sees them: all jobs, all but drafts, or those of one person.
    View,
    /// The states that they are about.
    State,
    /// The place that they are about.
    Place,
    /// Whether they are found by words.
    Words,
    /// Whether they are found by pay.
    Pay,
}

impl Respect {
    /// The word for it, as the documents write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::View => "view",
            Self::State => "state",
            Self::Place => "place",
            Self::Words => "words",
            Self::Pay => "pay",
        }
    }
}

const ANY_JOB_EVENT: &[EventKind] = &[
    EventKind::JobCreated,
    EventKind::JobUpdated,
    EventKind::JobStatusChanged,
    EventKind::JobDeleted,
    EventKind::JobTeamChanged,
    EventKind::TenantSuspended,
];

const STATS: MadeOf = MadeOf::Fields {
    of_all: &[JobField::Department, JobField::EmploymentType, JobField::Workplace],
    of_published: &[JobField::Salary, JobField::ValidThrough],
};

const FACETS: MadeOf = MadeOf::Fields {
    of_all: &[
        JobField::Department,
        JobField::EmploymentType,
        JobField::Workplace,
        JobField::Locations,
        JobField::Skills,
    ],
    of_published: &[],
};

/// A list of applications shows whose job it is, by its title, and depends on who is on its team.
const APPLICATIONS_LIST: Policy = Policy {
    ttl: Duration::from_secs(30),
    class: Class::Sensitive,
    // Applicants choose their words, and stand beside each other in one answer.
    may_compress: false,
    dropped_by: &[
        EventKind::ApplicationSubmitted,
        EventKind::ApplicationResubmitted,
        EventKind::ApplicationStageChanged,
        EventKind::JobUpdated,
        EventKind::JobTeamChanged,
        EventKind::TenantSuspended,
    ],
    made_of: MadeOf::Fields { of_all: &[JobField::Title], of_published: &[] },
    told_apart_by: &[Respect::Job],
};

/// Figures grow with every event, so no event drops them: they live by their time alone, and say of
/// which moment they are. Whose they are is another matter.
const ANALYTICS_REPORT: Policy = Policy {
    ttl: Duration::from_secs(300),
    class: Class::Listing,
    may_compress: true,
    dropped_by: &[EventKind::JobTeamChanged, EventKind::TenantSuspended],
    made_of: MadeOf::Everything,
    told_apart_by: &[Respect::View],
};

#[cfg(any(test, feature = "testing"))]
const SEALED_PROBE: Policy = Policy {
    ttl: Duration::from_secs(30),
    class: Class::Sensitive,
    may_compress: false,
    dropped_by: &[EventKind::TenantSuspended],
    made_of: MadeOf::Everything,
    told_apart_by: &[],
};

/// Longest time that any value lives; generations of tags live twice as long.
pub const LONGEST_TTL: Duration = Duration::from_secs(900);

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 6] = [
        Self::JobsList,
        Self::JobsItem,
        Self::JobsStats,
        Self::JobFacets,
        Self::ApplicationsList,
        Self::AnalyticsReport,
    ];

    /// The rules of this operation.
    pub const fn policy(self) -> Policy {
        use Respect::{Job, Pay, Place, State, View, Words};
        let (seconds, made_of, told_apart_by): (_, _, &[Respect]) = match self {
            Self::JobsList => (120, MadeOf::Everything, &[View, State, Place, Words]),
            Self::JobsItem => (900, MadeOf::Everything, &[Job]),
            Self::JobsStats => (300, STATS, &[View]),
            Self::JobFacets => (600, FACETS, &[View, Words, Pay]),
            Self::ApplicationsList => return APPLICATIONS_LIST,
            Self::AnalyticsReport => return ANALYTICS_REPORT,
            #[cfg(any(test, feature = "testing"))]
            Self::SealedProbe => return SEALED_PROBE,
        };
        Policy {
            ttl: Duration::from_secs(seconds),
            class: Class::Listing,
            may_compress: true,
            dropped_by: ANY_JOB_EVENT,
            made_of,
            told_apart_by,
        }
    }

    /// The feature whose slot the values live in.
    pub const fn feature(self) -> Feature {
        match self {
            Self::JobsList | Self::JobsItem | Self::JobsStats => Feature::Jobs,
            Self::JobFacets => Feature::Search,
            Self::ApplicationsList => Feature::Applications,
            Self::AnalyticsReport => Feature::Analytics,
            #[cfg(any(test, feature = "testing"))]
            Self::SealedProbe => Feature::Search,
        }
    }

    /// The name within the feature.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobsList | Self::ApplicationsList => "list",
            Self::JobsItem => "item",
            Self::JobsStats => "stats",
            Self::JobFacets => "job-facets",
            Self::AnalyticsReport => "report",
            #[cfg(any(test, feature = "testing"))]
            Self::SealedProbe => "sealed-probe",
        }
    }

    /// The operation that a feature knows by this name.
    pub fn named(feature: Feature, name: &str) -> Option<Self> {
        let is_it = |operation: &Self| operation.feature() == feature && operation.name() == name;
        Self::ALL.into_iter().find(is_it)
    }

    /// Starts a key of this operation.
    pub fn key(self, scope: &TenantScope) -> KeyBuilder {
        scope.key(self.feature(), self.name())
    }

    /// The tag that all values of this operation carry; none where an event drops single
    /// entities only.
    pub(crate) fn own_tag(self) -> Option<Tag> {
        match self {
            Self::JobsItem => None,
            Self::JobsList
            | Self::JobsStats
            | Self::JobFacets
            | Self::ApplicationsList
            | Self::AnalyticsReport => Some(Tag::named(self.name())),
            #[cfg(any(test, feature = "testing"))]
            Self::SealedProbe => Some(Tag::named(self.name())),
        }
    }

    /// Where the entity's id stands in keys of this operation, counted from 0 behind the name.
    pub(crate) const fn entity_part(self) -> Option<usize> {
        match self {
            // Behind the view.
            Self::JobsItem => Some(1),
            Self::JobsList
            | Self::JobsStats
            | Self::JobFacets
            | Self::ApplicationsList
            | Self::AnalyticsReport => None,
            #[cfg(any(test, feature = "testing"))]
            Self::SealedProbe => None,
        }
    }

    /// The kind of entity that this operation's values are tagged with one by one.
    pub const fn entity_kind(self) -> Option<&'static str> {
        match self {
            Self::JobsItem => Some("job"),
            Self::JobsList
            | Self::JobsStats
            | Self::JobFacets
            | Self::ApplicationsList
            | Self::AnalyticsReport => None,
            #[cfg(any(test, feature = "testing"))]
            Self::SealedProbe => None,
        }
    }
}

/// The name with its feature's, as the documents write it: `jobs:list`.
impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.feature(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_outlives_the_longest_time_to_live() {
        for operation in Operation::ALL {
            assert!(operation.policy().ttl <= LONGEST_TTL, "{operation:?}");
        }
    }

    #[test]
    fn what_is_sealed_is_neither_kept_readable_nor_served_late() {
        for class in
            [Class::Listing, Class::Personal, Class::Sensitive, Class::Security, Class::Public]
        {
            let is_careful = matches!(class, Class::Sensitive | Class::Security);
            assert_eq!(class.may_be_stale(), !is_careful, "{class:?}");
            assert_eq!(class.is_kept_in_process(), !is_careful, "{class:?}");
            assert!(is_careful || !class.is_sealed(), "{class:?}");
        }
    }

    #[test]
    fn every_operation_is_dropped_by_something_and_by_suspension() {
        for operation in Operation::ALL {
            assert!(operation.policy().dropped_by.contains(&EventKind::TenantSuspended));
            assert!(operation.own_tag().is_some() || operation.entity_kind().is_some());
        }
    }
}
