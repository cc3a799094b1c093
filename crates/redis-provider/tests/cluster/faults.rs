//! Nodes that die, hang, change places, or give slots away while clients use them.

use std::time::Duration;

use redis_provider::{Command, RedisError, RedisProvider, Reply};
use tokio::time::Instant;

use crate::bench::{Cluster, LIMIT, connect, eventually, is_away, round_trip, unhurried};
use crate::ledger::{Ledger, Outcome};

/// What a call may take: its limit, the grace, and what a busy machine adds.
const CALL: Duration = Duration::from_secs(3);

fn assert_untouched(outcome: &Outcome) {
    assert!(outcome.acknowledged > 0);
    assert_eq!((outcome.unavailable, outcome.timeouts, outcome.lost), (0, 0, 0), "{outcome:?}");
}

/// Runs the ledger while a primary is lost in some way and a replica takes over.
async fn lose_a_primary(
    lose: impl FnOnce(&dev_redis_cluster::OwnCluster) + Send + 'static,
) -> Cluster {
    let cluster = Cluster::start().await;
    let provider = cluster.provider().await;
    let [key, other] = [0, 1].map(|node| cluster.keys_of(node, "fault", 1));
    let (key, other) = (key.await.remove(0), other.await.remove(0));
    round_trip(&*provider, &key).await.unwrap();
    let ledger = Ledger::start(&cluster, &provider).await;
    assert_eq!(provider.interruptions(), 0);

    cluster.with(lose).await;
    let lost_at = Instant::now();
    eventually("the loss shows", async || is_away(&provider.get(&key).await)).await;
    // A batch over both: the node's failure is the answer of its own commands only.
    let pair = vec![Command::Get(key.clone()), Command::Get(other.clone())];
    let answers = provider.pipeline(pair).await.unwrap();
    assert!(is_away(&answers[0]), "{answers:?}");
    assert_eq!(answers[1], Ok(Reply::Value(None)));
    assert!(is_away(&provider.get_many(&[&key, &other]).await), "a part is not the whole");
    let deleted = provider.delete_many(&[&key, &other]).await;
    assert_eq!(deleted, Err(RedisError::Timeout { maybe_applied: true }));

    eventually("its keys are back", async || {
        let before = provider.interruptions();
        let answer = provider.get(&key).await;
        // The count is raised before the first answer of the new primary.
        assert!(answer.is_err() || before > 0 || provider.interruptions() > 0);
        answer.is_ok()
    })
    .await;
    let back_after = lost_at.elapsed();
    println!("its keys were back after {back_after:?}");
    assert!(provider.interruptions() > 0);
    let healed = cluster.with(|cluster| cluster.wait_until_ok(LIMIT)).await;
    println!("the cluster was well {healed:?} after that");

    let [broken, one, two] = ledger.close().await;
    assert_untouched(&one);
    assert_untouched(&two);
    assert!(broken.unavailable + broken.timeouts > 0, "{broken:?}");
    assert!(broken.slowest < CALL, "{broken:?}");
    // Replication is asynchronous: of what a primary acknowledged in its last moment a little may
    // be missing, and that is what the count of interruptions tells.
    assert!(broken.lost <= 8, "{broken:?}");
    round_trip(&*provider, &key).await.unwrap();
    provider.close().await;
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_costs_its_own_slots_until_a_replica_takes_over() {
    lose_a_primary(|cluster| cluster.kill(0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs_costs_its_own_slots_until_a_replica_takes_over() {
    let cluster = lose_a_primary(|cluster| cluster.pause(0)).await;
    cluster.with(|cluster| cluster.resume(0)).await;
    // It comes back as a replica; a provider of now finds its way at once.
    cluster.with(|cluster| cluster.wait_until_whole(LIMIT)).await;
    let provider = cluster.provider().await;
    for key in cluster.keys_of(3, "after", 20).await {
        round_trip(&*provider, &key).await.unwrap();
    }
    provider.close().await;
}

/// The seed is the first door only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_seed_may_die() {
    let cluster = Cluster::start().await;
    let provider = cluster.provider().await;
    let mut subscription = provider.subscribe(&["topic"]).await.unwrap();
    cluster.with(|cluster| cluster.kill(0)).await;
    let keys = [cluster.keys_of(1, "seed", 3), cluster.keys_of(2, "seed", 3)];
    for keys in keys {
        for key in keys.await {
            round_trip(&*provider, &key).await.unwrap();
        }
    }
    cluster.with(|cluster| cluster.wait_until_ok(LIMIT)).await;
    let since = Instant::now();
    for number in 0..50 {
        let key = format!("after:{number}");
        eventually("every key is back", async || round_trip(&*provider, &key).await.is_ok()).await;
    }
    assert!(since.elapsed() < Duration::from_secs(2), "{:?} after the cluster", since.elapsed());
    crate::subscriptions::hears(&*provider, &mut subscription, "topic").await;
    provider.close().await;

    // Nobody is in by that door any more, and a provider that begins now says so and waits.
    let late = connect(&cluster.settings(cluster.own().app())).await;
    assert!(is_away(&late.get("key").await));
    cluster.with(|cluster| cluster.restart(0)).await;
    eventually("the seed is back", async || late.get("key").await.is_ok()).await;
    late.close().await;
}

/// Nothing is lost, nothing fails, and nothing waits for longer than the failover takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_costs_nothing() {
    let cluster = Cluster::start().await;
    let provider = connect(&unhurried(cluster.settings(cluster.own().app()))).await;
    let ledger = Ledger::start(&cluster, &provider).await;
    cluster.with(|cluster| cluster.fail_over(3)).await;
    eventually("it is noticed", async || provider.interruptions() > 0).await;
    cluster.with(|cluster| cluster.wait_until_whole(LIMIT)).await;
    for outcome in ledger.close().await {
        assert_untouched(&outcome);
        assert!(outcome.longest_gap < CALL * 2, "{outcome:?}");
    }
    provider.close().await;
}

/// Keys that do not share a slot.
const SPREAD: usize = 200;

/// Slots go from node to node and back, with their keys, under writes of a user that may do no
/// more than the adapter needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resharding_costs_nothing_and_is_no_interruption() {
    let cluster = Cluster::start().await;
    let provider = connect(&unhurried(cluster.settings(cluster.own().least()))).await;
    let ledger = Ledger::start(&cluster, &provider).await;
    // Of many slots, and of one that moves: for a while no node has all of its keys.
    let tags = (0_u32..).map(|number| format!("{{reshard:{number}}}"));
    let mut tags = tags.filter(|tag| dev_redis_cluster::slot_of_key(tag.as_bytes()) <= 300);
    let tag = tags.next().unwrap();
    let apart = (0..SPREAD).map(|number| format!("reshard:{number}"));
    let batch: Vec<String> =
        apart.chain((0..200).map(|number| format!("{tag}:{number}"))).collect();
    for key in &batch {
        round_trip(&*provider, key).await.unwrap();
    }
    let asked: Vec<&str> = batch.iter().map(String::as_str).collect();
    let moving = cluster.with(|cluster| {
        cluster.move_slots(0, 1, 0..=300);
        cluster.move_slots(1, 2, 5461..=5600);
        cluster.move_slots(1, 0, 0..=300);
    });
    let mut moving = std::pin::pin!(moving);
    let mut batches = 0;
    loop {
        tokio::select! {
            biased;
            () = &mut moving => break,
            values = provider.get_many(&asked) => {
                let values = values.expect("every key is somewhere");
                for (key, value) in asked.iter().zip(values) {
                    assert_eq!(value.as_deref(), Some(key.as_bytes()));
                }
                batches += 1;
            }
        }
    }
    assert!(batches > 3, "{batches} batches while slots moved");
    let mut found = std::collections::BTreeSet::new();
    let mut cursor = redis_provider::ScanCursor::START;
    loop {
        let page = provider.scan("reshard:", cursor).await.unwrap();
        found.extend(page.keys);
        let Some(next) = page.next else { break };
        cursor = next;
    }
    assert_eq!(found.len(), SPREAD);
    for outcome in ledger.close().await {
        assert_untouched(&outcome);
    }
    assert_eq!(provider.interruptions(), 0);
    provider.close().await;
}

/// Every connection is cut: what was on its way is told as unknown, the next calls work again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_are_made_again() {
    let cluster = Cluster::start().await;
    let provider = cluster.provider().await;
    let ledger = Ledger::start(&cluster, &provider).await;
    cluster.with(|cluster| (0..6).for_each(|node| cluster.kill_connections(node))).await;
    for node in 0..3 {
        for key in cluster.keys_of(node, "cut", 3).await {
            let took =
                eventually("calls work again", async || round_trip(&*provider, &key).await.is_ok());
            assert!(took.await < Duration::from_secs(3));
        }
    }
    assert!(provider.interruptions() >= 3, "{}", provider.interruptions());
    for outcome in ledger.close().await {
        assert_eq!(outcome.lost, 0, "{outcome:?}");
        assert!(outcome.slowest < CALL, "{outcome:?}");
    }
    provider.close().await;
}

/// Where most primaries are gone there is no failover: errors, at once, until they are back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_calls_fail_at_once_until_it_is_back() {
    let cluster = Cluster::start().await;
    let provider = cluster.provider().await;
    let key = cluster.keys_of(0, "minority", 1).await.remove(0);
    cluster.with(|cluster| [1, 2, 4, 5].map(|node| cluster.kill(node))).await;
    eventually("the rest gives up", async || is_away(&provider.get(&key).await)).await;
    for number in 0..40 {
        let since = Instant::now();
        let _answer = provider.get(&format!("gone:{number}")).await;
        assert!(since.elapsed() < CALL);
    }
    cluster.with(|cluster| [1, 2, 4, 5].map(|node| cluster.restart(node))).await;
    cluster.with(|cluster| cluster.wait_until_ok(LIMIT)).await;
    let mut slowest = Duration::ZERO;
    for number in 0..40 {
        let key = format!("back:{number}");
        let took =
            eventually("every key is back", async || round_trip(&*provider, &key).await.is_ok());
        slowest = slowest.max(took.await);
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?} after the cluster was well");
    provider.close().await;
}
