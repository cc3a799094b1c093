//! Applications: lists, single ones, and their way through the pipeline.
//!
//! How they come in stands in [`public_board`](crate::public_board). Whoever is assigned to jobs
//! sees the applications for those; every function here takes the [`JobView`](tenancy::JobView)
//! and finds nothing outside of it. Of drafts' applications [`JobView::Published`] shows none,
//! since nobody applies for what was never shown.
//!
//! [`JobView::Published`]: tenancy::JobView::Published

mod list;
mod model;
mod moves;
mod read;
mod vocabulary;

pub use list::{
    ApplicationCursor, ApplicationFilter, ApplicationPage, ApplicationQuery, count_applications,
    list_applications,
};
pub use model::{
    Applicant, Application, ApplicationSummary, FileInfo, JobName, StageMove, Submission,
};
pub use moves::{MoveOutcome, Step, take_step};
pub(crate) use read::assigned;
pub use read::{find_application, find_application_for_update};
pub use vocabulary::{
    ApplicationSort, ApplicationStatus, MoveAction, RejectReason, ScanState, StageKind,
};
