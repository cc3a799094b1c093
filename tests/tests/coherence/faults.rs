//! What goes wrong, at random: nodes that hang, connections that break, messages that get lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dev_redis_cluster::{NODES, OwnCluster};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::NODE_TIMEOUT;
use crate::ledger::INSTANCES;
use crate::world::World;

/// Faults that go on until they are told to end.
#[derive(Debug)]
pub(crate) struct Faults {
    is_over: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

/// One kind of fault, over and over.
struct Course {
    cluster: Arc<OwnCluster>,
    world: World,
    random: StdRng,
    /// Held while a node hangs, and while it is asked something: one that hangs answers nobody.
    turns: Arc<[Mutex<()>; NODES]>,
    is_over: Arc<AtomicBool>,
}

impl Faults {
    pub(crate) fn begin(cluster: &Arc<OwnCluster>, world: &World, seed: u64) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let turns = Arc::new([const { Mutex::const_new(()) }; NODES]);
        let course = |number: u64| Course {
            cluster: Arc::clone(cluster),
            world: world.clone(),
            random: StdRng::seed_from_u64(seed * 10 + number),
            turns: Arc::clone(&turns),
            is_over: Arc::clone(&is_over),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(course(1).of_nodes());
        tasks.spawn(course(2).of_connections());
        tasks.spawn(course(3).of_messages());
        Self { is_over, tasks }
    }

    /// Ends them, and mends what they have broken.
    pub(crate) async fn end(mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("faults do not fail");
        }
    }
}

impl Course {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    async fn waits(&mut self, millis: std::ops::Range<u64>) {
        let time = Duration::from_millis(self.random.random_range(millis));
        sleep(time).await;
    }

    async fn does(&self, act: impl FnOnce(&OwnCluster) + Send + 'static) {
        let cluster = Arc::clone(&self.cluster);
        tokio::task::spawn_blocking(move || act(&cluster)).await.expect("the cluster obeys");
    }

    /// Nodes are stopped and go on: for a moment, or for so long that a replica takes over.
    async fn of_nodes(mut self) {
        // A primary first, and for long: there is a failover in every course.
        let cluster = Arc::clone(&self.cluster);
        let primaries = tokio::task::spawn_blocking(move || cluster.primaries()).await;
        let primaries = primaries.expect("the cluster answers");
        let mut node = primaries[self.random.random_range(0..primaries.len())];
        let mut is_long = true;
        self.waits(500..1_000).await;
        while !self.is_over() {
            let time = if is_long {
                NODE_TIMEOUT * 2 + Duration::from_millis(self.random.random_range(0..1_000))
            } else {
                Duration::from_millis(self.random.random_range(20..700))
            };
            let turn = self.turns[node].lock().await;
            self.cluster.pause(node);
            sleep(time).await;
            self.cluster.resume(node);
            drop(turn);
            self.waits(100..800).await;
            node = self.random.random_range(0..NODES);
            is_long = self.random.random_bool(0.2);
        }
    }

    /// Connections are cut: those that carry calls, or those that carry messages.
    async fn of_connections(mut self) {
        while !self.is_over() {
            self.waits(100..900).await;
            let node = self.random.random_range(0..NODES);
            let kind = if self.random.random_bool(0.5) { "normal" } else { "pubsub" };
            if let Ok(_turn) = self.turns[node].try_lock() {
                self.does(move |cluster| {
                    cluster.admin(node, &["client", "kill", "type", kind]);
                })
                .await;
            }
        }
    }

    /// Messages do not arrive, and nobody is told so.
    async fn of_messages(mut self) {
        while !self.is_over() {
            self.waits(100..1_200).await;
            let at = self.random.random_range(0..INSTANCES);
            let instance = &self.world.instances()[at];
            instance.loses_messages(true);
            sleep(Duration::from_millis(self.random.random_range(200..2_500))).await;
            instance.loses_messages(false);
        }
    }
}
