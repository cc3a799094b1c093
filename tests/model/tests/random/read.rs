//! Reads, loads and refreshes, in the cache's own order, a call or a command a step.

use crate::coherence::{Bond, Cell, Course, Question, Stamp};
use crate::service::{DEPENDENCIES, Held, Sealed};
use crate::sync::Arc;
use crate::world::World;
use crate::write::Write;

/// Somebody who asks for a value, or loads it anew.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) at: usize,
    pub(crate) value: usize,
    /// The oldest version that is right; none where nobody waits for the answer.
    floor: Option<u64>,
    /// Whether the value is to be loaded anew if it is there.
    is_aging: bool,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Begin,
    Prepare,
    Ask(Ask),
    Look(Ask),
    Complete(Ask),
    Completed(Ask, [bool; 2]),
    Load(Option<Basis>),
    Keep(Basis, u64),
    Store([Stamp; 2], u64),
}

/// What a load is stored under.
#[derive(Debug)]
struct Basis {
    cells: [Arc<Cell>; 2],
    stamps: [Stamp; 2],
}

/// A question under way.
#[derive(Debug)]
struct Ask {
    question: Question,
    cells: [Arc<Cell>; 2],
    /// What is kept; then the value is not asked for.
    kept: Option<Sealed>,
    /// What is not asked for, because it is leased.
    leased: Option<Stamp>,
    /// Whether the part that lives elsewhere, and the part that lives with the value, is still to
    /// be answered.
    is_open: [bool; 2],
    value: Option<Sealed>,
    asked: [Option<Stamp>; 2],
    position: usize,
}

impl Ask {
    fn stamps(&self) -> [Option<Stamp>; 2] {
        [self.leased.or(self.asked[0]), self.asked[1]]
    }

    fn take_elsewhere(&mut self, value: usize, held: &Held) {
        self.asked[0] = held.stamps[DEPENDENCIES[value][0]];
        self.is_open[0] = false;
    }

    fn take_here(&mut self, value: usize, held: &Held) {
        self.asked[1] = held.stamps[DEPENDENCIES[value][1]];
        self.value = held.values[value];
        self.is_open[1] = false;
    }
}

impl Read {
    pub(crate) fn new(at: usize, value: usize) -> Self {
        Self { at, value, floor: None, is_aging: false, next: Next::Begin }
    }

    pub(crate) fn step(mut self, world: &mut World<'_>) -> Option<Self> {
        let Self { at, value, .. } = self;
        self.next = match std::mem::replace(&mut self.next, Next::Begin) {
            Next::Begin => self.begin(world)?,
            Next::Prepare => prepare(world, at, value),
            Next::Ask(ask) => execute(world, at, value, ask),
            Next::Look(ask) => self.look(world, ask)?,
            Next::Complete(ask) => complete(world, at, value, ask),
            Next::Completed(ask, were_there) => completed(world, at, value, ask, were_there),
            Next::Load(basis) => self.load(world, basis)?,
            Next::Keep(mut basis, version) => {
                if world.rules.captures_after_load {
                    basis.stamps = capture(world, at, value);
                }
                keep(world, at, value, &basis.cells, Sealed { stamps: basis.stamps, version });
                self.answer(world, version, "loaded");
                Next::Store(basis.stamps, version)
            }
            Next::Store(stamps, version) => {
                store(world, at, value, Sealed { stamps, version });
                return None;
            }
        };
        Some(self)
    }

    fn begin(&mut self, world: &mut World<'_>) -> Option<Next> {
        let Self { at, value, .. } = *self;
        self.floor = Some(world.ledger.floor(at, value, world.now));
        self.is_aging = world.draw.chance(15);
        let instance = &world.instances[at];
        let cells = &instance.coherence.cells;
        if let Some((bonds, sealed)) = &instance.kept[value]
            && !self.is_aging
            && cells.holds(bonds, cells.now())
        {
            let version = sealed.version;
            world.figures.kept += 1;
            self.answer(world, version, "kept");
            return None;
        }
        Some(Next::Prepare)
    }

    fn look(&mut self, world: &mut World<'_>, mut ask: Ask) -> Option<Next> {
        let Self { at, value, .. } = *self;
        if world.rules.lags {
            world.instances[at].has_seen(ask.position);
        }
        let coherence = world.instances[at].coherence;
        if !goes_onward(world, at, value, &ask) || !believes(world, at, value, &ask.question) {
            return Some(Next::Load(None));
        }
        ask.question.learn(&ask.cells, &ask.asked);
        let complete = match ask.stamps() {
            [Some(elsewhere), Some(here)] => Some([elsewhere, here]),
            _ => None,
        };
        if let Some(kept) = ask.kept.take() {
            if complete == Some(kept.stamps) {
                world.figures.validated += 1;
                return self.hit(world, &ask.cells, kept);
            }
            // It is not what is wanted: the value is asked for, under the same question.
            ask.leased = coherence.cells.leased(&ask.cells[0]);
            ask.is_open = [ask.leased.is_none(), true];
            ask.asked = [None; 2];
            return Some(Next::Ask(ask));
        }
        if let (Some(sealed), Some(stamps)) = (ask.value, complete)
            && sealed.stamps == stamps
        {
            world.figures.found += 1;
            keep(world, at, value, &ask.cells, sealed);
            return self.hit(world, &ask.cells, sealed);
        }
        Some(Next::Complete(ask))
    }

    /// Answers, and has it loaded anew where it is due.
    fn hit(&self, world: &mut World<'_>, cells: &[Arc<Cell>; 2], sealed: Sealed) -> Option<Next> {
        self.answer(world, sealed.version, "found");
        if self.is_aging {
            world.figures.refreshes += 1;
            let basis = Basis { cells: cells.clone(), stamps: sealed.stamps };
            let next = Next::Load(Some(basis));
            world.spawn_read(Self { floor: None, is_aging: false, next, ..*self });
        }
        None
    }

    fn load(&self, world: &mut World<'_>, basis: Option<Basis>) -> Option<Next> {
        let version = world.ledger.rows[self.value];
        let Some(basis) = basis else {
            world.figures.bypasses += 1;
            self.answer(world, version, "bypassed");
            return None;
        };
        world.figures.loads += 1;
        Some(Next::Keep(basis, version))
    }

    fn answer(&self, world: &mut World<'_>, version: u64, how: &'static str) {
        let Some(floor) = self.floor else { return };
        world.figures.reads += 1;
        let Self { at, value, .. } = *self;
        world.note(|| format!("{at} answers {version} of {value}, {how}, at least {floor}"));
        if version < floor {
            world.wrong = Some(format!(
                "instance {at} answers version {version} of value {value} ({how}), and {floor} is \
                 the oldest that is right"
            ));
        }
    }
}

fn prepare(world: &mut World<'_>, at: usize, value: usize) -> Next {
    let instance = &world.instances[at];
    let coherence = instance.coherence;
    let keys = &world.fixture.dependencies[value];
    let cells = [&keys[0], &keys[1]].map(|key| coherence.cells.cell(key));
    let Some(question) = coherence.begin_read(&world.fixture.scope, keys, &cells) else {
        return Next::Load(None);
    };
    let kept = instance.kept[value].as_ref().filter(|(bonds, _)| bonds.iter().all(Bond::may_hold));
    let kept = kept.map(|(_, sealed)| *sealed);
    let leased = coherence.cells.leased(&cells[0]);
    let is_open = [leased.is_none(), true];
    let (asked, position) = ([None; 2], instance.seen);
    world.note(|| format!("{at} asks for {value}"));
    Next::Ask(Ask { question, cells, kept, leased, is_open, value: None, asked, position })
}

/// The service answers a part of a question, or it does not.
fn execute(world: &mut World<'_>, at: usize, value: usize, mut ask: Ask) -> Next {
    if world.fails() {
        world.call_failed(at);
        return Next::Load(None);
    }
    world.reaches(at);
    let World { service, draw, rules, now, instances, .. } = world;
    if rules.lags {
        // One command, answered by one copy.
        let (held, position) = service.copy(*now, instances[at].seen, draw);
        if ask.is_open[0] {
            ask.take_elsewhere(value, &held);
        }
        ask.take_here(value, &held);
        ask.position = position;
    } else {
        // In two places, one after the other, in any order.
        let is_here = !ask.is_open[0] || (ask.is_open[1] && draw.chance(50));
        if is_here {
            ask.take_here(value, service.held());
        } else {
            ask.take_elsewhere(value, service.held());
        }
    }
    if ask.is_open == [false; 2] { Next::Look(ask) } else { Next::Ask(ask) }
}

/// What is absent gets a new stamp, or that of whoever is first.
fn complete(world: &mut World<'_>, at: usize, value: usize, mut ask: Ask) -> Next {
    let were_there = ask.stamps().map(|stamp| stamp.is_some());
    if were_there != [true; 2] {
        if world.fails() {
            world.call_failed(at);
            return Next::Load(None);
        }
        world.reaches(at);
        let World { service, instances, now, .. } = world;
        for (part, generation) in DEPENDENCIES[value].into_iter().enumerate() {
            if !were_there[part] {
                let stamp = service.get_or_create(*now, generation, &instances[at].clock);
                ask.asked[part] = Some(stamp);
            }
        }
        ask.position = service.position();
    }
    Next::Completed(ask, were_there)
}

fn completed(
    world: &mut World<'_>,
    at: usize,
    value: usize,
    ask: Ask,
    were_there: [bool; 2],
) -> Next {
    world.instances[at].has_seen(ask.position);
    if !believes(world, at, value, &ask.question) {
        return Next::Load(None);
    }
    let [Some(elsewhere), Some(here)] = ask.stamps() else { return Next::Load(None) };
    let stamps = [elsewhere, here];
    let created = [0, 1].map(|part: usize| (!were_there[part]).then_some(stamps[part]));
    ask.question.learn(&ask.cells, &created);
    Next::Load(Some(Basis { cells: ask.cells, stamps }))
}

/// What the cache must not do: reads the generations when the load has ended.
fn capture(world: &mut World<'_>, at: usize, value: usize) -> [Stamp; 2] {
    let World { service, instances, now, .. } = world;
    DEPENDENCIES[value]
        .map(|generation| service.get_or_create(*now, generation, &instances[at].clock))
}

/// Whether no stamp is an earlier one than was known. One that stays so is replaced.
fn goes_onward(world: &mut World<'_>, at: usize, value: usize, ask: &Ask) -> bool {
    let cells = &world.instances[at].coherence.cells;
    let mut is_onward = true;
    let mut turned_back = Vec::new();
    for (part, (cell, stamp)) in ask.cells.iter().zip(ask.asked).enumerate() {
        match stamp.map_or(Course::Onward, |stamp| cells.course(cell, stamp)) {
            Course::Onward => {}
            Course::Behind => is_onward = false,
            Course::TurnedBack => {
                is_onward = false;
                cell.drop_lease();
                turned_back.push(DEPENDENCIES[value][part]);
            }
        }
    }
    world.figures.behind += usize::from(!is_onward);
    if !turned_back.is_empty() {
        world.figures.turned_back += turned_back.len();
        world.note(|| format!("{at} replaces {turned_back:?}, which went back"));
        world.spawn_write(Write::of_generations(at, turned_back));
    }
    is_onward
}

fn believes(world: &World<'_>, at: usize, value: usize, question: &Question) -> bool {
    let keys = &world.fixture.dependencies[value];
    world.rules.believes_everything
        || world.instances[at].coherence.believes(&world.fixture.scope, keys, question)
}

fn keep(world: &mut World<'_>, at: usize, value: usize, cells: &[Arc<Cell>; 2], sealed: Sealed) {
    let bound = [0, 1].map(|part: usize| (Arc::clone(&cells[part]), sealed.stamps[part]));
    if let Some(bonds) = Bond::all(&bound) {
        world.instances[at].kept[value] = Some((bonds, sealed));
    }
    world.note(|| format!("{at} keeps {} of {value}", sealed.version));
}

fn store(world: &mut World<'_>, at: usize, value: usize, sealed: Sealed) {
    if world.fails() {
        world.call_failed(at);
        if world.draw.chance(50) {
            return;
        }
        // Carried out, but the answer is lost.
        world.service.store(world.now, value, sealed);
        return;
    }
    world.reaches(at);
    world.service.store(world.now, value, sealed);
    let position = world.service.position();
    world.instances[at].has_seen(position);
    world.note(|| format!("{at} stores {} of {value}", sealed.version));
}
