//! What a drill showed, and what it is held to.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::Answer;

/// One question and what became of it.
#[derive(Clone, Debug)]
pub struct Observation {
    began: Instant,
    took: Duration,
    is_write: bool,
    status: Option<u16>,
    /// How long the portal waited for Redis on behalf of this request, as it says.
    waited: Option<Duration>,
    outcome: String,
    /// What was wrong with the answer's value.
    pub contradiction: Option<String>,
}

impl Observation {
    pub(super) fn of_read(began: Instant, answer: Option<&Answer>) -> Self {
        Self::new(began, answer, false)
    }

    pub(super) fn of_write(began: Instant, answer: Option<&Answer>) -> Self {
        Self::new(began, answer, true)
    }

    fn new(began: Instant, answer: Option<&Answer>, is_write: bool) -> Self {
        Self {
            began,
            took: began.elapsed(),
            is_write,
            status: answer.map(|answer| answer.status.as_u16()),
            waited: answer.and_then(|answer| redis_time(&answer.header("server-timing"))),
            outcome: answer.map(|answer| answer.header("x-cache")).unwrap_or_default(),
            contradiction: None,
        }
    }

    pub(super) fn end(&self) -> Instant {
        self.began + self.took
    }

    /// Not what a client gets when all is well: refused, or answered without the cache.
    pub(super) fn is_degraded(&self) -> bool {
        self.status != Some(200) || ["bypass", "stale"].contains(&self.outcome.as_str())
    }
}

/// `redis;dur=12.3` of a `Server-Timing` header.
fn redis_time(header: &str) -> Option<Duration> {
    let millis: f64 = header
        .split(',')
        .find_map(|metric| metric.trim().strip_prefix("redis;dur="))?
        .parse()
        .ok()?;
    Some(Duration::from_secs_f64(millis / 1_000.0))
}

/// What a drill is held to.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From the fault to an open circuit; none where most calls go on working.
    pub opens_within: Option<Duration>,
    /// From the end of the fault to the last answer that shows it.
    pub recovers_within: Duration,
}

/// How long a request may wait for Redis in all, and what a busy machine adds to the clock.
const BUDGET: Duration = Duration::from_millis(300);
const CLOCK_SLACK: Duration = Duration::from_millis(30);

/// All was right, but not in time: what was late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late(pub(super) String);

/// What a drill showed.
#[derive(Clone, Debug)]
pub struct Report {
    name: String,
    requests: usize,
    degraded: usize,
    refused: usize,
    unreachable: usize,
    longest_wait: Duration,
    p99: Duration,
    untimed: usize,
    contradictions: Vec<String>,
    strange: Vec<u16>,
    opened: Option<Duration>,
    recovered: Duration,
}

impl Report {
    /// Sums up. `fault` is when it began, `over` when what is behind the portal was well again.
    pub fn of(
        name: &str,
        observations: &[Observation],
        openings: &[Instant],
        fault: Instant,
        over: Instant,
    ) -> Self {
        let during: Vec<_> = observations.iter().filter(|one| one.end() >= fault).collect();
        let mut times: Vec<Duration> = during.iter().map(|one| one.took).collect();
        times.sort_unstable();
        let last = during.iter().filter(|one| one.is_degraded()).map(|one| one.end()).max();
        let count = |is: &dyn Fn(&Observation) -> bool| during.iter().filter(|one| is(one)).count();
        let is_expected = |status: u16| [200, 503].contains(&status);
        Self {
            name: name.to_owned(),
            requests: during.len(),
            degraded: count(&|one| one.is_degraded()),
            refused: count(&|one| one.status == Some(503)),
            unreachable: count(&|one| one.status.is_none()),
            longest_wait: observations
                .iter()
                .filter_map(|one| one.waited)
                .max()
                .unwrap_or_default(),
            p99: times.get(times.len() * 99 / 100).copied().unwrap_or_default(),
            untimed: count(&|one| one.waited.is_none() && !one.is_write),
            contradictions: observations
                .iter()
                .filter_map(|one| one.contradiction.clone())
                .collect(),
            strange: during
                .iter()
                .filter_map(|one| one.status)
                .filter(|status| !is_expected(*status))
                .collect(),
            opened: openings.iter().find(|at| **at >= fault).map(|at| *at - fault),
            recovered: last.map_or(Duration::ZERO, |last| last.saturating_duration_since(over)),
        }
    }

    /// Fails unless what was answered is right, and answers whether it was in time; leaves the
    /// table's row behind either way.
    pub fn judge(&self, bounds: Bounds) -> Result<(), Late> {
        self.leaves_a_row();
        let told = format!("{self:#?}");
        assert!(self.requests > 300, "too few requests to say anything: {told}");
        assert!(self.contradictions.is_empty(), "wrong values: {told}");
        assert!(self.strange.is_empty(), "neither 200 nor 503: {told}");
        assert_eq!(self.unreachable, 0, "requests without an answer: {told}");
        assert_eq!(self.untimed, 0, "answers that do not say how long Redis took: {told}");
        let is_open_in_time = bounds
            .opens_within
            .is_none_or(|limit| self.opened.is_some_and(|opened| opened <= limit));
        let what = if self.longest_wait > BUDGET + CLOCK_SLACK {
            "waited too long for Redis"
        } else if self.recovered > bounds.recovers_within {
            "recovered too late"
        } else if !is_open_in_time {
            "opened too late"
        } else {
            return Ok(());
        };
        Err(Late(format!("{what}: {told}")))
    }

    /// Prints one row of the table in docs/reliability.md.
    #[expect(clippy::print_stdout, reason = "what was measured is this test's product")]
    fn leaves_a_row(&self) {
        let millis = |duration: Duration| duration.as_millis().to_string();
        let mut row = String::new();
        let opened = self.opened.map_or_else(|| "stays closed".to_owned(), |at| millis(at) + " ms");
        let share = 100.0 * f64::from(u32::try_from(self.refused).unwrap_or(u32::MAX))
            / f64::from(u32::try_from(self.requests.max(1)).unwrap_or(u32::MAX));
        let wrote = write!(
            row,
            "| {} | {} | {share:.1} % | {} | {} ms | {} ms | {} | {opened} | {} ms |",
            self.name,
            self.requests,
            self.degraded - self.refused.min(self.degraded),
            millis(self.longest_wait),
            millis(self.p99),
            self.contradictions.len(),
            millis(self.recovered),
        );
        wrote.unwrap();
        println!("{row}");
    }
}
