//! What an application is, as rows, caches and answers carry it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tenancy::{ApplicationId, JobId};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::vocabulary::{ApplicationStatus, MoveAction, RejectReason, ScanState, StageKind};

/// A job, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobName {
    /// The job.
    #[schema(value_type = Uuid)]
    pub id: JobId,
    /// What it is called.
    pub title: String,
}

/// Who applies.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applicant {
    /// The person, once for each of their addresses.
    pub id: Uuid,
    /// As they gave it first.
    pub name: String,
    /// In lower case.
    pub email: String,
    /// As they gave it first.
    pub phone: Option<String>,
    /// BCP 47 tag of the language that they applied in first.
    pub locale: Option<String>,
}

/// Without the person.
impl std::fmt::Debug for Applicant {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Applicant").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An application as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationSummary {
    /// The application.
    #[schema(value_type = Uuid)]
    pub id: ApplicationId,
    /// What they apply for.
    pub job: JobName,
    /// Who applies.
    pub candidate: Applicant,
    /// Where it stands in the pipeline.
    pub stage: StageKind,
    /// Whether it is still open.
    pub status: ApplicationStatus,
    /// Why the person was turned down, where they were and a reason was given.
    pub reject_reason: Option<RejectReason>,
    /// Where the person came from when they applied first, as the link said.
    pub source: Option<String>,
    /// How often the person has applied for this job.
    pub submissions: i32,
    /// How many files came along.
    pub files: i64,
    /// When they applied first.
    #[serde(with = "time::serde::rfc3339")]
    pub submitted_at: OffsetDateTime,
    /// When they applied again last.
    #[serde(with = "time::serde::rfc3339::option")]
    pub resubmitted_at: Option<OffsetDateTime>,
    /// Since when it stands where it stands.
    #[serde(with = "time::serde::rfc3339")]
    pub stage_since: OffsetDateTime,
    /// When it was changed last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// Grows by one with every change; what `If-Match` is compared with.
    pub version: i32,
}

/// One time that the person has applied.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Submission {
    /// The reference that the person was given.
    pub reference: Uuid,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The name given this time.
    pub name: String,
    /// The number given this time.
    pub phone: Option<String>,
    /// What they wrote; plain text.
    pub message: Option<String>,
    /// Where they came from this time.
    pub source: Option<String>,
    /// What the link said about the campaign.
    #[schema(value_type = Object)]
    pub utm: Value,
    /// What they agreed to.
    #[schema(value_type = Object)]
    pub consent: Value,
}

/// Without the person.
impl std::fmt::Debug for Submission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Submission").field("at", &self.at).finish_non_exhaustive()
    }
}

/// A file that came along.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileInfo {
    /// The file.
    pub id: Uuid,
    /// The submission that it came with.
    pub reference: Uuid,
    /// What the person called it.
    pub name: String,
    /// Its media type, by what it contains.
    pub mime: String,
    /// Its size.
    pub bytes: i64,
    /// Whether it was looked at for what harms.
    pub scan_state: ScanState,
}

/// Without the name, which is mostly the person's.
impl std::fmt::Debug for FileInfo {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FileInfo").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A step that the application took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StageMove {
    /// What was done.
    pub action: MoveAction,
    /// The stage before; absent for the submission.
    pub from: Option<StageKind>,
    /// The stage after; absent for a withdrawal, which leaves it where it is.
    pub to: Option<StageKind>,
    /// Why, where a reason was given.
    pub reason: Option<String>,
    /// Who did it, as the audit trail writes it.
    pub actor: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// A whole application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Application {
    /// What lists show of it.
    #[serde(flatten)]
    pub summary: ApplicationSummary,
    /// Every time that the person has applied, the first one first.
    pub submitted: Vec<Submission>,
    /// What came along, the first one first.
    pub attachments: Vec<FileInfo>,
    /// Every step, the first one first.
    pub history: Vec<StageMove>,
}
