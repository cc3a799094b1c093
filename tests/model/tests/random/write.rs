//! Writes, replays and messages, in the cache's own order, a call or a command a step.

use crate::coherence::{Finish, Invalidation, Line, Replay, Stamp, Target};
use crate::ledger::{INSTANCES, Told};
use crate::service::VALUES;
use crate::world::World;

/// A generation to replace, and the stamp that stood in the way.
type Open = Vec<(Target, Option<Stamp>)>;

/// What of it was replaced.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    open: Open,
    done: Vec<Target>,
    /// Their new stamps, in the same order.
    stamps: Vec<Stamp>,
}

/// Somebody who changes rows and drops what depends on them.
#[derive(Debug)]
pub(crate) enum Write<'a> {
    /// About one value, or about all of the tenant's.
    Begin {
        at: usize,
        value: Option<usize>,
    },
    Invalidate {
        at: usize,
        generations: Vec<usize>,
        told: Told,
    },
    Replace {
        at: usize,
        told: Told,
        invalidation: Invalidation<'a>,
        progress: Progress,
    },
    Tell {
        at: usize,
        told: Told,
        done: Vec<Target>,
        is_finished: bool,
    },
}

impl<'a> Write<'a> {
    /// Nothing has changed, but generations are to be replaced.
    pub(crate) fn of_generations(at: usize, generations: Vec<usize>) -> Self {
        Self::Invalidate { at, generations, told: [None; VALUES] }
    }

    pub(crate) fn step(self, world: &mut World<'a>) -> Option<Self> {
        match self {
            Self::Begin { at, value } => {
                let values = value.map_or_else(|| (0..VALUES).collect(), |value| vec![value]);
                let told = world.ledger.commit(&values);
                world.note(|| format!("{at} commits {told:?}"));
                // Behind the tenant's are those of the values.
                let generations = vec![value.map_or(0, |value| value + 1)];
                Some(Self::Invalidate { at, generations, told })
            }
            Self::Invalidate { at, generations, told } => {
                let keys = &world.fixture.keys;
                let target = |generation: usize| Target {
                    key: keys[generation].clone(),
                    expires: generation > 0,
                };
                let targets = generations.into_iter().map(target).collect();
                let coherence = world.instances[at].coherence;
                let invalidation = coherence.begin_invalidation(&world.fixture.scope, targets);
                let open = invalidation.targets().into_iter().map(|target| (target, None));
                let progress = Progress { open: open.collect(), ..Progress::default() };
                Some(Self::Replace { at, told, invalidation, progress })
            }
            Self::Replace { at, told, invalidation, mut progress } => {
                if world.rules.fails && world.draw.chance(3) {
                    world.note(|| format!("{at} is not waited for"));
                    // What is left of it is recorded first, as when a caller's future is dropped.
                    drop(invalidation);
                    world.ledger.ended(at, told, None);
                    return None;
                }
                if !progress.open.is_empty() {
                    replace_one(world, at, &mut progress, false);
                    return Some(Self::Replace { at, told, invalidation, progress });
                }
                let coherence = world.instances[at].coherence;
                coherence.has_replaced(&progress.done, &progress.stamps);
                let finish = invalidation.finish(&progress.done);
                if finish == Finish::Done && told == [None; VALUES] {
                    // It had gone back; from now on what it was replaced by counts.
                    for (target, stamp) in progress.done.iter().zip(&progress.stamps) {
                        coherence.cells.cell(&target.key).begins_anew(*stamp);
                    }
                }
                world.note(|| format!("{at} ends {told:?}: {finish:?}"));
                let is_finished = finish == Finish::Done;
                Some(Self::Tell { at, told, done: progress.done, is_finished })
            }
            Self::Tell { at, told, done, is_finished } => {
                tell(world, at, &done, is_finished.then_some(told));
                world.ledger.ended(at, told, is_finished.then_some(world.now));
                if is_finished {
                    world.figures.finished += 1;
                } else {
                    world.figures.unfinished += 1;
                }
                None
            }
        }
    }
}

/// The task that repeats what failed.
#[derive(Debug)]
pub(crate) enum Repeat {
    Begin { at: usize },
    Replace { at: usize, lines: Vec<Line<u64>>, replay: Replay, progress: Progress },
}

impl Repeat {
    pub(crate) fn step(self, world: &mut World<'_>) -> Option<Self> {
        match self {
            Self::Begin { at } => {
                let coherence = world.instances[at].coherence;
                coherence.journal.notice_interruptions();
                let lines = coherence.journal.pending();
                if lines.is_empty() {
                    return None;
                }
                let replay = coherence.begin_replay(&lines);
                let open = replay.targets.iter().map(|target| (target.clone(), None)).collect();
                let progress = Progress { open, ..Progress::default() };
                Some(Self::Replace { at, lines, replay, progress })
            }
            Self::Replace { at, lines, replay, mut progress } => {
                if !progress.open.is_empty() {
                    replace_one(world, at, &mut progress, true);
                    return Some(Self::Replace { at, lines, replay, progress });
                }
                let coherence = world.instances[at].coherence;
                coherence.replayed(&lines, &replay, &progress.done);
                world.figures.replayed += progress.done.len();
                world.note(|| format!("{at} has repeated {} lines", progress.done.len()));
                tell(world, at, &progress.done, None);
                None
            }
        }
    }
}

/// One command to replace one stamp.
fn replace_one(world: &mut World<'_>, at: usize, progress: &mut Progress, is_replay: bool) {
    let Some((target, after)) = progress.open.pop() else { return };
    let generation = world.fixture.generation(&target.key);
    let stamp = Stamp::mint(&world.instances[at].clock, after.as_ref());
    let before = world.instances[at].written[generation];
    if let (true, true, Some(before)) = (world.rules.repeats_stamps, is_replay, before) {
        world.reaches(at);
        world.service.install(world.now, generation, before);
        progress.done.push(target);
        progress.stamps.push(before);
        return;
    }
    if world.fails() {
        world.call_failed(at);
        match world.draw.below(3) {
            // Not carried out, or carried out without an answer, or given up by its caller and
            // still on its way.
            0 => {}
            1 => replace_now(world, at, generation, stamp),
            _ => world.spawn_late(Late { at, generation, stamp }),
        }
        return;
    }
    world.reaches(at);
    let in_force = world.service.advance(world.now, generation, stamp);
    let position = world.service.position();
    world.instances[at].has_seen(position);
    world.note(|| format!("{at} replaces {generation}: {}", in_force == stamp));
    if in_force == stamp {
        world.instances[at].written[generation].get_or_insert(stamp);
        progress.done.push(target);
        progress.stamps.push(stamp);
    } else {
        progress.open.push((target, Some(in_force)));
    }
}

fn replace_now(world: &mut World<'_>, at: usize, generation: usize, stamp: Stamp) {
    let in_force = world.service.advance(world.now, generation, stamp);
    if in_force == stamp {
        world.instances[at].written[generation].get_or_insert(stamp);
    }
    world.note(|| format!("{at} replaces {generation}, and is not told so"));
}

/// A command whose caller does not wait any more.
#[derive(Debug)]
pub(crate) struct Late {
    at: usize,
    generation: usize,
    stamp: Stamp,
}

impl Late {
    pub(crate) fn step(self, world: &mut World<'_>) {
        replace_now(world, self.at, self.generation, self.stamp);
    }
}

/// To every instance, the sender included.
fn tell(world: &mut World<'_>, by: usize, done: &[Target], told: Option<Told>) {
    if done.is_empty() {
        return;
    }
    let generations: Vec<usize> =
        done.iter().map(|target| world.fixture.generation(&target.key)).collect();
    for to in 0..INSTANCES {
        let told = told.filter(|_| to != by);
        world.spawn_message(Message { to, generations: generations.clone(), told });
    }
}

/// What an instance is told of.
#[derive(Debug)]
pub(crate) struct Message {
    to: usize,
    generations: Vec<usize>,
    /// The versions that it may rely on then, if the sender has finished.
    told: Option<Told>,
}

impl Message {
    pub(crate) fn step(self, world: &mut World<'_>) {
        let Self { to, generations, told } = self;
        let coherence = world.instances[to].coherence;
        if world.draw.chance(world.rules.lost_messages) {
            world.figures.lost_messages += 1;
            if world.draw.chance(30) {
                coherence.misses_messages();
            }
            return;
        }
        if !world.rules.ignores_messages {
            let keys = &world.fixture.keys;
            coherence.hears_of(generations.iter().map(|generation| &*keys[*generation]));
        }
        world.note(|| format!("{to} hears of {generations:?}"));
        // A copy that is behind may still answer with what was.
        if let (Some(told), false) = (told, world.rules.lags) {
            world.ledger.knows(to, told);
        }
    }
}
