//! Which of a report's sums come from days that are built, and which from quarters of an hour.

use time::OffsetDateTime;

use super::question::Question;
use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// From its first moment until the first one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) starts_at: OffsetDateTime,
    pub(super) ends_at: OffsetDateTime,
}

/// A time, cut into days that are built and the gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Where the days begin. No two that are built begin at the same moment.
    pub(super) days: Vec<OffsetDateTime>,
    pub(super) gap_starts: Vec<OffsetDateTime>,
    pub(super) gap_ends: Vec<OffsetDateTime>,
}

impl Parts {
    /// Cuts the time from the first of `steps` until `end`. A day stands for its quarters where all
    /// of it counts to one step, in whichever zone it is a day. Days that overlap were built in
    /// different zones, and one of them is enough. `built` and `steps` are in their order.
    fn of(built: &[Day], steps: &[OffsetDateTime], end: OffsetDateTime) -> Self {
        let mut parts = Self::default();
        let Some(mut at) = steps.first().copied() else { return parts };
        for day in built {
            let next_step = steps.get(steps.partition_point(|step| *step <= day.starts_at));
            let is_cut = next_step.is_some_and(|step| *step < day.ends_at);
            if day.starts_at < at || day.ends_at > end || is_cut {
                continue;
            }
            parts.gap(at, day.starts_at);
            parts.days.push(day.starts_at);
            at = day.ends_at;
        }
        parts.gap(at, end);
        parts
    }

    fn gap(&mut self, start: OffsetDateTime, end: OffsetDateTime) {
        if start < end {
            self.gap_starts.push(start);
            self.gap_ends.push(end);
        }
    }
}

/// Cuts the time from the first of `steps` until `end` for this question, as it is at the moment that
/// the transaction sees: what is summed up must be read at the same one.
pub(super) async fn parts(
    tx: &mut TenantTx,
    question: &Question,
    steps: &[OffsetDateTime],
    end: OffsetDateTime,
) -> Result<Parts, StoreError> {
    // One job has about as many quarters as days, and an index that leads to them.
    if question.job.is_some() {
        return Ok(Parts::of(&[], steps, end));
    }
    let tenant = tx.tenant();
    let built = sqlx::query_as!(
        Day,
        "SELECT starts_at, ends_at FROM metric_built_days
         WHERE tenant_id = $1 AND starts_at >= $2 AND ends_at <= $3
         ORDER BY starts_at",
        tenant,
        steps.first().copied().unwrap_or(end),
        end,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(Parts::of(&built, steps, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    fn at(hour: i64) -> OffsetDateTime {
        datetime!(2026-03-01 00:00 UTC) + Duration::hours(hour)
    }

    fn day((start, end): (i64, i64)) -> Day {
        Day { starts_at: at(start), ends_at: at(end) }
    }

    fn cut(built: &[(i64, i64)], steps: &[i64], end: i64) -> Parts {
        let built: Vec<Day> = built.iter().copied().map(day).collect();
        let steps: Vec<_> = steps.iter().copied().map(at).collect();
        Parts::of(&built, &steps, at(end))
    }

    fn expected(days: &[i64], gaps: &[(i64, i64)]) -> Parts {
        Parts {
            days: days.iter().copied().map(at).collect(),
            gap_starts: gaps.iter().map(|gap| at(gap.0)).collect(),
            gap_ends: gaps.iter().map(|gap| at(gap.1)).collect(),
        }
    }

    #[test]
    fn what_no_day_covers_is_read_by_the_quarter() {
        assert_eq!(cut(&[(0, 24), (24, 47)], &[0, 24], 48), expected(&[0, 24], &[(47, 48)]));
        assert_eq!(cut(&[(24, 48)], &[0], 72), expected(&[24], &[(0, 24), (48, 72)]));
        assert_eq!(cut(&[], &[0, 24], 48), expected(&[], &[(0, 48)]));
    }

    #[test]
    fn days_that_two_steps_share_or_the_time_ends_in_are_read_by_the_quarter() {
        assert_eq!(cut(&[(1, 25), (25, 49)], &[0, 24], 49), expected(&[25], &[(0, 25)]));
        assert_eq!(cut(&[(-1, 23), (23, 47)], &[0], 46), expected(&[], &[(0, 46)]));
        assert_eq!(cut(&[(0, 24)], &[0, 1, 2], 24), expected(&[], &[(0, 24)]));
    }

    #[test]
    fn of_days_that_overlap_one_is_taken() {
        assert_eq!(cut(&[(0, 24), (23, 47), (24, 48)], &[0], 48), expected(&[0, 24], &[]));
    }

    proptest! {
        #[test]
        fn every_hour_counts_once_and_to_its_step(
            days in prop::collection::btree_map(-30..200_i64, 1..26_i64, 0..12),
            steps in prop::collection::btree_set(0..150_i64, 1..8),
            length in 1..200_i64,
        ) {
            let built: Vec<_> = days.iter().map(|(start, hours)| (*start, start + hours)).collect();
            let steps: Vec<_> = steps.into_iter().collect();
            let end = steps[steps.len() - 1] + length;
            let parts = cut(&built, &steps, end);
            let step_of = |hour: i64| steps.partition_point(|step| *step <= hour);
            let mut counted = Vec::new();
            for start in parts.days {
                let start = (start - at(0)).whole_hours();
                for hour in start..start + days[&start] {
                    prop_assert_eq!(step_of(hour), step_of(start));
                    counted.push(hour);
                }
            }
            for (start, end) in parts.gap_starts.iter().zip(parts.gap_ends) {
                counted.extend((*start - at(0)).whole_hours()..(end - at(0)).whole_hours());
            }
            counted.sort_unstable();
            prop_assert_eq!(counted, (steps[0]..end).collect::<Vec<_>>());
        }
    }
}
