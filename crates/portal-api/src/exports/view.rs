//! What answers show of exports.

use employer_store::analytics::OfSource;
use employer_store::exports::{ExportState, Order};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A file of figures that somebody asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportView {
    id: Uuid,
    /// `queued`, `running`, `ready`, `failed` or, in the moments before it is removed, `expired`.
    #[schema(value_type = String, example = "ready")]
    state: &'static str,
    /// Why it failed: `not_allowed` where whoever asked may not have it any more, `too_large`,
    /// `job_gone`, or `gave_up` after several attempts.
    #[schema(value_type = Option<String>)]
    failed_for: Option<&'static str>,
    /// The first day.
    #[schema(format = Date)]
    from: String,
    /// The last day.
    #[schema(format = Date)]
    to: String,
    tz: String,
    /// The step.
    #[schema(value_type = String, example = "day")]
    grain: &'static str,
    job: Option<Uuid>,
    /// `-` stands for those of whom nobody knows.
    source: Option<String>,
    /// Who asked for it.
    asked_by: Uuid,
    /// When the figures were taken.
    #[serde(with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
    /// The size of the file.
    bytes: Option<i64>,
    /// How many lines of figures it has, beside the line of names.
    lines: Option<i64>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    finished_at: Option<OffsetDateTime>,
    /// When it goes.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// The exports of an organization, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportList {
    pub(super) data: Vec<ExportView>,
}

impl ExportView {
    pub(super) fn of(order: Order) -> Self {
        let failed_for = match order.state {
            ExportState::Failed(reason) => Some(reason.as_str()),
            _ => None,
        };
        let wanted = order.wanted;
        Self {
            id: order.id.as_uuid(),
            state: order.state.as_str(),
            failed_for,
            from: wanted.first.to_string(),
            to: wanted.last.to_string(),
            tz: wanted.zone.name().to_owned(),
            grain: wanted.grain.as_str(),
            job: wanted.job.map(tenancy::JobId::as_uuid),
            source: match wanted.source {
                OfSource::Any => None,
                OfSource::Named(name) => Some(name),
                OfSource::Unknown => Some("-".to_owned()),
            },
            asked_by: order.asker.as_uuid(),
            as_of: order.as_of,
            bytes: order.bytes,
            lines: order.lines,
            created_at: order.created_at,
            finished_at: order.finished_at,
            expires_at: order.expires_at,
        }
    }
}
