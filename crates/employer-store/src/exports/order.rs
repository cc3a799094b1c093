//! An export as rows have it.

use serde_json::{Map, Value, json};
use tenancy::{ExportId, JobId, JobView, UserId};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::analytics::{Grain, OfSource, Question, Zone};
use crate::error::StoreError;

/// What an export is of: days that do not move with the day on which it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The first day.
    pub first: Date,
    /// The last day.
    pub last: Date,
    /// The zone of the days.
    pub zone: Zone,
    /// The step.
    pub grain: Grain,
    /// One job only.
    pub job: Option<JobId>,
    /// Those who came from there only.
    pub source: OfSource,
}

impl Wanted {
    /// The question, of the jobs in `view`.
    pub fn question(&self, view: JobView) -> Question {
        Question {
            view,
            job: self.job,
            source: self.source.clone(),
            from: Some(self.first),
            to: Some(self.last),
            zone: Some(self.zone.clone()),
        }
    }

    pub(super) fn source_column(&self) -> Option<&str> {
        match &self.source {
            OfSource::Any => None,
            OfSource::Named(name) => Some(name),
            OfSource::Unknown => Some(""),
        }
    }

    /// In the words of the audit trail.
    pub(super) fn told(&self) -> Map<String, Value> {
        [
            ("from", json!(self.first.to_string())),
            ("to", json!(self.last.to_string())),
            ("grain", json!(self.grain.as_str())),
            ("time_zone", json!(self.zone.name())),
            ("job", json!(self.job)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
    }
}

/// The columns that say what an export is of.
pub(super) struct WantedColumns {
    pub(super) first_day: Date,
    pub(super) last_day: Date,
    pub(super) time_zone: String,
    pub(super) grain: String,
    pub(super) job_id: Option<Uuid>,
    pub(super) source: Option<String>,
}

impl WantedColumns {
    pub(super) fn read(self) -> Result<Wanted, StoreError> {
        Ok(Wanted {
            first: self.first_day,
            last: self.last_day,
            // Zones go from the list now and then.
            zone: Zone::find(&self.time_zone).unwrap_or_else(Zone::utc),
            grain: self.grain.parse().map_err(|_| StoreError::inconsistent("step"))?,
            job: self.job_id.map(JobId::from_uuid),
            source: match self.source {
                None => OfSource::Any,
                Some(source) if source.is_empty() => OfSource::Unknown,
                Some(source) => OfSource::Named(source),
            },
        })
    }
}

/// Where an export is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportState {
    /// It waits for its turn.
    Queued,
    /// It is being made.
    Running,
    /// It can be fetched.
    Ready,
    /// It will not come.
    Failed(FailedFor),
    /// Its time is over; what is left of it is about to go.
    Expired,
}

impl ExportState {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Failed(_) => "failed",
            Self::Expired => "expired",
        }
    }

    fn read(state: &str, failed_for: Option<&str>, is_over: bool) -> Result<Self, StoreError> {
        Ok(match state {
            "running" => Self::Running,
            _ if is_over => Self::Expired,
            "queued" => Self::Queued,
            "ready" => Self::Ready,
            "failed" => {
                let reason =
                    FailedFor::ALL.into_iter().find(|one| Some(one.as_str()) == failed_for);
                Self::Failed(
                    reason.ok_or_else(|| StoreError::inconsistent("failure of an export"))?,
                )
            }
            _ => return Err(StoreError::inconsistent("state of an export")),
        })
    }
}

/// Why an export does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedFor {
    /// Whoever asked for it may not have it any more.
    NotAllowed,
    /// The file would be larger than files may be.
    TooLarge,
    /// The job that it was to be of is gone.
    JobGone,
    /// It was tried often, and something of ours was in the way each time.
    GaveUp,
}

impl FailedFor {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::NotAllowed, Self::TooLarge, Self::JobGone, Self::GaveUp];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::TooLarge => "too_large",
            Self::JobGone => "job_gone",
            Self::GaveUp => "gave_up",
        }
    }
}

/// An export that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub id: ExportId,
    /// Who asked for it.
    pub asker: UserId,
    /// What it is of.
    pub wanted: Wanted,
    /// Where it is in its life.
    pub state: ExportState,
    /// How often somebody began with it; the file of a ready one is that of the last attempt.
    pub attempts: i16,
    /// The size of its file.
    pub bytes: Option<i64>,
    /// How many lines of figures the file has.
    pub lines: Option<i64>,
    /// When the figures were taken.
    pub as_of: Option<OffsetDateTime>,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When it was ready, or failed.
    pub finished_at: Option<OffsetDateTime>,
    /// When it goes.
    pub expires_at: OffsetDateTime,
}

pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) created_by: Uuid,
    pub(super) state: String,
    pub(super) failed_for: Option<String>,
    pub(super) first_day: Date,
    pub(super) last_day: Date,
    pub(super) time_zone: String,
    pub(super) grain: String,
    pub(super) job_id: Option<Uuid>,
    pub(super) source: Option<String>,
    pub(super) attempts: i16,
    pub(super) bytes: Option<i64>,
    pub(super) lines: Option<i64>,
    pub(super) as_of: Option<OffsetDateTime>,
    pub(super) created_at: OffsetDateTime,
    pub(super) finished_at: Option<OffsetDateTime>,
    pub(super) expires_at: OffsetDateTime,
    pub(super) is_over: bool,
}

impl Row {
    pub(super) fn read(self) -> Result<Order, StoreError> {
        let state = ExportState::read(&self.state, self.failed_for.as_deref(), self.is_over)?;
        let wanted = WantedColumns {
            first_day: self.first_day,
            last_day: self.last_day,
            time_zone: self.time_zone,
            grain: self.grain,
            job_id: self.job_id,
            source: self.source,
        };
        Ok(Order {
            id: ExportId::from_uuid(self.id),
            asker: UserId::from_uuid(self.created_by),
            wanted: wanted.read()?,
            state,
            attempts: self.attempts,
            bytes: self.bytes,
            lines: self.lines,
            as_of: self.as_of,
            created_at: self.created_at,
            finished_at: self.finished_at,
            expires_at: self.expires_at,
        })
    }
}
