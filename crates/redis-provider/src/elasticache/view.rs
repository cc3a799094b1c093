//! What is known of the servers at one moment: nodes, and which of them owns which slot.

use std::sync::Arc;

use super::node::Node;
use super::settings::Address;
use super::topology::{NOBODY, SLOTS};

/// A node in its place.
#[derive(Clone)]
pub(super) struct Placed {
    pub(super) node: Arc<Node>,
    /// What else it goes by.
    pub(super) aliases: Vec<Address>,
    /// The position of the node that it follows, if it is a replica.
    pub(super) primary: Option<u16>,
}

impl Placed {
    pub(super) fn is_named(&self, address: &Address) -> bool {
        self.node.address() == address || self.aliases.contains(address)
    }
}

/// A primary with slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    /// The lowest of its slots: what it is known by when a scan goes on.
    pub(super) first_slot: u16,
    index: u16,
}

/// A moment's knowledge; it does not change, it is replaced.
#[derive(Clone)]
pub(super) struct View {
    pub(super) is_cluster: bool,
    placed: Vec<Placed>,
    owners: Vec<u16>,
    shards: Vec<Shard>,
    has_orphans: bool,
    partition: u64,
}

impl View {
    /// Nothing is known.
    pub(super) fn unknown() -> Self {
        Self::new(false, Vec::new(), vec![NOBODY; SLOTS])
    }

    /// One server, which owns everything.
    pub(super) fn single(node: Arc<Node>) -> Self {
        let placed = Placed { node, aliases: Vec::new(), primary: None };
        Self::new(false, vec![placed], vec![0; SLOTS])
    }

    /// A cluster's nodes, and for each slot the position of its owner, or [`NOBODY`].
    pub(super) fn cluster(placed: Vec<Placed>, owners: Vec<u16>) -> Self {
        Self::new(true, placed, owners)
    }

    fn new(is_cluster: bool, placed: Vec<Placed>, owners: Vec<u16>) -> Self {
        let mut first_slots: Vec<Option<u16>> = vec![None; placed.len()];
        let mut shards = Vec::new();
        let mut partition = Fnv::default();
        let mut has_orphans = false;
        for (slot, index) in (0..).zip(&owners) {
            let first_slot = first_slots.get_mut(usize::from(*index)).map(|first_slot| {
                *first_slot.get_or_insert_with(|| {
                    shards.push(Shard { first_slot: slot, index: *index });
                    slot
                })
            });
            has_orphans |= first_slot.is_none();
            partition.add(first_slot.unwrap_or(NOBODY));
        }
        Self { is_cluster, placed, owners, shards, has_orphans, partition: partition.0 }
    }

    /// The same, with one slot owned by another node, at the end of the list if it is new.
    pub(super) fn with_owner(&self, slot: u16, owner: &Placed) -> Self {
        let mut placed = self.placed.clone();
        let known = placed.iter().position(|other| Arc::ptr_eq(&other.node, &owner.node));
        let position = known.unwrap_or(placed.len());
        match placed.get_mut(position) {
            Some(other) => other.primary = None,
            None => placed.push(owner.clone()),
        }
        let mut owners = self.owners.clone();
        let index = u16::try_from(position).unwrap_or(NOBODY);
        if let Some(current) = owners.get_mut(usize::from(slot)) {
            *current = index;
        }
        Self::new(true, placed, owners)
    }

    /// The same, with a node that owns nothing.
    pub(super) fn with_node(&self, placed: Placed) -> Self {
        let mut view = self.clone();
        view.placed.push(placed);
        view
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.placed.is_empty()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Placed> {
        self.placed.iter()
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        let index = self.owners.get(usize::from(slot))?;
        self.placed.get(usize::from(*index)).map(|placed| &placed.node)
    }

    pub(super) fn find(&self, address: &Address) -> Option<&Placed> {
        let placed = self.placed.iter();
        // By its own name first: an alias may have been another node's name a while ago.
        let mut by_name = placed.clone().filter(|placed| placed.node.address() == address);
        by_name.next().or_else(|| placed.clone().find(|placed| placed.is_named(address)))
    }

    /// Primaries with slots, in the order of their lowest slot.
    pub(super) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    pub(super) fn primary(&self, shard: Shard) -> Option<&Arc<Node>> {
        self.placed.get(usize::from(shard.index)).map(|placed| &placed.node)
    }

    pub(super) fn primaries(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.shards.iter().filter_map(|shard| self.primary(*shard))
    }

    pub(super) fn replicas(&self, shard: Shard) -> impl Iterator<Item = &Arc<Node>> {
        let followers =
            self.placed.iter().filter(move |placed| placed.primary == Some(shard.index));
        followers.map(|placed| &placed.node)
    }

    /// Whether calls for some slot cannot be answered now.
    pub(super) fn has_gap(&self) -> bool {
        self.has_orphans || self.primaries().any(|node| !node.is_usable())
    }

    /// A number that changes when slots go from shard to shard, and not when a replica takes over.
    pub(super) const fn partition(&self) -> u64 {
        self.partition
    }
}

/// Fowler, Noll and Vo's hash, 1a, 64 bits: the same in every process and version.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, number: u16) {
        for byte in number.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
