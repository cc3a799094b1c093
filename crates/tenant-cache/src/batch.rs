//! Many values of one operation at once: one question to the provider, one load for those that are
//! missing, and the rules of single reads for each of them.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;

use bytes::Bytes;
use futures_util::future::join_all;
use redis_provider::{Command, RedisError, Reply, SetOptions};
use serde::Serialize;
use tenancy::{Tag, TenantKey, TenantScope};

use crate::answer::{CacheError, CachedAnswer, Loaded, Outcome};
use crate::cache::{Inner, TenantCache, error_for_caller};
use crate::envelope::Place;
use crate::flight::{Basis, Boarding, FlightError, FlightKey, FlightOutcome, Landing};
use crate::generation::Dependencies;
use crate::load::{Fresh, Job, STORE_GRACE};
use crate::read::Read;
use crate::registry::Operation;

/// Values that are asked for in one round trip.
const PIECE: usize = 100;

/// Bytes of values that are stored in one round trip.
const PIECE_BYTES: usize = 1 << 20;

/// One value of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchKey {
    /// Where it is cached.
    pub key: TenantKey,
    /// The things that it shows one by one, as for [`TenantCache::get_or_load`].
    pub entities: Vec<Tag>,
}

/// What is known of one of the values.
enum Slot {
    Answered(Option<CachedAnswer>),
    /// A load is under way.
    Waits {
        landing: Landing,
        outcome: Outcome,
        spare: Option<CachedAnswer>,
    },
    /// It came to its end while somebody was still storing it.
    Landed {
        landed: FlightOutcome,
        outcome: Outcome,
        spare: Option<CachedAnswer>,
    },
    /// The same key stands further up.
    SameAs(usize),
}

/// A value to be loaded, and its position in the batch.
type Missing = (usize, Job);

impl TenantCache {
    /// Answers several values of one operation, in their order: those that are cached in one round
    /// trip for every hundred, the others by one call of `load`.
    ///
    /// `load` gets the positions of those that it is to load, and answers one value for each in the
    /// same order; `None` is its word that there is nothing. Values that somebody else is loading
    /// are waited for and not asked of it, so overlapping batches share their loads; this holds in
    /// the process, a batch takes no lease that other instances wait for. Values whose time is nearly
    /// over are loaded along. It is not called where nothing is to be loaded.
    ///
    /// # Errors
    ///
    /// As [`get_or_load`](Self::get_or_load), and [`CacheError::Incomplete`]. One value that cannot
    /// be had fails the batch.
    pub async fn get_or_load_many<T, E, F, Fut>(
        &self,
        scope: &TenantScope,
        operation: Operation,
        wanted: &[BatchKey],
        load: F,
    ) -> Result<Vec<Option<CachedAnswer>>, CacheError<E>>
    where
        T: Serialize + Send + 'static,
        E: Error + Send + Sync + 'static,
        F: FnOnce(Vec<usize>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<Option<Loaded<T>>>, E>> + Send + 'static,
    {
        // Before anything is read, so that it is no younger than what is read.
        let tries = self.shared().tries.of(scope.org());
        let (mut slots, open) = self.at_hand(scope, wanted);
        let mut missing = Vec::new();
        for piece in open.chunks(PIECE) {
            let reads = self.read_many(scope, operation, wanted, piece).await;
            for (position, (read, dependencies)) in piece.iter().zip(reads) {
                let Some(key) = wanted.get(*position).map(|one| &one.key) else { continue };
                let place = Place { org: scope.org(), key, operation };
                let (slot, job) = self.boards(scope, place, read, &dependencies, tries).await;
                if let Some(slot_of) = slots.get_mut(*position) {
                    *slot_of = Some(slot);
                }
                missing.extend(job.map(|job| (*position, job)));
            }
        }
        if !missing.is_empty() {
            self.depart_many(missing, load);
        }
        let landed = join_all(slots.into_iter().flatten().map(|slot| self.lands(slot))).await;
        self.in_order(scope, operation, wanted, landed)
    }

    /// What this process keeps, and the positions of what has to be asked for.
    fn at_hand(&self, scope: &TenantScope, wanted: &[BatchKey]) -> (Vec<Option<Slot>>, Vec<usize>) {
        let mut first: HashMap<&TenantKey, usize> = HashMap::new();
        let mut open = Vec::new();
        let slots = wanted.iter().enumerate().map(|(position, one)| {
            let same = *first.entry(&one.key).or_insert(position);
            if same != position {
                return Some(Slot::SameAs(same));
            }
            let kept = self.cached(scope, &one.key);
            if kept.is_none() {
                open.push(position);
            }
            kept.map(|answer| Slot::Answered(Some(answer)))
        });
        (slots.collect(), open)
    }

    /// Reads the values at these positions in one round trip, two where generations are missing.
    async fn read_many(
        &self,
        scope: &TenantScope,
        operation: Operation,
        wanted: &[BatchKey],
        positions: &[usize],
    ) -> Vec<(Read, Dependencies)> {
        let cells = &self.shared().coherence.cells;
        let wanted: Vec<&BatchKey> =
            positions.iter().filter_map(|position| wanted.get(*position)).collect();
        let parts: Vec<Dependencies> = wanted
            .iter()
            .map(|one| Dependencies::of(cells, scope, operation, &one.entities))
            .collect();
        let keys: Vec<&TenantKey> = wanted.iter().map(|one| &one.key).collect();
        let reads = match self.look_many(scope, operation, &keys, &parts).await {
            Ok(reads) => reads,
            Err(error) => {
                self.provider_failed("read", &error);
                None
            }
        };
        match reads {
            Some(reads) => reads.into_iter().zip(parts).collect(),
            None => parts.into_iter().map(|part| (Read::Unknown, part)).collect(),
        }
    }

    /// `None`: the provider may not be believed.
    async fn look_many(
        &self,
        scope: &TenantScope,
        operation: Operation,
        keys: &[&TenantKey],
        parts: &[Dependencies],
    ) -> Result<Option<Vec<Read>>, RedisError> {
        let coherence = &self.shared().coherence;
        let (union, places) = Dependencies::union(parts);
        let Some(question) = coherence.begin_read(scope, union.keys(), union.cells()) else {
            return Ok(None);
        };
        let texts: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let answered = self.ask(&texts, &union).await?;
        if !self.learns(scope, &union, &question, &answered).await {
            return Ok(None);
        }
        let were_there: Vec<bool> = answered.stamps.iter().map(Option::is_some).collect();
        let stamps = self.completes(scope, &union, &question, answered.stamps).await?;
        let Some(stamps) = stamps else { return Ok(None) };
        let reads = keys.iter().zip(answered.values).zip(parts.iter().zip(places)).map(
            |((key, value), (part, places))| {
                let place = Place { org: scope.org(), key, operation };
                let generations: Vec<_> =
                    places.iter().filter_map(|at| stamps.get(*at).copied()).collect();
                // What is sealed with a generation that was not there is of no use.
                let is_whole = places.iter().all(|at| were_there.get(*at) == Some(&true));
                let found = value
                    .filter(|_| is_whole)
                    .and_then(|value| self.found(&place, value, part.cells(), generations.clone()));
                found.unwrap_or(Read::Absent { generations, spare: None })
            },
        );
        Ok(Some(reads.collect()))
    }

    /// Finds out who loads a value, if anybody has to; it is the caller where a job comes back.
    async fn boards(
        &self,
        scope: &TenantScope,
        place: Place<'_>,
        read: Read,
        dependencies: &Dependencies,
        tries: u64,
    ) -> (Slot, Option<Job>) {
        let Inner { flights, gutter, clock, .. } = &**self.shared();
        let (key, operation) = (place.key.clone(), place.operation);
        let job = |pilot, made_since| {
            let cells = dependencies.cells().to_vec();
            Job { pilot, scope: scope.clone(), operation, cells, made_since, tries }
        };
        let (basis, outcome, spare) = match read {
            Read::Answer { answer, refresh: None } => return (Slot::Answered(answer), None),
            Read::Answer { answer, refresh: Some(generations) } => {
                let flight = FlightKey { key, basis: Basis::Generations(generations) };
                let job = match flights.board(flight) {
                    Boarding::Pilot(pilot) => Some(job(pilot, Some(clock.now()))),
                    Boarding::Passenger(_) | Boarding::Landed(_) => None,
                };
                return (Slot::Answered(answer), job);
            }
            Read::Absent { generations, spare } => {
                (Basis::Generations(generations), Outcome::Miss, spare)
            }
            Read::Unknown => (self.without_generations(tries), Outcome::Bypass, None),
        };
        if (outcome == Outcome::Bypass || gutter.stands_in())
            && let Some(answer) = self.find_kept(place, tries).await
        {
            return (Slot::Answered(Some(answer)), None);
        }
        match flights.board(FlightKey { key, basis }) {
            Boarding::Landed(landed) => {
                let outcome = if outcome == Outcome::Miss { Outcome::Hit } else { outcome };
                (Slot::Landed { landed, outcome, spare }, None)
            }
            Boarding::Passenger(landing) => (Slot::Waits { landing, outcome, spare }, None),
            Boarding::Pilot(pilot) => {
                let landing = pilot.landing();
                (Slot::Waits { landing, outcome, spare }, Some(job(pilot, None)))
            }
        }
    }

    async fn lands(&self, slot: Slot) -> Result<Option<CachedAnswer>, Landed> {
        let (landed, outcome, spare) = match slot {
            Slot::Answered(answer) => return Ok(answer),
            Slot::SameAs(position) => return Err(Landed::SameAs(position)),
            Slot::Landed { landed, outcome, spare } => (landed, outcome, spare),
            Slot::Waits { landing, outcome, spare } => {
                (self.wait(landing, spare.is_some()).await, outcome, spare)
            }
        };
        match (landed, spare) {
            (Ok(answer), _) => Ok(answer.map(|answer| CachedAnswer { outcome, ..answer })),
            (Err(_), Some(spare)) => Ok(Some(spare)),
            (Err(error), None) => Err(Landed::Failed(error)),
        }
    }

    /// The answers in the order in which they were asked for, counted.
    fn in_order<E: Error + Send + Sync + 'static>(
        &self,
        scope: &TenantScope,
        operation: Operation,
        wanted: &[BatchKey],
        landed: Vec<Result<Option<CachedAnswer>, Landed>>,
    ) -> Result<Vec<Option<CachedAnswer>>, CacheError<E>> {
        let mut answers: Vec<Option<CachedAnswer>> = Vec::with_capacity(landed.len());
        for (landed, BatchKey { key, .. }) in landed.into_iter().zip(wanted) {
            let answer = match landed {
                Ok(answer) => answer,
                Err(Landed::SameAs(position)) => answers.get(position).cloned().flatten(),
                Err(Landed::Failed(error)) => {
                    self.shared().statistics.not_answered(scope.org(), operation, &error);
                    return Err(error_for_caller(error));
                }
            };
            answers.push(answer.map(|answer| {
                let place = Place { org: scope.org(), key, operation };
                self.tells_access(place, answer.outcome);
                self.answered(scope, operation, answer)
            }));
        }
        Ok(answers)
    }

    /// Loads what is missing on a task of its own.
    fn depart_many<T, E, F, Fut>(&self, mut missing: Vec<Missing>, load: F)
    where
        T: Serialize + Send + 'static,
        E: Error + Send + Sync + 'static,
        F: FnOnce(Vec<usize>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Vec<Option<Loaded<T>>>, E>> + Send + 'static,
    {
        let cache = self.clone();
        self.shared().tasks.spawn(async move {
            // A reader may have looked before another's load ended, and boarded after.
            missing.retain(|(_, job)| match cache.peek(&job.place()) {
                Some(answer) => {
                    job.pilot.land(Ok(Some(answer)));
                    false
                }
                None => true,
            });
            match cache.load_many(&missing, load).await {
                Ok(fresh) => {
                    let jobs = missing.into_iter().map(|(_, job)| job);
                    cache.land_and_store_many(jobs.zip(fresh).collect()).await;
                }
                Err(error) => {
                    for (_, job) in &missing {
                        job.pilot.land(Err(error.clone()));
                    }
                }
            }
        });
    }

    async fn load_many<T, E, F, Fut>(
        &self,
        missing: &[Missing],
        load: F,
    ) -> Result<Vec<Fresh>, FlightError>
    where
        T: Serialize,
        E: Error + Send + Sync + 'static,
        F: FnOnce(Vec<usize>) -> Fut,
        Fut: Future<Output = Result<Vec<Option<Loaded<T>>>, E>>,
    {
        let Some((_, first)) = missing.first() else { return Ok(Vec::new()) };
        let positions: Vec<usize> = missing.iter().map(|(position, _)| *position).collect();
        let count = u32::try_from(positions.len()).unwrap_or(u32::MAX);
        let (values, run) = self.runs(first, count, || load(positions)).await?;
        if values.len() != missing.len() {
            return Err(FlightError::Incomplete);
        }
        let mut fresh = Vec::with_capacity(values.len());
        for ((_, job), value) in missing.iter().zip(values) {
            fresh.push(self.fresh(job, value, run).await?);
        }
        Ok(fresh)
    }

    /// As for single values: those who wait are not made to wait for a provider that is slow.
    async fn land_and_store_many(&self, loaded: Vec<(Job, Fresh)>) {
        let mut storing = std::pin::pin!(self.store_many(&loaded));
        let stored = tokio::time::timeout(STORE_GRACE, &mut storing).await;
        let land = |(job, fresh): &(Job, Fresh)| job.pilot.land(Ok(fresh.answer.clone()));
        let is_stored = match stored {
            Ok(is_stored) => is_stored,
            Err(_elapsed) => {
                loaded.iter().for_each(land);
                storing.await
            }
        };
        for ((job, fresh), is_stored) in loaded.iter().zip(is_stored) {
            if !is_stored {
                self.keep(job, fresh).await;
            }
        }
        loaded.iter().for_each(land);
    }

    /// Stores what may be stored; answers for each whether nothing more is to be done for it.
    async fn store_many(&self, loaded: &[(Job, Fresh)]) -> Vec<bool> {
        let mut is_done = vec![true; loaded.len()];
        let mut piece: Vec<(usize, Command)> = Vec::new();
        let mut bytes = 0;
        for (position, (job, fresh)) in loaded.iter().enumerate() {
            if self.is_too_large(job, fresh) {
                continue;
            }
            if let Basis::Unknown { .. } = job.pilot.key().basis {
                set(&mut is_done, position, false);
                continue;
            }
            let Some((value, options)) = self.prepares(job, fresh) else { continue };
            if bytes + value.len() > PIECE_BYTES || piece.len() >= PIECE {
                self.send(std::mem::take(&mut piece), &mut is_done).await;
                bytes = 0;
            }
            bytes += value.len();
            piece.push((position, command(job, value, options)));
        }
        self.send(piece, &mut is_done).await;
        is_done
    }

    async fn send(&self, piece: Vec<(usize, Command)>, is_done: &mut [bool]) {
        if piece.is_empty() {
            return;
        }
        let Inner { provider, gutter, .. } = &**self.shared();
        let (positions, commands): (Vec<usize>, Vec<Command>) = piece.into_iter().unzip();
        let replies = match provider.pipeline(commands).await {
            Ok(replies) => replies,
            Err(error) => positions.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut is_all_stored = true;
        let mut replies = replies.into_iter();
        for position in positions {
            let reply = replies.next().unwrap_or_else(|| {
                Err(RedisError::Protocol("an answer to a store is missing".to_owned()))
            });
            if let Err(error) = &reply {
                self.provider_failed("store", error);
            }
            let is_stored = matches!(reply, Ok(Reply::Applied(_)));
            is_all_stored &= is_stored;
            set(is_done, position, is_stored);
        }
        gutter.stored(is_all_stored);
    }
}

/// Why a slot has no answer of its own.
enum Landed {
    SameAs(usize),
    Failed(FlightError),
}

fn command(job: &Job, value: Bytes, options: SetOptions) -> Command {
    Command::Set(job.pilot.key().key.as_str().to_owned(), value, options)
}

fn set(flags: &mut [bool], position: usize, flag: bool) {
    if let Some(slot) = flags.get_mut(position) {
        *slot = flag;
    }
}
