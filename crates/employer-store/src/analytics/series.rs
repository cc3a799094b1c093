//! How figures went, step by step.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::calendar::{Grain, instant};
use super::counts::{Metric, counted};
use super::overview::ratio;
use super::question::Question;
use super::stamp::{Frame, Period, Stamp};
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// How figures went. Every list of values has one for each step, 0 where nothing happened.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TimeSeries {
    /// Of which moment it is.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The step.
    pub grain: Grain,
    /// When each step begins, as clocks of the zone show it. The first and the last week or month
    /// are those parts of them that lie in the period.
    pub starts: Vec<String>,
    /// As many days right before the period.
    pub previous: PreviousSeries,
    /// What was counted.
    pub series: Vec<MetricSeries>,
}

/// The steps of the days before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviousSeries {
    /// The days.
    pub period: Period,
    /// When each step begins.
    pub starts: Vec<String>,
}

/// How one figure went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricSeries {
    /// Which one.
    pub metric: Metric,
    /// How often in the period.
    pub total: i64,
    /// How often in the days before.
    pub previous_total: i64,
    /// By how much it grew, as a part of the days before: 0.5 is half as much again. None where
    /// nothing happened then.
    pub change: Option<f64>,
    /// How often in each step.
    pub values: Vec<i64>,
    /// How often in each step of the days before.
    pub previous_values: Vec<i64>,
}

/// How these figures went, beside the days before.
pub async fn time_series(
    tx: &mut TenantTx,
    question: &Question,
    metrics: &[Metric],
    grain: Grain,
) -> Result<TimeSeries, StoreError> {
    let frame = Frame::of(tx, question).await?;
    let before = frame.before();
    let earlier = frame.zone.steps(before.days, grain);
    let steps = frame.zone.steps(frame.days, grain);
    let starts: Vec<_> = earlier.iter().chain(&steps).copied().map(instant).collect();
    let rows = counted(tx, question, metrics, &starts, frame.end).await?;
    let mut revised_at = None;
    let mut series = Vec::with_capacity(metrics.len());
    for metric in metrics {
        let mut values = vec![0; starts.len()];
        for row in rows.iter().filter(|row| row.kind == metric.kind()) {
            let place = usize::try_from(row.step).ok().and_then(|step| step.checked_sub(1));
            let Some(place) = place else { continue };
            if let Some(value) = values.get_mut(place) {
                *value += row.n;
            }
            if place >= earlier.len() {
                revised_at = revised_at.max(row.revised_at);
            }
        }
        let values_now = values.split_off(earlier.len());
        let (total, previous_total) = (values_now.iter().sum(), values.iter().sum());
        series.push(MetricSeries {
            metric: *metric,
            total,
            previous_total,
            change: ratio(total - previous_total, previous_total),
            values: values_now,
            previous_values: values,
        });
    }
    let texts = |steps: &[jiff::Timestamp]| steps.iter().map(|at| frame.zone.text(*at)).collect();
    Ok(TimeSeries {
        stamp: frame.stamp("activity", revised_at),
        grain,
        starts: texts(&steps),
        previous: PreviousSeries { period: before.period(), starts: texts(&earlier) },
        series,
    })
}
