//! The circuit beside a reference that remembers every call and derives all from that.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::circuit::{Change, Circuit, Ending, Refusal, Ticket};
use super::settings::BreakerSettings;
use crate::report::CircuitState;

const WINDOW_MS: u64 = 1000;
const SLOW_MS: u64 = 100;
const OPEN_MS: u64 = 150;
const QUOTA_MS: u64 = 5000;

fn settings() -> BreakerSettings {
    BreakerSettings {
        window: Duration::from_millis(WINDOW_MS),
        min_calls: 5,
        failure_rate: 0.5,
        slow_call: Duration::from_millis(SLOW_MS),
        slow_rate: 0.7,
        open_for: Duration::from_millis(OPEN_MS),
        quota_open_for: Duration::from_millis(QUOTA_MS),
    }
}

/// What a caller does, or the time.
#[derive(Clone, Debug)]
enum Step {
    Begin,
    /// Ends the call under way at this place, counted from the oldest.
    End(usize, Ending),
    Throttle(Option<u64>),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let ending = prop_oneof![
        3 => Just(Ending::Answered),
        4 => Just(Ending::Failed),
        1 => Just(Ending::Abandoned),
    ];
    prop_oneof![
        8 => Just(Step::Begin),
        8 => (0_usize..6, ending).prop_map(|(place, ending)| Step::End(place, ending)),
        1 => prop::option::of(1_u64..400).prop_map(Step::Throttle),
        4 => (0_u64..60).prop_map(Step::Pass),
        1 => (0_u64..1500).prop_map(Step::Pass),
    ]
}

/// A call under way: when it began, and which probe it is, if it is one.
#[derive(Clone, Copy, Debug)]
struct Running {
    ticket: Ticket,
    began: u64,
    /// Number of the period, open or closed, that it belongs to.
    period: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Period {
    /// Since when.
    Closed(u64),
    /// Until when.
    Open(u64),
    Probing,
}

/// All times in milliseconds.
#[derive(Debug)]
struct Reference {
    now: u64,
    periods: Vec<Period>,
    /// When a call of the present period ended, whether it failed and whether it was slow.
    ended: Vec<(u64, bool, bool)>,
    failed_probes: u32,
    closings: u32,
}

impl Reference {
    fn new() -> Self {
        let periods = vec![Period::Closed(0)];
        Self { now: 0, periods, ended: Vec::new(), failed_probes: 0, closings: 0 }
    }

    fn period(&self) -> Period {
        *self.periods.last().unwrap()
    }

    fn enter(&mut self, period: Period) {
        self.periods.push(period);
        self.ended.clear();
    }

    fn state(&self) -> CircuitState {
        match self.period() {
            Period::Closed(_) => CircuitState::Closed,
            Period::Open(until) if self.now < until => CircuitState::Open,
            Period::Open(_) | Period::Probing => CircuitState::HalfOpen,
        }
    }

    fn begin(&mut self) -> bool {
        match self.state() {
            CircuitState::Closed => true,
            CircuitState::HalfOpen if self.period() != Period::Probing => {
                self.enter(Period::Probing);
                true
            }
            CircuitState::Open | CircuitState::HalfOpen => false,
        }
    }

    fn end(&mut self, call: Running, ending: Ending) {
        if call.period + 1 != self.periods.len() {
            return;
        }
        let is_slow = self.now - call.began >= SLOW_MS;
        if ending == Ending::Abandoned && !is_slow {
            if self.period() == Period::Probing {
                self.enter(Period::Open(self.now));
            }
            return;
        }
        match (self.period(), ending) {
            (Period::Probing, Ending::Answered) => {
                self.closings += 1;
                self.failed_probes = 0;
                self.enter(Period::Closed(self.now));
            }
            (Period::Probing, _) => {
                self.failed_probes += 1;
                let growth = [1, 2][self.failed_probes.min(1) as usize];
                self.enter(Period::Open(self.now + OPEN_MS * growth));
            }
            (Period::Closed(since), _) => {
                self.ended.push((self.now, ending == Ending::Failed, is_slow));
                if self.is_over(since) {
                    self.enter(Period::Open(self.now + OPEN_MS));
                }
            }
            (Period::Open(_), _) => unreachable!("no call begins in it"),
        }
    }

    /// A call counts until the tenth of the window in which it ended has been left behind.
    fn is_over(&self, since: u64) -> bool {
        let tenth = |time: u64| (time - since) / (WINDOW_MS / 10);
        let recent: Vec<_> =
            self.ended.iter().filter(|call| tenth(call.0) + 10 > tenth(self.now)).collect();
        let failed = recent.iter().filter(|call| call.1).count();
        let slow = recent.iter().filter(|call| call.2).count();
        let is_over = |count: usize, rate: f64| {
            let number = |count: usize| f64::from(u32::try_from(count).unwrap());
            let calls = number(recent.len());
            let excess = number(count) - calls * rate;
            count == recent.len() || excess >= 2.5 * (calls * rate * (1.0 - rate)).sqrt()
        };
        recent.len() >= 5 && (is_over(failed, 0.5) || is_over(slow, 0.7))
    }

    fn throttle(&mut self, wait: Option<u64>) {
        let until = self.now + wait.unwrap_or(QUOTA_MS);
        match self.periods.last_mut().unwrap() {
            Period::Open(old) => *old = until.max(*old),
            _ => self.enter(Period::Open(until)),
        }
    }
}

proptest! {
    // Fewer may not meet a probe that succeeds within a window of failures.
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_circuit_does_what_the_reference_does(steps in prop::collection::vec(step(), 1..400)) {
        let origin = Instant::now();
        let mut circuit = Circuit::new(&settings(), || 0.0, origin);
        let mut reference = Reference::new();
        let mut running: Vec<Running> = Vec::new();
        let mut closings = 0;
        for step in steps {
            let now = origin + Duration::from_millis(reference.now);
            match step {
                Step::Begin => {
                    let leave = circuit.admit(now);
                    prop_assert_eq!(leave.is_ok(), reference.begin());
                    if let Err(Refusal::Open(left)) = leave {
                        prop_assert!(!left.is_zero());
                    }
                    running.extend(leave.ok().map(|ticket| Running {
                        ticket,
                        began: reference.now,
                        period: reference.periods.len() - 1,
                    }));
                }
                Step::End(place, ending) if place < running.len() => {
                    let call = running.remove(place);
                    let took = Duration::from_millis(reference.now - call.began);
                    let change = circuit.settle(call.ticket, ending, took, now);
                    reference.end(call, ending);
                    closings += u32::from(matches!(change, Some(Change::Closed { .. })));
                }
                Step::End(..) => {}
                Step::Throttle(wait) => {
                    circuit.throttle(wait.map(Duration::from_millis), now);
                    reference.throttle(wait);
                }
                Step::Pass(time) => reference.now += time,
            }
            let now = origin + Duration::from_millis(reference.now);
            prop_assert_eq!(circuit.state(now), reference.state());
            prop_assert_eq!(closings, reference.closings);
            let probes = running.iter().filter(|call| circuit.is_current(call.ticket));
            if reference.period() == Period::Probing {
                prop_assert_eq!(probes.count(), 1);
            }
        }
    }
}
