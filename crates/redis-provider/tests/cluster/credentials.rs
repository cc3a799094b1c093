//! Credentials that change while connections stand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redis_provider::{
    CredentialError, CredentialSource, Credentials, ElastiCacheSettings, Login, RedisProvider,
};
use std::sync::Mutex;

use crate::bench::{Cluster, connect, eventually, round_trip};

/// Gives the password of the moment.
#[derive(Debug)]
struct Rotating {
    password: Mutex<String>,
    fetched: AtomicU32,
    refresh_after: Option<Duration>,
}

#[async_trait]
impl CredentialSource for Rotating {
    async fn fetch(&self) -> Result<Login, CredentialError> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        Ok(Login {
            username: "rotating".to_owned(),
            password: self.password.lock().unwrap().clone().into(),
            refresh_after: self.refresh_after,
        })
    }
}

async fn set_password(cluster: &Cluster, password: &'static str) {
    cluster
        .with(move |cluster| {
            for node in 0..6 {
                let password = format!(">{password}");
                let rule =
                    ["acl", "setuser", "rotating", "reset", "on", &password, "~*", "&*", "+@all"];
                assert_eq!(cluster.admin(node, &rule), "OK");
            }
        })
        .await;
}

async fn start(refresh_after: Option<Duration>) -> (Cluster, Arc<Rotating>, ElastiCacheSettings) {
    let cluster = Cluster::start().await;
    set_password(&cluster, "first-password").await;
    let source = Arc::new(Rotating {
        password: Mutex::new("first-password".to_owned()),
        fetched: AtomicU32::new(0),
        refresh_after,
    });
    let settings = ElastiCacheSettings {
        credentials: Credentials::Source(Arc::clone(&source) as Arc<dyn CredentialSource>),
        ..cluster.settings(cluster.own().app())
    };
    (cluster, source, settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_password_is_used_for_the_next_connections() {
    let (cluster, source, settings) = start(None).await;
    let provider = connect(&settings).await;
    let mut subscription = provider.subscribe(&["topic"]).await.unwrap();
    round_trip(&*provider, "key").await.unwrap();

    *source.password.lock().unwrap() = "second-password".to_owned();
    // Redis itself cuts the connections of a user whose password is taken away.
    set_password(&cluster, "second-password").await;
    cluster.with(|cluster| (0..6).for_each(|node| cluster.kill_connections(node))).await;
    for node in 0..3 {
        for key in cluster.keys_of(node, "rotated", 2).await {
            eventually("calls work again", async || round_trip(&*provider, &key).await.is_ok())
                .await;
        }
    }
    crate::subscriptions::hears(&*provider, &mut subscription, "topic").await;
    provider.close().await;
}

/// Connections that stand sign in again: the server sees it, and no call fails for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standing_connections_sign_in_again_before_their_time_is_over() {
    let (cluster, source, settings) = start(Some(Duration::from_millis(300))).await;
    let provider = connect(&settings).await;
    let fetched = source.fetched.load(Ordering::SeqCst);
    // Each of the six nodes' connections, several times.
    eventually("it signs in again", async || {
        round_trip(&*provider, "key").await.expect("nothing fails meanwhile");
        source.fetched.load(Ordering::SeqCst) >= fetched + 18
    })
    .await;
    let signed_in = cluster.with(|cluster| {
        let auths = |node| {
            let stats = cluster.ask(node, cluster.plan().admin(), &["info", "commandstats"]);
            let line = stats.lines().find(|line| line.starts_with("cmdstat_auth:"));
            let line = line.unwrap_or_default().to_owned();
            assert!(line.contains("failed_calls=0"), "{line}");
        };
        (0..6).for_each(auths);
    });
    signed_in.await;
    assert_eq!(provider.interruptions(), 0, "no connection was lost for it");
    provider.close().await;
}
