//! Makes one cluster of six nodes that do not know each other.

use std::io;
use std::time::{Duration, Instant};

use crate::cli::Cli;
use crate::plan::{ClusterPlan, NODE_TIMEOUT};
use crate::programs::wait_until;
use crate::slots::{SLOTS, slot_of_key};
use crate::topology::Topology;
use crate::{NODES, PRIMARIES};

/// The longest that forming may take; on an idle machine it is three seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// A node that has not answered a question about the cluster by then hangs.
const SOON: Duration = Duration::from_secs(1);

impl ClusterPlan {
    /// Forms the cluster of nodes that have been started, and returns when every node says that
    /// all is well and that every primary has a replica.
    ///
    /// `watch` is called at each turn of each wait; an error of its ends the forming, for instance
    /// because a node has died.
    pub fn form(&self, watch: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let nodes =
            (0..NODES).map(|node| self.cli(node, self.admin())).collect::<io::Result<Vec<_>>>()?;
        let deadline = Instant::now() + LIMIT;
        let mut every = |what: &str, is_so: &dyn Fn(&Cli) -> bool| {
            nodes
                .iter()
                .try_for_each(|node| wait_until(what, deadline, || watch().map(|()| is_so(node))))
        };
        every("the nodes answer", &|node| says(node, &["ping"], "PONG"))?;
        for (index, node) in nodes.iter().enumerate() {
            node.must_do(&[set_timeout(NODE_TIMEOUT)])?;
            node.must_do(&beginning(index))?;
        }
        for (index, node) in nodes.iter().enumerate() {
            let later = self.ports.all().iter().skip(index + 1);
            let meetings: Vec<_> =
                later.map(|port| format!("cluster meet 127.0.0.1 {port}")).collect();
            node.must_do(&meetings)?;
        }
        every("the nodes know each other", &|node| {
            view(node).members().iter().filter(|member| member.is_known).count() == NODES
        })?;
        let (primaries, replicas) = nodes.split_at(PRIMARIES);
        for (primary, replica) in primaries.iter().zip(replicas) {
            replica
                .must_do(&[format!("cluster replicate {}", primary.ask(&["cluster", "myid"])?)])?;
        }
        every("every primary has its replica", &|node| {
            let said = node.ask(&["info", "replication"]).unwrap_or_default();
            said.contains("state=online") || said.contains("master_link_status:up")
        })?;
        for (index, primary) in primaries.iter().enumerate() {
            // Until something has been written, CLUSTER SLOTS keeps replicas to itself.
            primary.ask(&["set", &key_of(index), "", "PX", "1"])?;
        }
        every("the cluster is well", &|node| {
            let slots = node.ask(&["cluster", "slots"]).unwrap_or_default();
            let named = slots.lines().filter(|line| *line == "localhost").count();
            named == NODES && is_well(node)
        })?;
        nodes.iter().try_for_each(|node| node.must_do(&[set_timeout(self.node_timeout)]))
    }
}

/// Nodes that have less time to be silent tell each other news more often, so the cluster is formed
/// with little and gets what the plan says afterwards.
fn set_timeout(timeout: Duration) -> String {
    format!("config set cluster-node-timeout {}", timeout.as_millis())
}

/// What a node is told before it meets the others: they may not have the same epoch, and each
/// primary has its third of the slots.
fn beginning(index: usize) -> Vec<String> {
    let mut lines = vec![format!("cluster set-config-epoch {}", index + 1)];
    if index < PRIMARIES {
        let (first, last) = third(index);
        lines.push(format!("cluster addslotsrange {first} {last}"));
    }
    lines
}

/// First and last slot of a primary.
fn third(index: usize) -> (u16, u16) {
    // As redis-cli divides them, rounded to the nearest.
    [(0, 5460), (5461, 10_922), (10_923, SLOTS - 1)].get(index).copied().unwrap_or_default()
}

/// A key in the slots of that primary.
fn key_of(index: usize) -> String {
    let (first, last) = third(index);
    let mut keys = (0_u32..).map(|number| format!("warm-{number}"));
    keys.find(|key| (first..=last).contains(&slot_of_key(key.as_bytes()))).unwrap_or_default()
}

fn says(node: &Cli, arguments: &[&str], expected: &str) -> bool {
    node.ask(arguments).is_ok_and(|answer| answer == expected)
}

/// What the node believes; nothing when it does not answer soon.
pub(crate) fn view(node: &Cli) -> Topology {
    Topology::parse(&node.ask_within(SOON, &["cluster", "nodes"]).unwrap_or_default())
}

/// Whether the node says `cluster_state:ok`.
pub(crate) fn is_well(node: &Cli) -> bool {
    let said = node.ask_within(SOON, &["cluster", "info"]).unwrap_or_default();
    said.lines().any(|line| line.trim_end() == "cluster_state:ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thirds_are_all_slots_and_each_has_its_key() {
        assert_eq!(third(0).0, 0);
        assert_eq!(third(1).0, third(0).1 + 1);
        assert_eq!(third(2).0, third(1).1 + 1);
        assert_eq!(third(2).1, SLOTS - 1);
        for index in 0..PRIMARIES {
            let slot = slot_of_key(key_of(index).as_bytes());
            assert!(third(index).0 <= slot && slot <= third(index).1);
        }
    }
}
