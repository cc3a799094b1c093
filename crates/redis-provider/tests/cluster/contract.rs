//! The contract, over TLS and with ACL users.

use std::sync::Arc;
use std::time::Duration;

use redis_provider::testing::contract::{self, TimeControl};
use redis_provider::{
    ClusterMode, Credentials, ElastiCacheSettings, Messages, RedisProvider, ScanCursor,
    TlsSettings, Topology,
};

use crate::bench::{Cluster, connect, eventually, password};

/// Thousands of calls at once on a busy machine take longer than one call may.
fn patient(settings: ElastiCacheSettings) -> ElastiCacheSettings {
    ElastiCacheSettings {
        connect_timeout: Duration::from_secs(10),
        command_timeout: Duration::from_secs(20),
        ..settings
    }
}

#[expect(clippy::disallowed_methods, reason = "the test runner tells its servers this way")]
fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`, which sets it"))
}

fn shared_cluster() -> ElastiCacheSettings {
    let url = url::Url::parse(&variable("PORTAL_TEST_CLUSTER_URL")).expect("a URL");
    let mut settings =
        ElastiCacheSettings::new(url.host_str().expect("a host"), url.port().expect("a port"));
    settings.credentials = Credentials::Password {
        username: Some(url.username().to_owned()),
        password: url.password().expect("a password").into(),
    };
    let authorities = Some(variable("PORTAL_TEST_CLUSTER_CA").into());
    settings.tls = Some(TlsSettings { authorities });
    settings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_the_contract() {
    let settings = ElastiCacheSettings { mode: ClusterMode::Cluster, ..shared_cluster() };
    let provider = connect(&patient(settings)).await;
    contract::run_all(Arc::clone(&provider) as Arc<dyn RedisProvider>, TimeControl::Real).await;
    let info = provider.info().await.unwrap();
    assert!(matches!(info.topology, Topology::Cluster { primaries: 3, .. }), "{info:?}");
    assert!(info.is_encrypted);
    assert!(info.used_memory_bytes.is_some_and(|bytes| bytes > 0), "{info:?}");
    assert_eq!(provider.interruptions(), 0, "nothing happened");
    provider.close().await;
}

/// Several connections to each node, and scans of replicas, by the user that may do no more than
/// the adapter needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_least_rights_suffice_and_replicas_can_be_scanned() {
    let cluster = Cluster::start().await;
    let settings = ElastiCacheSettings {
        connections: 3,
        scan_replicas: true,
        ..cluster.settings(cluster.own().least())
    };
    let provider = connect(&settings).await;
    let info = provider.info().await.unwrap();
    assert_eq!(info.topology, Topology::Cluster { primaries: 3, replicas: 3 });

    let keys: Vec<String> = (0..300).map(|number| format!("scanned:{number}")).collect();
    for key in &keys {
        crate::bench::round_trip(&*provider, key).await.unwrap();
    }
    eventually("the replicas have every key", async || {
        let mut found = Vec::new();
        let mut cursor = ScanCursor::START;
        loop {
            let page = provider.scan("scanned:", cursor).await.expect("scan");
            found.extend(page.keys);
            let Some(next) = page.next else { break };
            cursor = next;
        }
        found.sort_unstable();
        found.dedup();
        found.len() == keys.len()
    })
    .await;
    let reads = cluster.with(|cluster| {
        let scans = |node| {
            let stats = cluster.admin(node, &["info", "commandstats"]);
            stats.contains("cmdstat_scan:")
        };
        [0, 1, 2, 3, 4, 5].map(scans)
    });
    assert_eq!(reads.await, [false, false, false, true, true, true], "who was scanned");
    provider.close().await;

    let messages = Messages::Sharded;
    let settings = ElastiCacheSettings { scan_replicas: false, messages, ..settings };
    let provider = connect(&patient(settings)).await;
    contract::run_all(Arc::clone(&provider) as Arc<dyn RedisProvider>, TimeControl::Real).await;
    provider.close().await;
}

/// A user that lacks a right is told so by the call that needs it, and by no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_right_is_an_error_of_its_call() {
    let cluster = Cluster::start().await;
    cluster
        .with(|cluster| {
            for node in 0..6 {
                let answer = cluster.admin(
                    node,
                    &[
                        "acl",
                        "setuser",
                        "half",
                        "on",
                        ">half-password",
                        "~*",
                        "&*",
                        "+get",
                        "+set",
                        "+ping",
                        "+cluster|slots",
                    ],
                );
                assert_eq!(answer, "OK");
            }
        })
        .await;
    let half = dev_redis_cluster::Login {
        username: "half".to_owned(),
        password: "half-password".to_owned(),
    };
    let settings =
        ElastiCacheSettings { credentials: password(half.clone()), ..cluster.settings(half) };
    let provider = connect(&settings).await;
    crate::bench::round_trip(&*provider, "key").await.unwrap();
    let refused = provider.delete_many(&["key"]).await;
    assert!(
        matches!(&refused, Err(redis_provider::RedisError::Rejected(text)) if text.contains("NOPERM")),
        "{refused:?}"
    );
    assert!(provider.info().await.is_err());
    crate::bench::round_trip(&*provider, "key").await.unwrap();
    provider.close().await;
}
