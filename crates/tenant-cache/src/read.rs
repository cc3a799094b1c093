//! The read path: what this process and the provider hold, and whether it may be believed.

use std::sync::Arc;

use bytes::Bytes;
use redis_provider::RedisError;
use tenancy::TenantScope;

use crate::answer::{CachedAnswer, Outcome};
use crate::cache::{Inner, TenantCache};
use crate::coherence::{Cell, Question, Record, Stamp};
use crate::envelope::{Envelope, Place};
use crate::freshness::{Freshness, age, freshness};
use crate::generation::Dependencies;
use crate::kept::answer_of;
use crate::load_lease::Wanted;

/// What is known of a key.
pub(crate) enum Read {
    /// To be answered; `None` where it is known that there is nothing.
    Answer {
        answer: Option<CachedAnswer>,
        /// The generations to load it anew under, where it should be.
        refresh: Option<Vec<Stamp>>,
    },
    /// To be loaded, and stored under these generations.
    Absent {
        generations: Vec<Stamp>,
        /// What may be answered if that fails.
        spare: Option<CachedAnswer>,
    },
    /// The provider did not answer, may not be believed, or would not keep anything: load, and do
    /// not store.
    Unknown,
}

/// What the provider answered.
pub(crate) struct Answered {
    pub(crate) values: Vec<Option<Bytes>>,
    /// Every generation, as far as there are any.
    pub(crate) stamps: Vec<Option<Stamp>>,
    /// Those of them that were asked for.
    asked: Vec<Option<Stamp>>,
}

impl TenantCache {
    pub(crate) async fn read(
        &self,
        scope: &TenantScope,
        place: Place<'_>,
        dependencies: &Dependencies,
    ) -> Read {
        match self.look(scope, place, dependencies).await {
            Ok(read) => read,
            Err(error) => {
                self.provider_failed("read", &error);
                Read::Unknown
            }
        }
    }

    async fn look(
        &self,
        scope: &TenantScope,
        place: Place<'_>,
        dependencies: &Dependencies,
    ) -> Result<Read, RedisError> {
        let Inner { coherence, .. } = &**self.shared();
        let (keys, cells) = (dependencies.keys(), dependencies.cells());
        let Some(question) = coherence.begin_read(scope, keys, cells) else {
            return Ok(Read::Unknown);
        };
        // What is kept needs the generations only.
        if let Some(kept) = self.kept(&place) {
            let answered = self.ask(&[], dependencies).await?;
            if !self.learns(scope, dependencies, &question, &answered).await {
                return Ok(Read::Unknown);
            }
            if kept.envelope.is_of(&answered.stamps) {
                let read = self.judge(&place, &kept.envelope);
                if !matches!(read, Read::Absent { .. }) {
                    // Its leases are renewed, and it is at its best.
                    return Ok(read);
                }
            }
        }
        let answered = self.ask(&[place.key.as_str()], dependencies).await?;
        if !self.learns(scope, dependencies, &question, &answered).await {
            return Ok(Read::Unknown);
        }
        let Answered { values, stamps, .. } = answered;
        let value = values.into_iter().next().flatten();
        let complete: Option<Vec<Stamp>> = stamps.iter().copied().collect();
        if let (Some(value), Some(generations)) = (value, complete)
            && let Some(read) = self.found(&place, value, cells, generations)
        {
            return Ok(read);
        }
        match self.completes(scope, dependencies, &question, stamps).await? {
            Some(generations) => Ok(Read::Absent { generations, spare: None }),
            None => Ok(Read::Unknown),
        }
    }

    /// Creates the generations that are not there. `None`: they may not be relied on.
    pub(crate) async fn completes(
        &self,
        scope: &TenantScope,
        dependencies: &Dependencies,
        question: &Question,
        stamps: Vec<Option<Stamp>>,
    ) -> Result<Option<Vec<Stamp>>, RedisError> {
        let Inner { coherence, provider, clock, .. } = &**self.shared();
        let were_there: Vec<bool> = stamps.iter().map(Option::is_some).collect();
        let generations = dependencies.complete(provider.as_ref(), clock.as_ref(), stamps).await?;
        // A failover may have come between the two questions.
        if !coherence.believes(scope, dependencies.keys(), question) {
            return Ok(None);
        }
        let Some(generations) = generations else { return Ok(None) };
        // Not those that were leased: nobody asked for them.
        let created: Vec<Option<Stamp>> = generations
            .iter()
            .zip(were_there)
            .map(|(stamp, was_there)| (!was_there).then_some(*stamp))
            .collect();
        question.learn(dependencies.cells(), &created);
        Ok(Some(generations))
    }

    /// Asks for values and for what they depend on, in one round trip.
    pub(crate) async fn ask(
        &self,
        values: &[&str],
        dependencies: &Dependencies,
    ) -> Result<Answered, RedisError> {
        let Inner { provider, coherence, .. } = &**self.shared();
        let mut stamps = dependencies.leased(&coherence.cells);
        let open = dependencies.keys().iter().zip(&stamps).filter(|(_, leased)| leased.is_none());
        let keys: Vec<&str> =
            values.iter().copied().chain(open.map(|(key, _)| key.as_str())).collect();
        let mut found = provider.get_many(&keys).await?.into_iter();
        let values = found.by_ref().take(values.len()).collect();
        let mut asked = vec![None; stamps.len()];
        let slots = stamps.iter_mut().zip(&mut asked).zip(dependencies.cells());
        for ((stamp, asked), cell) in slots.filter(|((leased, _), _)| leased.is_none()) {
            let record = found.next().flatten().as_deref().and_then(Record::parse);
            if let Some(record) = &record {
                cell.note(record);
            }
            *asked = record.map(|record| record.stamp);
            *stamp = *asked;
        }
        Ok(Answered { values, stamps, asked })
    }

    /// Whether an answer may be believed. Invalidations that failed while it was under way count,
    /// and so does a failover: it may come from a service that has forgotten some; and so do stamps
    /// that are earlier than those that it answered before.
    pub(crate) async fn learns(
        &self,
        scope: &TenantScope,
        dependencies: &Dependencies,
        question: &Question,
        answered: &Answered,
    ) -> bool {
        let coherence = &self.shared().coherence;
        let is_believed = self.goes_onward(scope, dependencies, &answered.asked).await
            && coherence.believes(scope, dependencies.keys(), question);
        if is_believed {
            question.learn(dependencies.cells(), &answered.asked);
        }
        is_believed
    }

    fn decoded(&self, place: &Place<'_>, value: Bytes) -> Option<Envelope> {
        self.shared().codec.accept(place, value).map(|decoded| decoded.envelope)
    }

    /// What the time says of a value whose generations are in force.
    fn judge(&self, place: &Place<'_>, envelope: &Envelope) -> Read {
        let now = self.shared().clock.now();
        let (generations, age) = (envelope.generations.clone(), age(envelope, now));
        let answer = |outcome| (!envelope.is_nothing()).then(|| answer_of(envelope, outcome, age));
        match freshness(envelope, place.operation, now, rand::random()) {
            Freshness::Fresh => Read::Answer { answer: answer(Outcome::Hit), refresh: None },
            Freshness::Due => {
                Read::Answer { answer: answer(Outcome::Hit), refresh: Some(generations) }
            }
            Freshness::Stale => {
                Read::Answer { answer: answer(Outcome::Stale), refresh: Some(generations) }
            }
            Freshness::Spare => Read::Absent { generations, spare: answer(Outcome::Stale) },
            Freshness::Over => Read::Absent { generations, spare: None },
        }
    }

    /// What is to be done with a value that was found under these generations; none if it is of
    /// no use.
    pub(crate) fn found(
        &self,
        place: &Place<'_>,
        value: Bytes,
        cells: &[Arc<Cell>],
        generations: Vec<Stamp>,
    ) -> Option<Read> {
        let codec = &self.shared().codec;
        let decoded = codec.accept(place, value)?;
        if decoded.envelope.generations == generations {
            codec.has_seen(place, &decoded.envelope);
            self.reseal(*place, &decoded);
            let envelope = Arc::new(decoded.envelope);
            let read = self.judge(place, &envelope);
            if matches!(read, Read::Answer { .. }) {
                self.keep_in_process(place, envelope, cells);
            }
            return Some(read);
        }
        let softened = self.softened(place, &decoded.envelope, cells, generations);
        if softened.is_none() {
            codec.looks_for_replay(place, &decoded.envelope);
        }
        softened
    }

    /// What is served of a value that a soft purge has dropped, and nothing else; until its time is
    /// over, or it is loaded anew.
    fn softened(
        &self,
        place: &Place<'_>,
        envelope: &Envelope,
        cells: &[Arc<Cell>],
        generations: Vec<Stamp>,
    ) -> Option<Read> {
        let now = self.shared().clock.now();
        let may_be = place.operation.policy().class.may_be_stale()
            && now < envelope.expires_at
            && !envelope.is_nothing()
            && envelope.generations.len() == generations.len();
        let is_the_one_before = |((cell, sealed), stamp): ((&Arc<Cell>, &Stamp), &Stamp)| {
            sealed == stamp || cell.has_softly_replaced(*sealed, *stamp)
        };
        let is_softened = may_be
            && cells.iter().zip(&envelope.generations).zip(&generations).all(is_the_one_before);
        is_softened.then(|| Read::Answer {
            answer: Some(answer_of(envelope, Outcome::Stale, age(envelope, now))),
            refresh: Some(generations),
        })
    }

    /// What another instance has stored, if it is what is wanted.
    pub(crate) fn usable(
        &self,
        place: &Place<'_>,
        value: Bytes,
        wanted: Wanted<'_>,
    ) -> Option<Arc<Envelope>> {
        // What is refused here was refused and counted when it was read.
        let envelope = self.shared().codec.decode(place, value).ok()?.envelope;
        let is_good = envelope.generations == wanted.generations
            && wanted.made_since.is_none_or(|since| envelope.created_at >= since)
            && self.shared().clock.now() < envelope.expires_at;
        is_good.then(|| Arc::new(envelope))
    }

    /// What this process keeps of a key while the provider is away.
    pub(crate) async fn find_kept(&self, place: Place<'_>, tries: u64) -> Option<CachedAnswer> {
        let Inner { gutter, clock, .. } = &**self.shared();
        let envelope = self.decoded(&place, gutter.find(place.key.as_str(), tries).await?)?;
        let now = clock.now();
        (now < envelope.expires_at)
            .then(|| answer_of(&envelope, Outcome::Stale, age(&envelope, now)))
    }
}

impl Envelope {
    /// Whether these are the generations that it was sealed with.
    fn is_of(&self, generations: &[Option<Stamp>]) -> bool {
        self.generations.len() == generations.len()
            && self.generations.iter().zip(generations).all(|(sealed, now)| *now == Some(*sealed))
    }
}
