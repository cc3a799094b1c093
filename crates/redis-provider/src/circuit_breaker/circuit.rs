//! The state machine of one circuit. It has no clock and no timer of its own: time passes when a
//! call tells it so.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::BreakerSettings;
use super::window::{Counts, Window};
use crate::report::CircuitState;

/// Standard deviations by which a count must exceed what its rate explains.
const CONFIDENCE: f64 = 2.5;
/// Doublings of the time that a circuit stays open.
const LONGEST_GROWTH: u32 = 1;
/// A part of the time that a circuit stays open, by which it varies.
const JITTER: f64 = 0.2;
/// The longest that a service is left alone, whatever it or the settings say; asking it once an
/// hour does no harm.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How a call ended, as far as it tells something about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The service answered, be it with a refusal.
    Answered,
    /// It did not, or not as it should.
    Failed,
    /// Nobody waited for the answer any longer.
    Abandoned,
}

/// Leave to make a call, in the state that the circuit had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    generation: u64,
}

/// Why there is no leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The service is left alone for so long.
    Open(Duration),
    /// Another call is finding out whether the service is back.
    Probing,
}

/// A transition that is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// Too many calls failed or were slow.
    Opened { counts: Counts, wait: Duration },
    /// The service asked to be left alone.
    Throttled { wait: Duration },
    /// A try failed.
    StayedOpen { failed_probes: u32, wait: Duration },
    /// A try succeeded.
    Closed { after: Duration, failed_probes: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Closed,
    /// Half-open once the time has come.
    Open {
        until: Instant,
    },
    Probing,
}

#[derive(Debug)]
pub(super) struct Circuit {
    settings: BreakerSettings,
    /// Between -1 and 1.
    jitter: fn() -> f64,
    state: State,
    /// Rises with each transition; what belongs to an older one changes nothing.
    generation: u64,
    window: Window,
    /// When it opened, and how many tries have failed since.
    opened: Instant,
    failed_probes: u32,
}

impl Circuit {
    pub(super) fn new(settings: &BreakerSettings, jitter: fn() -> f64, now: Instant) -> Self {
        Self {
            settings: settings.clone(),
            jitter,
            state: State::Closed,
            generation: 0,
            window: Window::new(settings.window, now),
            opened: now,
            failed_probes: 0,
        }
    }

    pub(super) fn state(&self, now: Instant) -> CircuitState {
        match self.state {
            State::Closed => CircuitState::Closed,
            State::Open { until } if now < until => CircuitState::Open,
            State::Open { .. } | State::Probing => CircuitState::HalfOpen,
        }
    }

    /// Asks for leave to make a call. Whoever gets it must [`settle`](Self::settle) the ticket.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Ticket, Refusal> {
        match self.state {
            State::Closed => {}
            State::Probing => return Err(Refusal::Probing),
            State::Open { until } if now < until => return Err(Refusal::Open(until - now)),
            State::Open { .. } => self.change_to(State::Probing),
        }
        Ok(Ticket { generation: self.generation })
    }

    /// Whether the state in which the ticket was given still lasts.
    pub(super) const fn is_current(&self, ticket: Ticket) -> bool {
        ticket.generation == self.generation
    }

    /// Takes note of how a call ended that took so long.
    pub(super) fn settle(
        &mut self,
        ticket: Ticket,
        ending: Ending,
        took: Duration,
        now: Instant,
    ) -> Option<Change> {
        if !self.is_current(ticket) {
            return None;
        }
        let is_slow = took >= self.settings.slow_call;
        let tells_nothing = ending == Ending::Abandoned && !is_slow;
        match self.state {
            State::Closed if tells_nothing => None,
            State::Closed => {
                let counts = self.window.add(now, ending == Ending::Failed, is_slow);
                self.must_open(counts).then(|| self.open(counts, now))
            }
            State::Probing if tells_nothing => {
                // The next call may try at once.
                self.change_to(State::Open { until: now });
                None
            }
            State::Probing if ending == Ending::Answered => Some(self.close(now)),
            State::Probing => {
                self.failed_probes = self.failed_probes.saturating_add(1);
                let wait = self.next_wait();
                self.change_to(State::Open { until: now + wait });
                Some(Change::StayedOpen { failed_probes: self.failed_probes, wait })
            }
            // No ticket is given in this state.
            State::Open { .. } => None,
        }
    }

    /// Opens, because the service wants to be left alone; it says for how long, or does not.
    pub(super) fn throttle(&mut self, wait: Option<Duration>, now: Instant) -> Option<Change> {
        let wait = wait.unwrap_or(self.settings.quota_open_for).min(LONGEST_WAIT);
        // Never earlier than it said.
        let wait = wait.mul_f64(1.0 + JITTER * (self.jitter)().abs());
        match &mut self.state {
            State::Open { until } => {
                *until = (*until).max(now + wait);
                return None;
            }
            State::Probing => {}
            State::Closed => self.opened = now,
        }
        self.change_to(State::Open { until: now + wait });
        Some(Change::Throttled { wait })
    }

    fn must_open(&self, counts: Counts) -> bool {
        counts.calls >= self.settings.min_calls
            && (is_over(counts.failed, counts.calls, self.settings.failure_rate)
                || is_over(counts.slow, counts.calls, self.settings.slow_rate))
    }

    fn open(&mut self, counts: Counts, now: Instant) -> Change {
        self.opened = now;
        let wait = self.next_wait();
        self.change_to(State::Open { until: now + wait });
        Change::Opened { counts, wait }
    }

    fn close(&mut self, now: Instant) -> Change {
        let change = Change::Closed {
            after: now.saturating_duration_since(self.opened),
            failed_probes: self.failed_probes,
        };
        self.failed_probes = 0;
        // What was before the outage says nothing about what is after it.
        self.window = Window::new(self.settings.window, now);
        self.change_to(State::Closed);
        change
    }

    fn next_wait(&self) -> Duration {
        let growth = f64::from(1_u32 << self.failed_probes.min(LONGEST_GROWTH));
        self.settings.open_for.min(LONGEST_WAIT).mul_f64(growth * (1.0 + JITTER * (self.jitter)()))
    }

    const fn change_to(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }
}

/// Whether so many of the calls are more than a true rate of `limit` would bring about by chance;
/// all of them always are.
fn is_over(count: u32, calls: u32, limit: f64) -> bool {
    let limit = limit.clamp(0.0, 1.0);
    let (found, calls) = (f64::from(count), f64::from(calls));
    let chance = CONFIDENCE * (calls * limit * (1.0 - limit)).sqrt();
    count > 0 && found >= (calls * limit + chance).min(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_calls_must_be_farther_over_the_limit() {
        for (count, calls, expected) in [
            (8, 8, true),
            (7, 8, false),
            (9, 10, true),
            (8, 10, false),
            (16, 20, true),
            (15, 20, false),
            (91, 150, true),
            (90, 150, false),
            (0, 150, false),
        ] {
            assert_eq!(is_over(count, calls, 0.5), expected, "{count} of {calls}");
        }
        assert!(is_over(5, 5, 1.0) && !is_over(4, 5, 1.0));
        assert!(is_over(5, 5, 0.95), "all is always too many");
        assert!(!is_over(0, 5, 0.0) && is_over(1, 5, 0.0));
    }
}
