//! What instances know of each other.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use time::OffsetDateTime;

/// What a subject is charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Names the rule and the subject.
    pub key: String,
    /// The time at the instance that charges.
    pub now: OffsetDateTime,
    /// The time that it takes to pay it back.
    pub amount: Duration,
    /// Most that may be owed.
    pub most: Duration,
    /// Whether the requests were admitted already, so that the charge stands in any case.
    pub is_due: bool,
}

/// The counts that all instances share.
pub trait SharedCounts: fmt::Debug + Send + Sync {
    /// Charges and answers for each, in order: the microseconds that are owed with it; below zero,
    /// where it would be more than the most, the microseconds to wait, and nothing was charged.
    /// `None` or no answer where the counts are away.
    fn charge(&self, charges: Vec<Charge>) -> BoxFuture<'_, Vec<Option<i64>>>;
}
