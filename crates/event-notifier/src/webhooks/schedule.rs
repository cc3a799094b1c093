//! When a delivery that failed is tried again.

use std::str::FromStr;
use std::time::Duration;

use rand::{Rng, RngExt as _};

/// Pauses lie this share around what the schedule says, so that what failed together does not come
/// back together.
const JITTER: f64 = 0.2;

/// Longest pause that a receiver's `Retry-After` brings about.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3_600);

/// Longest time for which a failing receiver is left alone.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Failures in a row from which on a receiver is left alone for a while.
const SEVERAL_FAILURES: u32 = 3;

/// Most steps of a schedule.
const MAX_STEPS: usize = 20;

/// Longest pause of a schedule.
const LONGEST_STEP: u64 = 7 * 24 * 3_600;

/// The pauses between one attempt and the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

/// The text is no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not 1 to 20 numbers of seconds, separated by commas, each a week at most")]
pub struct InvalidSchedule;

impl Schedule {
    /// The one that Standard Webhooks proposes: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.
    pub fn standard() -> Self {
        const STEPS: [u64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
        Self(STEPS.map(Duration::from_secs).to_vec())
    }

    /// The pause after the attempt that was the `taken`-th step, from 0; none where it was the last.
    pub fn pause(&self, taken: i16, rng: &mut impl Rng) -> Option<Duration> {
        let step = self.0.get(usize::try_from(taken).ok()?)?;
        Some(step.mul_f64(rng.random_range(1.0 - JITTER..=1.0 + JITTER)))
    }
}

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let steps: Vec<Duration> = text
            .split(',')
            .map(|step| match step.trim().parse() {
                Ok(seconds @ 1..=LONGEST_STEP) => Ok(Duration::from_secs(seconds)),
                _ => Err(InvalidSchedule),
            })
            .collect::<Result<_, _>>()?;
        if steps.len() <= MAX_STEPS { Ok(Self(steps)) } else { Err(InvalidSchedule) }
    }
}

/// The pause that a receiver asks for, as far as it is listened to. Dates are not: clocks differ,
/// and the standard's own words are about seconds.
pub(super) fn asked_pause(retry_after: Option<&str>) -> Option<Duration> {
    let seconds = retry_after?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_ASKED))
}

/// How long a receiver is left alone that has failed `failures` times in a row, `unit` at first.
pub(super) fn rest(failures: u32, unit: Duration, asked: Option<Duration>) -> Duration {
    let own = failures
        .checked_sub(SEVERAL_FAILURES)
        .map_or(Duration::ZERO, |more| unit.saturating_mul(1 << more.min(16)));
    own.max(asked.unwrap_or_default()).min(LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn pauses_follow_the_schedule_and_end_with_it() {
        let schedule = Schedule::standard();
        assert_eq!("5, 300,1800,7200,18000,36000,36000".parse(), Ok(schedule.clone()));
        let mut rng = StdRng::seed_from_u64(1);
        let mut pauses = Vec::new();
        for taken in 0..7 {
            pauses.push(schedule.pause(taken, &mut rng).unwrap().as_secs_f64());
        }
        for (pause, step) in pauses.iter().zip([5.0, 300.0, 1_800.0, 7_200.0, 18_000.0]) {
            assert!((step * 0.8..=step * 1.2).contains(pause), "{pause} for {step}");
        }
        assert!((pauses[5] - pauses[6]).abs() > 1.0, "two of ten hours are not the same");
        assert_eq!(schedule.pause(7, &mut rng), None);
        assert_eq!(schedule.pause(1_000, &mut rng), None);
        assert_eq!(schedule.pause(-1, &mut rng), None);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "5,", "0", "-1", "5;6", "1.5", "604801", &"1,".repeat(20), "x"] {
            assert_eq!(text.parse::<Schedule>(), Err(InvalidSchedule), "{text}");
        }
        assert!("604800".parse::<Schedule>().is_ok());
    }

    #[test]
    fn a_receiver_is_listened_to_within_reason() {
        assert_eq!(asked_pause(Some("120")), Some(Duration::from_secs(120)));
        assert_eq!(asked_pause(Some(" 7 ")), Some(Duration::from_secs(7)));
        assert_eq!(asked_pause(Some("999999999")), Some(LONGEST_ASKED));
        for text in ["-1", "soon", "", "Sun, 22 Nov 2026 10:00:00 GMT"] {
            assert_eq!(asked_pause(Some(text)), None, "{text}");
        }
    }

    #[test]
    fn rest_grows_with_the_failures_and_is_bounded() {
        let unit = Duration::from_secs(5);
        assert_eq!(rest(1, unit, None), Duration::ZERO);
        assert_eq!(rest(2, unit, None), Duration::ZERO);
        assert_eq!(rest(3, unit, None), unit);
        assert_eq!(rest(5, unit, None), unit * 4);
        assert_eq!(rest(60, unit, None), LONGEST_REST);
        assert_eq!(rest(1, unit, Some(unit * 2)), unit * 2);
        assert_eq!(rest(1, unit, Some(LONGEST_ASKED)), LONGEST_REST);
    }
}
