//! The figures of a period beside those of the days before.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::counts::{Metric, Totals, counted};
use super::question::Question;
use super::snapshot::{Live, live_of};
use super::stamp::{Frame, Period, Stamp};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// What happened in a period, and how things are.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Overview {
    /// Of which moment it is.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// How often in the period.
    pub totals: Totals,
    /// The days before.
    pub previous: Previous,
    /// By how much each figure grew, as a part of the days before.
    pub change: Change,
    /// What live snapshots carry as well.
    #[serde(flatten)]
    pub live: Live,
}

/// The days before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Previous {
    /// As many days right before the period.
    pub period: Period,
    /// How often then.
    pub totals: Totals,
}

/// Growth; 0.5 is half as much again, and none where there was nothing before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Of looks at public pages.
    pub views: Option<f64>,
    /// Of first applications.
    pub applications: Option<f64>,
    /// Of further ones.
    pub resubmissions: Option<f64>,
    /// Of those taken on.
    pub hires: Option<f64>,
    /// Of those turned down.
    pub rejections: Option<f64>,
    /// Of those taken back.
    pub withdrawals: Option<f64>,
}

/// A part of a whole; none of nothing.
pub(super) fn ratio(part: i64, whole: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts of people; a ratio is rounded anyway")]
    let (part, whole) = (part as f64, whole as f64);
    (whole > 0.0).then(|| (part / whole * 10_000.0).round() / 10_000.0)
}

/// What happened in a period, beside the days before.
pub async fn overview(tx: &mut TenantTx, question: &Question) -> Result<Overview, StoreError> {
    let frame = Frame::of(tx, question).await?;
    let before = frame.before();
    let starts = [before.start, frame.start];
    let rows = counted(tx, question, Metric::ALL, &starts, frame.end).await?;
    let (mut totals, mut previous) = (Totals::default(), Totals::default());
    let mut revised_at = None;
    for row in &rows {
        if row.step == 1 {
            previous.add(&row.kind, row.n);
        } else {
            totals.add(&row.kind, row.n);
            revised_at = revised_at.max(row.revised_at);
        }
    }
    let change = |metric| ratio(totals.get(metric) - previous.get(metric), previous.get(metric));
    Ok(Overview {
        stamp: frame.stamp("activity", revised_at),
        totals,
        change: Change {
            views: change(Metric::Views),
            applications: change(Metric::Applications),
            resubmissions: change(Metric::Resubmissions),
            hires: change(Metric::Hires),
            rejections: change(Metric::Rejections),
            withdrawals: change(Metric::Withdrawals),
        },
        previous: Previous { period: before.period(), totals: previous },
        live: live_of(tx, question, &frame).await?,
    })
}
