//! The nodes and the map between slots and them: read by every call, changed by redirections and
//! by the task that keeps it fresh.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fred::util::redis_keyslot;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::contact::Found;
use super::diagnosis::Trouble;
use super::errors::Redirect;
use super::link::Signals;
use super::node::{Node, Nursery};
use super::settings::{Address, Messages, Plan};
use super::topology::{Member, Topology};
use super::view::{Placed, View};
use crate::error::RedisError;

/// The nodes, and who owns what.
pub(super) struct Router {
    nursery: Nursery,
    view: watch::Sender<Arc<View>>,
    /// Held while the view is replaced by one that was made from it.
    changing: Mutex<()>,
    /// Why nothing is known, while nothing is.
    trouble: Mutex<String>,
}

impl Router {
    pub(super) fn new(plan: Plan, tracker: TaskTracker, stop: CancellationToken) -> Self {
        let signals = Arc::new(Signals::default());
        Self {
            nursery: Nursery { plan: Arc::new(plan), signals, tracker, stop },
            view: watch::Sender::new(Arc::new(View::unknown())),
            changing: Mutex::new(()),
            trouble: Mutex::new("not connected yet".to_owned()),
        }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.nursery.plan
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.nursery.signals
    }

    pub(super) fn stop(&self) -> &CancellationToken {
        &self.nursery.stop
    }

    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Tells of each new view.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    /// Whether messages go to the shard that owns their topic.
    pub(super) fn is_sharded(&self) -> bool {
        self.shards(&self.view.borrow())
    }

    /// The same where this is what the servers look like.
    pub(super) fn shards(&self, view: &View) -> bool {
        self.plan().messages == Messages::Sharded && view.is_cluster
    }

    /// Whom to send a command for a slot.
    pub(super) fn owner(&self, slot: u16) -> Result<Arc<Node>, RedisError> {
        let view = self.view.borrow();
        match view.owner(slot) {
            Some(node) => Ok(Arc::clone(node)),
            None if view.is_unknown() => Err(self.unknown()),
            None => Err(RedisError::Unavailable(format!("nobody owns slot {slot}"))),
        }
    }

    /// Any node that answers, primaries and replicas alike, in any order.
    pub(super) fn usable(&self) -> Vec<Arc<Node>> {
        use rand::seq::SliceRandom;
        let view = self.view.borrow();
        let usable = view.nodes().map(|placed| &placed.node).filter(|node| node.is_usable());
        let mut nodes: Vec<_> = usable.cloned().collect();
        nodes.shuffle(&mut rand::rng());
        nodes
    }

    /// Whom to give a message: the same node for the same topic while it answers, because messages
    /// that go by way of different nodes may overtake each other.
    pub(super) fn speaker(&self, topic: &str) -> Option<Arc<Node>> {
        let view = self.view.borrow();
        let owner = view.owner(redis_keyslot(topic.as_bytes())).filter(|node| node.is_usable());
        let mut others = view.nodes().map(|placed| &placed.node).filter(|node| node.is_usable());
        owner.or_else(|| others.next()).cloned()
    }

    /// Why no node can be asked, whichever it is.
    pub(super) fn unreachable(&self) -> RedisError {
        if self.view().is_unknown() || self.stop().is_cancelled() {
            return self.unknown();
        }
        RedisError::Unavailable("no node answers".to_owned())
    }

    /// Why nothing is known of any node.
    pub(super) fn unknown(&self) -> RedisError {
        if self.stop().is_cancelled() {
            return RedisError::Unavailable("the provider is closed".to_owned());
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        RedisError::Unavailable(trouble.clone())
    }

    /// Takes note of why the seeds did not help. The same reason is logged once.
    pub(super) fn note_trouble(&self, trouble: &Trouble) {
        let text = match trouble {
            Trouble::Away(text) => text.clone(),
            Trouble::Wrong(wrong) => wrong.to_string(),
        };
        let mut last = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != text {
            tracing::warn!(seeds = ?self.plan().seeds, reason = text, "cannot connect to Redis");
            *last = text;
        }
    }

    /// Takes what the seeds said.
    pub(super) fn adopt(&self, found: Found) {
        match found {
            Found::Cluster(topology) => self.apply(topology),
            Found::Single(address) => {
                let _changing = self.change();
                if self.view().is_unknown() {
                    let node = self.nursery.raise(address, "single", true);
                    self.view.send_replace(Arc::new(View::single(node)));
                }
            }
        }
    }

    /// Takes a map: nodes that are new are connected to, those that left are let go, and those
    /// that became primaries are told of before anybody can ask them as such.
    pub(super) fn apply(&self, topology: Topology) {
        let _changing = self.change();
        let old = self.view();
        let Topology { members, owners } = topology;
        let placed: Vec<Placed> =
            members.into_iter().map(|member| self.place(&old, member)).collect();
        let new = View::cluster(placed, owners);
        for node in promoted(&old, &new) {
            self.interrupt(node);
        }
        for placed in new.nodes() {
            placed.node.set_primary(placed.primary.is_none());
        }
        let is_kept = |node| new.nodes().any(|placed| Arc::ptr_eq(&placed.node, node));
        let gone: Vec<_> =
            old.nodes().map(|placed| &placed.node).filter(|node| !is_kept(node)).collect();
        self.view.send_replace(Arc::new(new.clone()));
        for node in gone {
            // Nobody asks it any more, so its return while it is let go loses nobody's writes.
            node.set_primary(false);
            self.nursery.retire(node);
        }
    }

    fn place(&self, old: &View, member: Member) -> Placed {
        let Member { address, aliases, primary } = member;
        let known = old.nodes().find(|placed| *placed.node.address() == address);
        let node = known.map_or_else(
            || self.nursery.raise(address, "cluster", primary.is_none()),
            |placed| Arc::clone(&placed.node),
        );
        Placed { node, aliases, primary }
    }

    /// Follows a slot that moved: the map is mended at this one place, and the rest is looked at
    /// soon.
    pub(super) fn moved(&self, redirect: &Redirect, from: &Node) -> Arc<Node> {
        let address = target(redirect, from);
        let is_there = |node: &Arc<Node>, view: &View| {
            view.find(&address).is_some_and(|placed| Arc::ptr_eq(&placed.node, node))
        };
        let view = self.view();
        if let Some(node) = view.owner(redirect.slot).filter(|node| is_there(node, &view)) {
            return Arc::clone(node);
        }
        let _changing = self.change();
        let old = self.view();
        let owner = old.find(&address).cloned();
        let owner = owner.unwrap_or_else(|| Placed {
            node: self.nursery.raise(address, "cluster", true),
            aliases: Vec::new(),
            primary: None,
        });
        let new = old.with_owner(redirect.slot, &owner);
        for node in promoted(&old, &new) {
            self.interrupt(node);
        }
        owner.node.set_primary(true);
        self.view.send_replace(Arc::new(new));
        self.signals().doubt();
        owner.node
    }

    /// The node that a redirection for one command names.
    pub(super) fn asked(&self, redirect: &Redirect, from: &Node) -> Arc<Node> {
        let address = target(redirect, from);
        let _changing = self.change();
        if let Some(placed) = self.view().find(&address) {
            return Arc::clone(&placed.node);
        }
        // It owns nothing yet; with its first slot it gets its place in the map.
        let node = self.nursery.raise(address, "cluster", true);
        let placed = Placed { node: Arc::clone(&node), aliases: Vec::new(), primary: None };
        self.view.send_replace(Arc::new(self.view().with_node(placed)));
        self.signals().doubt();
        node
    }

    fn interrupt(&self, node: &Arc<Node>) {
        self.signals().interrupt();
        tracing::warn!(address = %node.address(), "a Redis node took over slots of another: failover");
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn target(redirect: &Redirect, from: &Node) -> Address {
    let host = redirect.host.as_deref().unwrap_or(&from.address().host);
    Address::new(host, redirect.port)
}

/// Nodes that took slots over from a node that failed, or that was made a replica: those that were
/// replicas before, and unknown ones where the owner of before is no longer there to have given
/// its slots away, or is a primary no more.
fn promoted<'a>(old: &View, new: &'a View) -> Vec<&'a Arc<Node>> {
    if old.is_unknown() {
        return Vec::new();
    }
    let took_over = |node: &Arc<Node>, first_slot: u16| {
        let before = old.nodes().find(|placed| Arc::ptr_eq(&placed.node, node));
        let lost = |owner: &Arc<Node>| !owner.is_usable() || !is_primary(new, owner);
        before.map_or_else(
            || old.owner(first_slot).is_some_and(lost),
            |placed| placed.primary.is_some(),
        )
    };
    let shards = new.shards().iter();
    shards
        .filter_map(|shard| Some((new.primary(*shard)?, shard.first_slot)))
        .filter(|(node, first_slot)| took_over(node, *first_slot))
        .map(|(node, _)| node)
        .collect()
}

fn is_primary(view: &View, node: &Arc<Node>) -> bool {
    view.nodes().any(|placed| Arc::ptr_eq(&placed.node, node) && placed.primary.is_none())
}
