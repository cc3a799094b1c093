//! A cluster of a test's own with a provider, and keys of chosen nodes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dev_redis_cluster::{Login, OwnCluster, redis_server_program, slot_of_key};
use redis_provider::{
    Credentials, ElastiCacheProvider, ElastiCacheSettings, RedisError, RedisProvider, SetOptions,
    TlsSettings,
};
use tokio::time::Instant;

/// The longest that anything may take to happen: twice the failover of a cluster on a machine
/// that has other things to do.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A cluster to break; its methods block, so they run beside the test.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<OwnCluster>);

impl Cluster {
    pub(crate) async fn start() -> Self {
        let cluster =
            tokio::task::spawn_blocking(|| OwnCluster::start(&redis_server_program())).await;
        let cluster = Self(Arc::new(cluster.expect("a cluster")));
        cluster.with(|cluster| cluster.wait_until_whole(LIMIT)).await;
        cluster
    }

    /// Does something to the cluster that takes its time.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&OwnCluster) -> T + Send + 'static,
    ) -> T {
        let cluster = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || act(&cluster)).await.expect("the cluster obeys")
    }

    /// Settings by way of the first node, with limits that a busy machine can keep.
    pub(crate) fn settings(&self, login: Login) -> ElastiCacheSettings {
        ElastiCacheSettings {
            seeds: vec![("localhost".to_owned(), self.0.ports()[0])],
            credentials: password(login),
            tls: Some(TlsSettings { authorities: Some(self.0.ca_file()) }),
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(1),
            ..ElastiCacheSettings::new("localhost", 1)
        }
    }

    /// A provider as user `app`, with all connections made.
    pub(crate) async fn provider(&self) -> Arc<ElastiCacheProvider> {
        connect(&self.settings(self.0.app())).await
    }

    pub(crate) fn own(&self) -> &OwnCluster {
        &self.0
    }

    /// Different keys that lie on a node's slots now.
    pub(crate) async fn keys_of(&self, node: usize, prefix: &str, count: usize) -> Vec<String> {
        let prefix = prefix.to_owned();
        self.with(move |cluster| {
            let owners: Vec<usize> =
                [0, 5461, 10923].map(|slot| cluster.primary_of_slot(slot)).into();
            let owner = |slot: u16| owners[usize::from(slot > 5460) + usize::from(slot > 10922)];
            let keys = (0..).map(|number| format!("{prefix}:{number}"));
            keys.filter(|key| owner(slot_of_key(key.as_bytes())) == node).take(count).collect()
        })
        .await
    }
}

/// For tests in which nothing may fail: what a busy machine takes its time for does not either.
pub(crate) fn unhurried(settings: ElastiCacheSettings) -> ElastiCacheSettings {
    ElastiCacheSettings { command_timeout: LIMIT / 2, ..settings }
}

pub(crate) fn password(login: Login) -> Credentials {
    Credentials::Password { username: Some(login.username), password: login.password.into() }
}

pub(crate) async fn connect(settings: &ElastiCacheSettings) -> Arc<ElastiCacheProvider> {
    Arc::new(ElastiCacheProvider::connect(settings).await.expect("good settings"))
}

/// Writes, reads back, and answers whether both went well.
pub(crate) async fn round_trip(provider: &dyn RedisProvider, key: &str) -> Result<(), RedisError> {
    let value = Bytes::from(key.to_owned());
    provider.set(key, value.clone(), SetOptions::with_ttl(HOUR)).await?;
    assert_eq!(provider.get(key).await?, Some(value), "{key}");
    Ok(())
}

/// Polls until the condition holds; how long that took.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !condition().await {
        assert!(since.elapsed() < LIMIT, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    since.elapsed()
}

pub(crate) const fn is_away<T>(answer: &Result<T, RedisError>) -> bool {
    matches!(answer, Err(RedisError::Unavailable(_) | RedisError::Timeout { .. }))
}
