//! Faults of a cluster of three primaries and three replicas, with TLS and users.
//!
//! The tests' own calls on the cluster block; the load runs on other threads.

use std::time::Duration;

use dev_redis_cluster::OwnCluster;
use portal_tests::drill::{Bounds, Drill, Late, Load, Report, in_time};
use portal_tests::environment;
use portal_tests::portal::Redis;
use tokio::time::Instant;

use super::{BEYOND, CALM};

/// Longest that a cluster with a node timeout of two seconds takes to mend itself.
const FAILOVER: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_secs(3);

/// One shard of three is away: its calls fail, most others do not.
const ONE_SHARD: Bounds = Bounds { opens_within: None, recovers_within: BEYOND };

struct Scene {
    cluster: OwnCluster,
    drill: Drill,
    load: Load,
    /// The node that the portal was told of, and another primary.
    seed: usize,
    primary: usize,
}

impl Scene {
    /// A cluster, a portal that knows one of its nodes, and a load that has run for a while.
    async fn opens() -> Self {
        let cluster = OwnCluster::start(&environment::redis_server());
        let authority = cluster.ca_file().to_str().expect("a path").to_owned();
        let redis = Redis::Cluster { url: cluster.url(), authority };
        let drill = Drill::set_up(redis, &[]).await;
        let load = drill.begins();
        load.runs_for(CALM).await;
        let primary = cluster.primaries().into_iter().find(|node| *node != 0);
        Self { seed: 0, primary: primary.expect("three primaries"), cluster, drill, load }
    }

    /// Waits until a replica of the lost node has taken over and the cluster says that it is well.
    fn replica_takes_over(&self, replica: usize) -> Instant {
        let give_up = Instant::now() + FAILOVER;
        loop {
            let is_primary =
                self.cluster.admin(replica, &["info", "replication"]).contains("role:master");
            let is_ok = self.cluster.admin(replica, &["cluster", "info"]);
            if is_primary && is_ok.contains("cluster_state:ok") {
                return Instant::now();
            }
            assert!(Instant::now() < give_up, "no failover within {FAILOVER:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The end: all is well, nothing is stale, nobody was signed out.
    async fn ends(
        self,
        name: &str,
        fault: Instant,
        over: Instant,
        bounds: Bounds,
    ) -> Result<(), Late> {
        self.load.is_well_again().await;
        let openings = self.load.openings();
        let observations = self.load.stops().await;
        let report = Report::of(name, &observations, &openings, fault, over);
        let verdict = report.judge(bounds);
        if verdict.is_err() {
            self.drill.portal.shows_last_lines(400);
        }
        self.drill.nothing_is_stale().await;
        self.drill.everybody_is_signed_in().await;
        verdict
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_killed() {
    in_time(async || {
        let scene = Scene::opens().await;
        let replica = scene.cluster.replica_of(scene.primary).expect("a replica");
        let fault = Instant::now();
        scene.cluster.kill(scene.primary);
        let over = scene.replica_takes_over(replica);
        scene.ends("primary killed", fault, over, ONE_SHARD).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_seed_killed() {
    in_time(async || {
        let scene = Scene::opens().await;
        let replica = scene.cluster.replica_of(scene.seed).expect("a replica");
        let fault = Instant::now();
        scene.cluster.kill(scene.seed);
        let over = scene.replica_takes_over(replica);
        // For the instance that looks at the end whether anything is stale: it knows no other node.
        scene.load.is_well_again().await;
        scene.cluster.restart(scene.seed);
        scene.ends("only seed killed", fault, over, ONE_SHARD).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs() {
    in_time(async || {
        let scene = Scene::opens().await;
        let replica = scene.cluster.replica_of(scene.primary).expect("a replica");
        let fault = Instant::now();
        scene.cluster.pause(scene.primary);
        let over = scene.replica_takes_over(replica);
        scene.ends("primary hangs (SIGSTOP)", fault, over, ONE_SHARD).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_sleeps() {
    in_time(async || {
        let scene = Scene::opens().await;
        let replica = scene.cluster.replica_of(scene.primary).expect("a replica");
        let fault = Instant::now();
        scene.cluster.debug_sleep(scene.primary, Duration::from_secs(6));
        let over = scene.replica_takes_over(replica);
        scene.ends("DEBUG SLEEP 6", fault, over, ONE_SHARD).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover() {
    in_time(async || {
        let scene = Scene::opens().await;
        let replica = scene.cluster.replica_of(scene.primary).expect("a replica");
        let fault = Instant::now();
        scene.cluster.fail_over(replica);
        let over = scene.replica_takes_over(replica);
        scene.ends("planned failover", fault, over, ONE_SHARD).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_primaries_lost() {
    in_time(async || {
        let scene = Scene::opens().await;
        let lost: Vec<usize> = scene.cluster.primaries().into_iter().skip(1).collect();
        let replicas: Vec<usize> =
            lost.iter().map(|node| scene.cluster.replica_of(*node).expect("a replica")).collect();
        let fault = Instant::now();
        for node in &lost {
            scene.cluster.kill(*node);
        }
        scene.load.runs_for(Duration::from_secs(6)).await;
        // Without a majority nobody is elected; an operator has to say who takes over.
        for replica in &replicas {
            let answer = scene.cluster.admin(*replica, &["cluster", "failover", "takeover"]);
            assert_eq!(answer, "OK");
        }
        let mut over = fault;
        for replica in &replicas {
            over = over.max(scene.replica_takes_over(*replica));
        }
        let bounds = Bounds { opens_within: Some(Duration::from_secs(1)), recovers_within: BEYOND };
        scene.ends("two of three primaries lost", fault, over, bounds).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_pauses_its_clients() {
    in_time(async || {
        let scene = Scene::opens().await;
        let fault = Instant::now();
        scene.cluster.client_pause(scene.primary, PAUSE, false);
        let over = scene.load.runs_for(PAUSE).await;
        scene.ends("CLIENT PAUSE 3 s", fault, over, ONE_SHARD).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_killed_under_load() {
    in_time(async || {
        let scene = Scene::opens().await;
        let fault = Instant::now();
        for _ in 0..8 {
            for primary in scene.cluster.primaries() {
                scene.cluster.kill_connections(primary);
            }
            scene.load.runs_for(Duration::from_millis(500)).await;
        }
        scene.ends("connections killed, 8 times", fault, Instant::now(), ONE_SHARD).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_moved_to_another_primary() {
    in_time(async || {
        let scene = Scene::opens().await;
        let [from, to, ..] = scene.cluster.primaries()[..] else { panic!("three primaries") };
        let fault = Instant::now();
        scene.cluster.move_slots(from, to, 0..=1500);
        scene.ends("resharding of 1,500 slots", fault, Instant::now(), ONE_SHARD).await
    })
    .await;
}
