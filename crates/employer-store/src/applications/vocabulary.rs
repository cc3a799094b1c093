//! The closed vocabularies of applications.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::jobs::UnknownWord;
use crate::words::vocabulary;

vocabulary! {
    /// What a stage of a pipeline is for, whatever it is called.
    StageKind ("stage") {
        /// Just come in.
        Applied = "applied",
        /// Looked at.
        Screen = "screen",
        /// Talked to.
        Interview = "interview",
        /// Made an offer.
        Offer = "offer",
        /// Taken on.
        Hired = "hired",
        /// Turned down.
        Rejected = "rejected",
    }
}

vocabulary! {
    /// Whether an application is still open.
    ApplicationStatus ("status") {
        /// Open.
        Active = "active",
        /// The person was taken on.
        Hired = "hired",
        /// The person was turned down.
        Rejected = "rejected",
        /// The person is no longer interested.
        Withdrawn = "withdrawn",
    }
}

vocabulary! {
    /// Why a person was turned down.
    RejectReason ("reason") {
        /// Lacks what the job takes.
        NotQualified = "not_qualified",
        /// Others fit better.
        StrongerCandidates = "stronger_candidates",
        /// Somebody was taken on.
        PositionFilled = "position_filled",
        /// Pay did not meet.
        Salary = "salary",
        /// Place did not meet.
        Location = "location",
        /// Did not answer.
        NoResponse = "no_response",
        /// The same person is there twice.
        Duplicate = "duplicate",
        /// Something else.
        Other = "other",
    }
}

vocabulary! {
    /// A step that an application took.
    MoveAction ("action") {
        /// It came in.
        Submit = "submit",
        /// To another stage.
        Move = "move",
        /// Turned down.
        Reject = "reject",
        /// Back to where it was before it was turned down.
        Unreject = "unreject",
        /// Taken on.
        Hire = "hire",
        /// Taken back by the person.
        Withdraw = "withdraw",
    }
}

vocabulary! {
    /// Whether a file was looked at for what harms whoever opens it.
    ScanState ("scan_state") {
        /// Not yet.
        Unscanned = "unscanned",
        /// Nothing was found.
        Clean = "clean",
        /// It is not given out.
        Infected = "infected",
    }
}

vocabulary! {
    /// The order of a list of applications.
    ApplicationSort ("sort") {
        /// The latest first.
        Newest = "newest",
        /// The earliest first.
        Oldest = "oldest",
    }
}

impl StageKind {
    /// Whether people are moved there; the others are reached by a decision.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Applied | Self::Screen | Self::Interview | Self::Offer)
    }
}
