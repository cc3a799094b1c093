//! Keeps the map of the cluster fresh, and finds the servers where there is no map yet.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::types::Value;
use futures_util::future::join_all;
use rand::RngExt;
use tokio::time::Instant;

use super::contact::{cluster_slots, discover, map_limit};
use super::errors::Access;
use super::node::Node;
use super::router::Router;
use super::topology::Topology;
use crate::backoff::Backoff;

/// How often the map is looked at without any reason.
const ROUTINE: Duration = Duration::from_secs(30);
/// How often while calls for some slots cannot be answered, in milliseconds.
const URGENT_MILLIS: std::ops::RangeInclusive<u64> = 50..=100;
/// The least time between two looks: redirections come in crowds, and mend the map themselves.
const SPACING: Duration = Duration::from_millis(50);
/// Nodes that are asked each time.
const INFORMANTS: usize = 3;
/// Waits between attempts to find any server.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Runs until the provider is stopped.
pub(super) async fn keep_fresh(router: Arc<Router>) {
    let stop = router.stop().clone();
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let work = async {
        // At the start the seeds have been asked already.
        let mut is_found = !router.view().is_unknown();
        loop {
            if is_found {
                backoff.reset();
                wait_for_a_reason(&router).await;
            } else {
                tokio::time::sleep(backoff.next_wait()).await;
            }
            is_found = refresh(&router).await;
        }
    };
    stop.run_until_cancelled(work).await;
}

async fn wait_for_a_reason(router: &Router) {
    tokio::time::sleep(SPACING).await;
    let view = router.view();
    let pause = if !view.is_cluster {
        // There is nothing to learn from one server; its connection looks after itself. Only a
        // redirection, the word of a server that joined a cluster since, changes this.
        let _changed = router.watch().changed().await;
        return;
    } else if view.has_gap() {
        let pause = Duration::from_millis(rand::rng().random_range(URGENT_MILLIS));
        return tokio::time::sleep(pause.saturating_sub(SPACING)).await;
    } else {
        ROUTINE
    };
    let _doubted_or_not = tokio::time::timeout(pause, router.signals().doubted()).await;
}

/// Asks nodes that answer, or where none does the seeds; answers whether anybody told anything.
async fn refresh(router: &Router) -> bool {
    let mut informants = router.usable();
    informants.truncate(INFORMANTS);
    let limit = map_limit(router.plan());
    let answers = join_all(informants.iter().map(|node| ask(node, limit))).await;
    let maps: Vec<Topology> = answers.into_iter().flatten().collect();
    if let Some(map) = choose(maps) {
        router.apply(map);
        return true;
    }
    match discover(router.plan(), false).await {
        Ok(found) => router.adopt(found),
        Err(trouble) => {
            router.note_trouble(&trouble);
            return false;
        }
    }
    true
}

async fn ask(node: &Arc<Node>, limit: Duration) -> Option<Topology> {
    let deadline = Instant::now() + limit;
    let answer = node.call(Access::Read, deadline, async |sender| {
        let (command, arguments) = cluster_slots();
        sender.custom::<Value, _>(command, arguments).await
    });
    match answer.await {
        Ok(answer) => {
            let topology = Topology::parse(answer, node.address());
            topology.inspect_err(|error| tracing::warn!(%error, "no map of the cluster")).ok()
        }
        Err(error) => {
            tracing::debug!(address = %node.address(), ?error, "no map of the cluster");
            None
        }
    }
}

/// What most of them say; of equals, what tells of most slots. A node that was cut off from the
/// others still has its old opinion.
fn choose(maps: Vec<Topology>) -> Option<Topology> {
    let votes: Vec<usize> =
        maps.iter().map(|map| maps.iter().filter(|other| map.agrees_with(other)).count()).collect();
    let ranked = maps.into_iter().zip(votes);
    ranked
        .filter(|(map, _)| map.coverage() > 0)
        .min_by_key(|(map, votes)| Reverse((*votes, map.coverage())))
        .map(|(map, _)| map)
}

#[cfg(test)]
mod tests {
    use super::super::settings::Address;
    use super::super::topology::{Member, NOBODY, SLOTS};
    use super::*;

    fn map(port: u16, coverage: usize) -> Topology {
        let address = Address::new("node", port);
        let members = vec![Member { address, aliases: Vec::new(), primary: None }];
        let owners = (0..SLOTS).map(|slot| if slot < coverage { 0 } else { NOBODY }).collect();
        Topology { members, owners }
    }

    #[test]
    fn the_majority_decides_then_the_coverage() {
        let chosen = choose(vec![map(1, SLOTS), map(2, 9), map(2, 9)]).unwrap();
        assert_eq!(chosen, map(2, 9));
        let chosen = choose(vec![map(1, 9), map(2, SLOTS), map(3, 10)]).unwrap();
        assert_eq!(chosen, map(2, SLOTS));
        assert_eq!(choose(vec![map(1, 0)]), None);
        assert_eq!(choose(Vec::new()), None);
    }
}
