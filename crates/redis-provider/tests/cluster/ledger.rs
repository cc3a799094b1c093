//! A ledger of increments: what was acknowledged is there, and nothing is there twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis_provider::{ElastiCacheProvider, RedisError, RedisProvider};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bench::{Cluster, HOUR, eventually};

const TASKS: usize = 24;
const COUNTERS_A_TASK: usize = 8;

/// What one counter must hold.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    acknowledged: i64,
    unknown: i64,
}

/// What one node's counters went through.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) acknowledged: i64,
    pub(crate) unavailable: u32,
    pub(crate) timeouts: u32,
    /// Acknowledged increments that are not there.
    pub(crate) lost: i64,
    /// The longest that any call took, and the longest between two acknowledgements of one task.
    pub(crate) slowest: Duration,
    pub(crate) longest_gap: Duration,
}

/// Tasks that increment counters until they are told to stop.
pub(crate) struct Ledger {
    provider: Arc<ElastiCacheProvider>,
    stop: CancellationToken,
    tasks: JoinSet<(usize, BTreeMap<String, Account>, Outcome)>,
}

impl Ledger {
    /// Each task keeps to counters of one node.
    pub(crate) async fn start(cluster: &Cluster, provider: &Arc<ElastiCacheProvider>) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let node = task % 3;
            let prefix = format!("ledger:{task}");
            let keys = cluster.keys_of(node, &prefix, COUNTERS_A_TASK).await;
            let (provider, stop) = (Arc::clone(provider), stop.clone());
            tasks.spawn(async move {
                let (accounts, outcome) = keep(&*provider, &keys, &stop).await;
                (node, accounts, outcome)
            });
        }
        Self { provider: Arc::clone(provider), stop, tasks }
    }

    /// Stops, waits until every counter can be read, and compares; the outcome for each node that
    /// was a primary at the start.
    pub(crate) async fn close(mut self) -> [Outcome; 3] {
        self.stop.cancel();
        let mut outcomes: [Outcome; 3] = Default::default();
        while let Some(task) = self.tasks.join_next().await {
            let (node, accounts, outcome) = task.expect("a task of the ledger");
            let total = &mut outcomes[node];
            total.acknowledged += outcome.acknowledged;
            total.unavailable += outcome.unavailable;
            total.timeouts += outcome.timeouts;
            total.slowest = total.slowest.max(outcome.slowest);
            total.longest_gap = total.longest_gap.max(outcome.longest_gap);
            for (key, account) in accounts {
                let held = self.read(&key).await;
                let most = account.acknowledged + account.unknown;
                assert!(
                    held <= most,
                    "{key}: {held} with {account:?}: something was applied twice"
                );
                total.lost += (account.acknowledged - held).max(0);
            }
        }
        println!("{outcomes:#?}");
        outcomes
    }

    async fn read(&self, key: &str) -> i64 {
        let mut held = None;
        eventually("a counter can be read", async || {
            held = self.provider.get(key).await.ok();
            held.is_some()
        })
        .await;
        let text = held.flatten().unwrap_or_default();
        let text = String::from_utf8(text.into()).expect("a number");
        if text.is_empty() { 0 } else { text.parse().expect("a number") }
    }
}

async fn keep(
    provider: &dyn RedisProvider,
    keys: &[String],
    stop: &CancellationToken,
) -> (BTreeMap<String, Account>, Outcome) {
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    let mut outcome = Outcome::default();
    let mut last_success = Instant::now();
    for key in keys.iter().cycle() {
        if stop.is_cancelled() {
            break;
        }
        let account = accounts.entry(key.clone()).or_default();
        let since = Instant::now();
        match provider.increment(key, 1, HOUR).await {
            Ok(_) => {
                account.acknowledged += 1;
                outcome.acknowledged += 1;
                outcome.longest_gap = outcome.longest_gap.max(last_success.elapsed());
                last_success = Instant::now();
            }
            Err(RedisError::Unavailable(_) | RedisError::Timeout { maybe_applied: false }) => {
                outcome.unavailable += 1;
            }
            Err(RedisError::Timeout { maybe_applied: true }) => {
                account.unknown += 1;
                outcome.timeouts += 1;
            }
            Err(error) => panic!("{key}: {error}"),
        }
        outcome.slowest = outcome.slowest.max(since.elapsed());
        // A pace that leaves a busy machine time for the servers.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (accounts, outcome)
}
