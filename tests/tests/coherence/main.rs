//! Two instances of the cache over a real Redis Cluster whose nodes hang, whose connections break
//! and whose messages get lost, against what readers may be told.
//!
//! Wrong is an answer that is older than an invalidation which had finished more than the lease
//! before the read began, whichever instance made it; or than one that the reader's own instance
//! had ended, well or not. Each run follows a seed as far as real servers do.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests report by panicking, indices are drawn from the arrays' lengths, and \
              what a run has seen is worth telling"
)]

mod faults;
mod figures;
mod ledger;
mod world;

use std::sync::Arc;
use std::time::Duration;

use dev_redis_cluster::OwnCluster;
use portal_tests::environment;
use portal_tests::waiting::eventually;
use tenant_cache::CacheSettings;
use tokio::time::sleep;

use crate::faults::Faults;
use crate::figures::Figures;
use crate::world::World;

const SEEDS: [u64; 3] = [11, 12, 13];
/// How long each seed's readers, writers and faults go on.
const SPELL: Duration = Duration::from_secs(8);
/// Less than a spell has time for, so that a primary that hangs is replaced within it.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);
/// By when a cluster, and instances of the cache, are well after the last fault.
const RECOVERY: Duration = Duration::from_secs(20);

async fn cluster() -> Arc<OwnCluster> {
    let start = || {
        let cluster = OwnCluster::start_with(&environment::redis_server(), |plan| {
            plan.node_timeout = NODE_TIMEOUT;
        });
        cluster.wait_until_whole(RECOVERY);
        cluster
    };
    Arc::new(tokio::task::spawn_blocking(start).await.expect("a cluster"))
}

/// One world and its faults, until everybody is well again and knows everything.
async fn spell(cluster: &Arc<OwnCluster>, seed: u64) -> Figures {
    let world = World::begin(cluster, CacheSettings::default()).await;
    let people = world.people(seed);
    let faults = Faults::begin(cluster, &world, seed);
    sleep(SPELL).await;
    faults.end().await;
    let whole = Arc::clone(cluster);
    tokio::task::spawn_blocking(move || whole.wait_until_whole(RECOVERY)).await.expect("healing");
    people.end().await;
    eventually("every invalidation is made up for", RECOVERY, async || {
        world.is_settled().then_some(())
    })
    .await;
    sleep(CacheSettings::default().process_lease).await;
    world.everybody_knows_everything(seed).await;
    let figures = world.figures();
    println!("seed {seed}: {figures:?}");
    assert!(figures.wrong.is_empty(), "seed {seed}: {:#?}", figures.wrong);
    world.end().await;
    figures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_is_told_less_than_the_lease_allows() {
    let cluster = cluster().await;
    let mut total = Figures::default();
    for seed in SEEDS {
        total.add(spell(&cluster, seed).await);
    }
    println!("all seeds: {total:?}");
    // A world in which nothing happens proves nothing. An idle machine does twenty times as much.
    assert!(total.reads > 2_000 && total.hits > 500 && total.misses > 100, "{total:?}");
    assert!(total.hits_in_process > 100 && total.bypassed > 50, "{total:?}");
    assert!(total.finished > 50 && total.failed > 5 && total.untold > 5, "{total:?}");
    assert!(total.heard > 50 && total.gaps > 0, "{total:?}");
    assert!(total.interruptions > 2 && total.replayed > 5, "{total:?}");
    // Messages were missed where it showed: only the lease ended what was served.
    assert!(total.late > 0, "{total:?}");
}

/// That the ledger would notice: with leases longer than promised, lost messages make answers
/// wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_longer_than_promised_is_found_out() {
    let cluster = cluster().await;
    let settings =
        CacheSettings { process_lease: Duration::from_secs(60), ..CacheSettings::default() };
    let world = World::begin(&cluster, settings).await;
    let people = world.people(0);
    for instance in world.instances() {
        instance.loses_messages(true);
    }
    eventually("a wrong answer", RECOVERY, async || {
        (!world.figures().wrong.is_empty()).then_some(())
    })
    .await;
    people.end().await;
    world.end().await;
}
