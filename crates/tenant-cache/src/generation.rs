//! The generations a value depends on: which they are, and how they are read before a load.

use std::collections::HashMap;
use std::sync::Arc;

use redis_provider::{Command, RedisError, RedisProvider, Reply, SetOptions};
use tenancy::{Clock, Tag, TenantScope, platform_generation_key};

use crate::coherence::{Cell, Cells, Record, Stamp, Target};
use crate::registry::{LONGEST_TTL, Operation};

/// How often an absent generation is created anew before giving up: each further round means that
/// the one just created was evicted or deleted in between.
const CREATION_ROUNDS: usize = 3;

/// The first so many generations are not in the slot of the value.
const ELSEWHERE: usize = 2;

/// Where the generations of one value live, in the order in which envelopes seal them: platform,
/// tenant, feature, the operation's own tag, the entities.
#[derive(Clone, Debug)]
pub(crate) struct Dependencies {
    keys: Vec<String>,
    cells: Vec<Arc<Cell>>,
    /// How many of the first keys are not tags; those live for ever.
    without_expiry: usize,
}

impl Dependencies {
    pub(crate) fn of(
        cells: &Cells,
        scope: &TenantScope,
        operation: Operation,
        entities: &[Tag],
    ) -> Self {
        let feature = operation.feature();
        let mut keys = vec![
            platform_generation_key().to_owned(),
            scope.tenant_generation_key(),
            scope.feature_generation_key(feature),
        ];
        let without_expiry = keys.len();
        let tags = operation.own_tag();
        keys.extend(tags.iter().chain(entities).map(|tag| scope.tag_generation_key(feature, tag)));
        let cells = keys.iter().map(|key| cells.cell(key)).collect();
        Self { keys, cells, without_expiry }
    }

    /// The dependencies of several values of one operation as one, and where those of each stand in
    /// them.
    pub(crate) fn union(parts: &[Self]) -> (Self, Vec<Vec<usize>>) {
        let mut union = Self { keys: Vec::new(), cells: Vec::new(), without_expiry: 0 };
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut places = Vec::with_capacity(parts.len());
        for part in parts {
            // They begin with the same ones.
            union.without_expiry = part.without_expiry;
            let of_part = part.keys.iter().zip(&part.cells).map(|(key, cell)| {
                *known.entry(key).or_insert_with(|| {
                    union.keys.push(key.clone());
                    union.cells.push(Arc::clone(cell));
                    union.keys.len() - 1
                })
            });
            places.push(of_part.collect());
        }
        (union, places)
    }

    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    pub(crate) fn cells(&self) -> &[Arc<Cell>] {
        &self.cells
    }

    /// What it takes to replace one of them.
    pub(crate) fn target(&self, index: usize) -> Option<Target> {
        let key = self.keys.get(index)?.clone();
        Some(Target { key, expires: index >= self.without_expiry })
    }

    /// The stamps that need not be asked for: those of the platform and the tenant, which live
    /// where the value does not, while their leases last.
    pub(crate) fn leased(&self, cells: &Cells) -> Vec<Option<Stamp>> {
        let elsewhere = self.cells.iter().take(ELSEWHERE).map(|cell| cells.leased(cell));
        let here = self.cells.iter().skip(ELSEWHERE).map(|_| None);
        elsewhere.chain(here).collect()
    }

    fn options(&self, index: usize) -> SetOptions {
        let options = if index < self.without_expiry {
            SetOptions::default()
        } else {
            SetOptions::with_ttl(tag_lifetime())
        };
        options.if_absent()
    }

    /// Completes what was read: every generation that is absent gets a new stamp, so that the
    /// load that follows can be told from one before the next invalidation.
    ///
    /// `None` means that they would not stay, for instance in a full memory; the caller must not
    /// store what it loads.
    pub(crate) async fn complete(
        &self,
        provider: &dyn RedisProvider,
        clock: &dyn Clock,
        mut stamps: Vec<Option<Stamp>>,
    ) -> Result<Option<Vec<Stamp>>, RedisError> {
        for _ in 0..CREATION_ROUNDS {
            let absent: Vec<usize> = positions_of_none(&stamps);
            if absent.is_empty() {
                break;
            }
            self.create(provider, clock, &mut stamps, &absent).await?;
        }
        Ok(stamps.into_iter().collect())
    }

    async fn create(
        &self,
        provider: &dyn RedisProvider,
        clock: &dyn Clock,
        stamps: &mut [Option<Stamp>],
        absent: &[usize],
    ) -> Result<(), RedisError> {
        let minted: Vec<(usize, &String, Stamp)> = absent
            .iter()
            .filter_map(|index| Some((*index, self.keys.get(*index)?, Stamp::mint(clock, None))))
            .collect();
        let commands = minted
            .iter()
            .map(|(index, key, stamp)| {
                Command::Set((*key).clone(), stamp.to_bytes(), self.options(*index))
            })
            .collect();
        let replies = provider.pipeline(commands).await?;
        let mut lost = Vec::new();
        for ((index, key, stamp), reply) in minted.iter().zip(replies) {
            match reply? {
                Reply::Applied(true) => set_at(stamps, *index, Some(*stamp)),
                _ => lost.push((*index, key.as_str())),
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        // Somebody else created these first: theirs count.
        let keys: Vec<&str> = lost.iter().map(|(_, key)| *key).collect();
        for ((index, _), value) in lost.iter().zip(provider.get_many(&keys).await?) {
            let record = value.as_deref().and_then(Record::parse);
            set_at(stamps, *index, record.map(|record| record.stamp));
        }
        Ok(())
    }
}

/// How long the generation of a tag lives: twice the longest value, so that it does not go before
/// the values that it guards. If it does, they are a miss.
pub(crate) const fn tag_lifetime() -> std::time::Duration {
    LONGEST_TTL.saturating_mul(2)
}

fn positions_of_none(stamps: &[Option<Stamp>]) -> Vec<usize> {
    stamps
        .iter()
        .enumerate()
        .filter_map(|(index, stamp)| stamp.is_none().then_some(index))
        .collect()
}

fn set_at(stamps: &mut [Option<Stamp>], index: usize, stamp: Option<Stamp>) {
    if let Some(slot) = stamps.get_mut(index) {
        *slot = stamp;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::coherence::{Coherence, Interruptions};

    #[derive(Debug)]
    struct Never;

    impl Interruptions for Never {
        fn count(&self) -> u64 {
            0
        }
    }

    #[test]
    fn generations_in_use_are_remembered_and_others_forgotten_in_the_end() {
        const USED: usize = 70_000;
        let cells = Coherence::new(Arc::new(Never), Duration::ZERO, Duration::ZERO).cells;
        let used: Vec<Arc<Cell>> =
            (0..USED).map(|number| cells.cell(&number.to_string())).collect();
        assert_eq!(cells.len(), USED);
        for number in USED..USED + 100_000 {
            let _unused = cells.cell(&number.to_string());
        }
        assert!((USED..2 * USED + 1).contains(&cells.len()), "{}", cells.len());
        for (number, cell) in used.iter().enumerate() {
            assert!(Arc::ptr_eq(cell, &cells.cell(&number.to_string())));
        }
        drop(used);
        for number in USED..USED + 200_000 {
            let _unused = cells.cell(&number.to_string());
        }
        assert!(cells.len() <= 2 * USED, "{}", cells.len());
    }
}
