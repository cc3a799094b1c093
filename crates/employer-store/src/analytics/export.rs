//! Figures row by row, for files: read as they are taken, however many there are.

use time::{Date, Month, OffsetDateTime};
use uuid::Uuid;

use super::calendar::{Grain, instant};
use super::counts::{Metric, Totals};
use super::days::parts;
use super::question::Question;
use super::stamp::Frame;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Rows that are fetched at a time.
const AT_A_TIME: usize = 1_000;

/// One step of time, one job, one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRow {
    /// When the step begins, as clocks of the zone show it.
    pub start: String,
    /// The job.
    pub job: Uuid,
    /// What it is called today.
    pub title: String,
    /// The part of the company that it is in today.
    pub department: String,
    /// Where people came from; empty where nobody knows.
    pub source: String,
    /// What happened.
    pub totals: Totals,
}

/// An export under way. It holds its transaction until it is dropped.
#[derive(Debug)]
pub struct Export {
    tx: TenantTx,
    zone: String,
    as_of: OffsetDateTime,
    days: (String, String),
    starts: Vec<String>,
    is_done: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    step: i32,
    job_id: Uuid,
    title: Option<String>,
    department: Option<String>,
    source: String,
    views: i64,
    applications: i64,
    resubmissions: i64,
    hires: i64,
    rejections: i64,
    withdrawals: i64,
}

/// The same question with its days and its zone said, so that it is the same one tomorrow.
pub async fn pin_down(tx: &mut TenantTx, question: Question) -> Result<Question, StoreError> {
    let frame = Frame::of(tx, &question).await?;
    let (from, to) = (date(frame.days.first), date(frame.days.last));
    Ok(Question { from, to, zone: Some(frame.zone), ..question })
}

fn date(day: jiff::civil::Date) -> Option<Date> {
    let (month, day_of_month) = (u8::try_from(day.month()).ok()?, u8::try_from(day.day()).ok()?);
    let month = Month::try_from(month).ok()?;
    Date::from_calendar_date(day.year().into(), month, day_of_month).ok()
}

impl Export {
    /// Begins one in a transaction that sees one moment.
    pub async fn begin(
        mut tx: TenantTx,
        question: &Question,
        grain: Grain,
    ) -> Result<Self, StoreError> {
        let frame = Frame::of(&mut tx, question).await?;
        let steps = frame.zone.steps(frame.days, grain);
        let starts: Vec<OffsetDateTime> = steps.iter().copied().map(instant).collect();
        let parts = parts(&mut tx, question, &starts, frame.end).await?;
        let tenant = tx.tenant();
        let kinds: Vec<&str> = Metric::ALL.iter().map(|metric| metric.kind()).collect();
        // A cursor, which the macros cannot check. In the order of `Metric::ALL`.
        sqlx::query(
            "DECLARE figures NO SCROLL CURSOR FOR
             SELECT s.step, s.job_id, j.title, j.department, s.source, s.views, s.applications,
                    s.resubmissions, s.hires, s.rejections, s.withdrawals
             FROM (
                 SELECT width_bucket(m.at, $3::timestamptz[]) AS step, m.job_id, m.source,
                        coalesce(sum(m.n) FILTER (WHERE m.kind = $2[1]), 0)::bigint AS views,
                        coalesce(sum(m.n) FILTER (WHERE m.kind = $2[2]), 0)::bigint AS applications,
                        coalesce(sum(m.n) FILTER (WHERE m.kind = $2[3]), 0)::bigint AS resubmissions,
                        coalesce(sum(m.n) FILTER (WHERE m.kind = $2[4]), 0)::bigint AS hires,
                        coalesce(sum(m.n) FILTER (WHERE m.kind = $2[5]), 0)::bigint AS rejections,
                        coalesce(sum(m.n) FILTER (WHERE m.kind = $2[6]), 0)::bigint AS withdrawals
                 FROM metric_sums($1, false, $2, $4, $7, $8) m
                 WHERE ($5::uuid IS NULL OR m.job_id = $5)
                   AND ($6::text IS NULL OR m.source = $6)
                 GROUP BY 1, 2, 3
             ) s
             LEFT JOIN jobs j ON j.tenant_id = $1 AND j.id = s.job_id
             ORDER BY s.step, s.job_id, s.source",
        )
        .bind(tenant)
        .bind(&kinds)
        .bind(&starts)
        .bind(parts.days)
        .bind(question.job())
        .bind(question.source.rolled_up())
        .bind(parts.gap_starts)
        .bind(parts.gap_ends)
        .execute(tx.connection())
        .await?;
        Ok(Self {
            tx,
            zone: frame.zone.name().to_owned(),
            as_of: frame.moment.as_of,
            days: (frame.days.first.to_string(), frame.days.last.to_string()),
            starts: steps.into_iter().map(|at| frame.zone.text(at)).collect(),
            is_done: false,
        })
    }

    /// The zone of the steps.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The first and the last day.
    pub fn days(&self) -> (&str, &str) {
        (&self.days.0, &self.days.1)
    }

    /// When the figures were taken.
    pub const fn as_of(&self) -> OffsetDateTime {
        self.as_of
    }

    /// Some more rows; none at the end.
    pub async fn next_rows(&mut self) -> Result<Vec<ExportRow>, StoreError> {
        if self.is_done {
            return Ok(Vec::new());
        }
        let rows: Vec<Row> = sqlx::query_as("FETCH FORWARD 1000 FROM figures")
            .persistent(false)
            .fetch_all(self.tx.connection())
            .await?;
        self.is_done = rows.len() < AT_A_TIME;
        Ok(rows.into_iter().map(|row| self.row(row)).collect())
    }

    fn row(&self, row: Row) -> ExportRow {
        let place = usize::try_from(row.step).ok().and_then(|step| step.checked_sub(1));
        let start = place.and_then(|place| self.starts.get(place));
        ExportRow {
            start: start.cloned().unwrap_or_default(),
            job: row.job_id,
            title: row.title.unwrap_or_default(),
            department: row.department.unwrap_or_default(),
            source: row.source,
            totals: Totals {
                views: row.views,
                applications: row.applications,
                resubmissions: row.resubmissions,
                hires: row.hires,
                rejections: row.rejections,
                withdrawals: row.withdrawals,
            },
        }
    }
}
