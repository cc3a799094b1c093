//! What is cached, for how long, and what drops it. The README's table is held to this one.

use std::time::Duration;

use tenancy::{EventKind, Feature, KeyBuilder, Tag, TenantScope};

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
}

/// How an operation's values may be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Shared by people with the same view.
    Listing,
}

/// The rules of one operation.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How long a value may be served, before jitter.
    pub ttl: Duration,
    /// How its values may be treated.
    pub class: Class,
    /// The events that drop its values.
    pub dropped_by: &'static [EventKind],
}

const ANY_JOB_EVENT: &[EventKind] = &[
    EventKind::JobCreated,
    EventKind::JobUpdated,
    EventKind::JobStatusChanged,
    EventKind::JobDeleted,
    EventKind::JobTeamChanged,
    EventKind::TenantSuspended,
];

/// Longest time that any value lives; generations of tags live twice as long.
pub const LONGEST_TTL: Duration = Duration::from_secs(900);

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 4] = [Self::JobsList, Self::JobsItem, Self::JobsStats, Self::JobFacets];

    /// The rules of this operation.
    pub const fn policy(self) -> Policy {
        let seconds = match self {
            Self::JobsList => 120,
            Self::JobsItem => 900,
            Self::JobsStats => 300,
            Self::JobFacets => 600,
        };
        Policy {
            ttl: Duration::from_secs(seconds),
            class: Class::Listing,
            dropped_by: ANY_JOB_EVENT,
        }
    }

    /// The feature whose slot the values live in.
    pub const fn feature(self) -> Feature {
        match self {
            Self::JobsList | Self::JobsItem | Self::JobsStats => Feature::Jobs,
            Self::JobFacets => Feature::Search,
        }
    }

    /// The name within the feature.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobsList => "list",
            Self::JobsItem => "item",
            Self::JobsStats => "stats",
            Self::JobFacets => "job-facets",
        }
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
            Self::JobsList | Self::JobsStats | Self::JobFacets => Some(Tag::named(self.name())),
        }
    }

    /// The kind of entity that this operation's values are tagged with one by one.
    pub const fn entity_kind(self) -> Option<&'static str> {
        match self {
            Self::JobsItem => Some("job"),
            Self::JobsList | Self::JobsStats | Self::JobFacets => None,
        }
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
    fn every_operation_is_dropped_by_something_and_by_suspension() {
        for operation in Operation::ALL {
            assert!(operation.policy().dropped_by.contains(&EventKind::TenantSuspended));
            assert!(operation.own_tag().is_some() || operation.entity_kind().is_some());
        }
    }
}
