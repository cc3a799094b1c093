//! Two instances, the service, the clock, and who goes on next.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::coherence::Coherence;
use crate::draw::Draw;
use crate::instance::{Fixture, Instance, Way};
use crate::ledger::{INSTANCES, Ledger};
use crate::read::Read;
use crate::rules::{Figures, Rules};
use crate::service::{LAG, Service, VALUES};
use crate::sync::Arc;
use crate::write::{Late, Message, Repeat, Write};

/// How long a stamp is relied on, and how late an invalidation may be noticed, in milliseconds.
const LEASE: u64 = 1_000;
/// By when an instance has noticed a failover, and has repeated what that may have lost. It has
/// until others believe the service again.
const REPEATED: u64 = 300;
/// Replays that begin by themselves in one run; there is one more at the end.
const REPLAYS: usize = 4;

/// Somebody who is at something.
#[derive(Debug)]
enum Actor<'a> {
    Read(Read),
    Write(Write<'a>),
    Repeat(Repeat),
    Message(Message),
    Late(Late),
    FailOver,
}

#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) rules: Rules,
    pub(crate) fixture: &'a Fixture,
    pub(crate) draw: Draw,
    /// Milliseconds since the beginning.
    pub(crate) now: u64,
    pub(crate) service: Service,
    pub(crate) ledger: Ledger,
    pub(crate) instances: [Instance<'a>; INSTANCES],
    actors: Vec<Actor<'a>>,
    /// By when everybody must have repeated what a failover may have lost.
    repeated_by: Option<u64>,
    pub(crate) figures: Figures,
    pub(crate) wrong: Option<String>,
    trace: Option<Vec<String>>,
}

/// A wrong answer, and what led to it if that was asked for.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) what: String,
    pub(crate) trace: Vec<String>,
}

/// Moves the runtime's clock.
pub(crate) fn passes(time: Duration) {
    let advance = pin!(tokio::time::advance(time));
    // The clock has moved when this has been asked once; the rest is for timers.
    let _pending = advance.poll(&mut Context::from_waker(Waker::noop()));
}

/// Runs the interleaving of a seed. To be called in a runtime whose clock is paused.
pub(crate) fn run(
    fixture: &Fixture,
    rules: Rules,
    seed: u64,
    is_traced: bool,
) -> Result<Figures, Wrong> {
    let ways = [(); INSTANCES].map(|()| Arc::new(Way::default()));
    let lease = Duration::from_millis(LEASE);
    let coherences: [Coherence; INSTANCES] =
        std::array::from_fn(|at| Coherence::new(Arc::clone(&ways[at]) as _, lease, lease));
    let bound = if rules.lags && !rules.expects_no_lag { LEASE + LAG } else { LEASE };
    let mut world = World {
        rules,
        fixture,
        draw: Draw::from_seed(seed),
        now: 0,
        service: Service::new(),
        ledger: Ledger::new(bound),
        instances: std::array::from_fn(|at| Instance::new(at, &coherences[at], &ways[at])),
        actors: Vec::new(),
        repeated_by: None,
        figures: Figures { runs: 1, ..Figures::default() },
        wrong: None,
        trace: is_traced.then(Vec::new),
    };
    world.warm_up();
    world.people_come();
    world.goes_on();
    if world.wrong.is_none() {
        world.comes_to_rest();
    }
    let World { wrong, figures, trace, .. } = world;
    wrong.map_or(Ok(figures), |what| Err(Wrong { what, trace: trace.unwrap_or_default() }))
}

impl<'a> World<'a> {
    /// Values are there, mostly.
    fn warm_up(&mut self) {
        let rules = self.rules;
        self.rules.fails = false;
        for at in 0..INSTANCES {
            for value in 0..VALUES {
                if self.draw.chance(75) {
                    self.reads_now(at, value);
                }
            }
        }
        self.rules = rules;
    }

    fn people_come(&mut self) {
        // In half of the runs all are about one value, and meet more often.
        let values = 1 + self.draw.below(VALUES);
        for _ in 0..=5 + self.draw.below(6) {
            let (at, value) = (self.draw.below(INSTANCES), self.draw.below(values));
            self.actors.push(Actor::Read(Read::new(at, value)));
        }
        for _ in 0..=self.draw.below(3) {
            let (at, value) = (self.draw.below(INSTANCES), self.draw.below(values));
            let value = (!self.draw.chance(15)).then_some(value);
            self.actors.push(Actor::Write(Write::Begin { at, value }));
        }
        if self.rules.fails_over {
            self.actors.push(Actor::FailOver);
        }
    }

    fn goes_on(&mut self) {
        let mut replays = 0;
        // Some runs go to and fro at each step, others let each go on for a while.
        let persistence = self.draw.one_of(&[0, 0, 40, 80]);
        let mut last = 0;
        while !self.actors.is_empty() && self.wrong.is_none() {
            self.figures.steps += 1;
            if self.draw.chance(12) {
                let time = self.draw.one_of(&[1, 10, 60, 200, 300, 400, 700, 900, 1_001]);
                self.advances(time);
            }
            if replays < REPLAYS && self.draw.chance(10) {
                let at = self.draw.below(INSTANCES);
                if self.instances[at].coherence.journal.has_pending() {
                    replays += 1;
                    self.actors.push(Actor::Repeat(Repeat::Begin { at }));
                }
            }
            let is_same = last < self.actors.len() && self.draw.chance(persistence);
            last = if is_same { last } else { self.draw.below(self.actors.len()) };
            let actor = self.actors.swap_remove(last);
            if let Some(actor) = self.steps(actor) {
                self.actors.push(actor);
                let end = self.actors.len() - 1;
                self.actors.swap(last, end);
            }
        }
    }

    fn steps(&mut self, actor: Actor<'a>) -> Option<Actor<'a>> {
        match actor {
            Actor::Read(read) => read.step(self).map(Actor::Read),
            Actor::Write(write) => write.step(self).map(Actor::Write),
            Actor::Repeat(repeat) => repeat.step(self).map(Actor::Repeat),
            Actor::Message(message) => {
                message.step(self);
                None
            }
            Actor::Late(late) => {
                late.step(self);
                None
            }
            Actor::FailOver => {
                let lost = self.service.fail_over(self.now, &mut self.draw);
                self.figures.failovers += 1;
                self.figures.lost_writes += lost;
                self.repeated_by.get_or_insert(self.now + REPEATED);
                self.note(|| format!("a copy takes over that lacks {lost} writes"));
                None
            }
        }
    }

    /// Time passes. Nobody is slower to notice a failover than the others rely on.
    fn advances(&mut self, time: u64) {
        if self.repeated_by.is_some_and(|by| self.now + time >= by) {
            self.repeated_by = None;
            self.everybody_repeats();
        }
        self.now += time;
        self.note(|| format!("{time} ms pass"));
        for instance in &self.instances {
            instance.clock.advance(Duration::from_millis(time));
        }
        passes(Duration::from_millis(time));
    }

    fn everybody_repeats(&mut self) {
        let rules = self.rules;
        self.rules.fails = false;
        for at in 0..INSTANCES {
            self.reaches(at);
            let mut repeat = Some(Repeat::Begin { at });
            while let Some(next) = repeat {
                repeat = next.step(self);
            }
        }
        self.rules = rules;
    }

    /// All is well again: everybody knows everything.
    fn comes_to_rest(&mut self) {
        self.rules.fails = false;
        self.everybody_repeats();
        for _ in 0..2 {
            // The first time is for the service's answers to be believed again.
            self.advances(LEASE + LAG + 1);
            for at in 0..INSTANCES {
                for value in 0..VALUES {
                    self.ledger.knows(at, self.ledger.rows.map(Some));
                    self.reads_now(at, value);
                }
            }
        }
    }

    fn reads_now(&mut self, at: usize, value: usize) {
        let mut read = Some(Read::new(at, value));
        while let Some(next) = read {
            read = next.step(self);
        }
    }

    /// Whether a call fails.
    pub(crate) fn fails(&mut self) -> bool {
        self.rules.fails && self.draw.chance(10)
    }

    pub(crate) fn call_failed(&mut self, at: usize) {
        self.figures.failures += 1;
        let _unsaid = self.instances[at].coherence.journal.provider_failed();
        self.note(|| format!("a call of {at} fails"));
    }

    /// An instance's call arrives. Of a failover it is told before it has the answer.
    pub(crate) fn reaches(&mut self, at: usize) {
        self.instances[at].meets(self.service.epoch);
    }

    pub(crate) fn spawn_read(&mut self, read: Read) {
        self.actors.push(Actor::Read(read));
    }

    pub(crate) fn spawn_write(&mut self, write: Write<'a>) {
        self.actors.push(Actor::Write(write));
    }

    pub(crate) fn spawn_message(&mut self, message: Message) {
        self.actors.push(Actor::Message(message));
    }

    pub(crate) fn spawn_late(&mut self, late: Late) {
        self.actors.push(Actor::Late(late));
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>5} ms  {}", what()));
        }
    }
}
