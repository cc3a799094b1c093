//! What is asked for and what is written.

use serde_json::Value;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The list without a filter.
    DefaultList,
    /// The list of one state.
    ListByStatus,
    /// The list of one place.
    ListByPlace,
    /// A list by words.
    Search,
    /// A page behind the first one.
    DeepPage,
    /// The overview figures.
    Overview,
    /// The facets without a filter.
    Facets,
    /// One job.
    Job,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::DefaultList,
        Self::ListByStatus,
        Self::ListByPlace,
        Self::Search,
        Self::DeepPage,
        Self::Overview,
        Self::Facets,
        Self::Job,
    ];

    /// The operation of the cache, and which of its questions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DefaultList => "jobs:list, default",
            Self::ListByStatus => "jobs:list, one state",
            Self::ListByPlace => "jobs:list, one place",
            Self::Search => "jobs:list, words",
            Self::DeepPage => "jobs:list, deeper page",
            Self::Overview => "jobs:stats",
            Self::Facets => "search:job-facets",
            Self::Job => "jobs:item",
        }
    }
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// `job.updated`
    Edit,
    /// `job.status_changed`
    StatusChange,
    /// `job.created`
    Creation,
}

/// What an edit is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edited {
    /// What only shows.
    Shown,
    /// What the text search finds it by.
    Words,
    /// The pay, which figures of published jobs are made of.
    Pay,
}

/// A write to be sent.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) kind: WriteKind,
    /// What is edited; none where the job comes or moves.
    pub(super) edited: Option<Edited>,
    pub(super) path: String,
    pub(super) body: Value,
    /// The job that it changes.
    pub(super) job: Option<String>,
}
