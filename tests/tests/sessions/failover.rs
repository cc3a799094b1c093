//! A failover that loses what was written last: ends of sessions among it.

use std::time::Duration;

use dev_redis_cluster::OwnCluster;
use portal_tests::environment;
use portal_tests::portal::Redis;
use portal_tests::waiting::eventually;
use serde_json::json;
use tenancy::Role;
use tokio::time::Instant;

use crate::support::{LEASE, Pair, is_signed_out_soon, status};

/// Longest that a cluster takes to mend itself once somebody says who takes over.
const FAILOVER: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_that_a_failover_loses_stay_ends() {
    let cluster = OwnCluster::start(&environment::redis_server());
    let authority = cluster.ca_file().to_str().expect("a path").to_owned();
    let pair = Pair::over(Redis::Cluster { url: cluster.url(), authority }, &[]).await;
    let stays = pair.signs_in(Role::Recruiter).await;
    let goes = pair.signs_in(Role::Viewer).await;
    for browser in stays.iter().chain(&goes) {
        assert_eq!(status(browser).await, 200);
    }

    // No replica hears of what comes now.
    let primaries = cluster.primaries();
    let replicas: Vec<usize> =
        primaries.iter().map(|node| cluster.replica_of(*node).expect("a replica")).collect();
    for replica in &replicas {
        cluster.pause(*replica);
    }
    let _ = goes[0].post("/auth/logout", &json!({})).await.expect(200);
    assert_eq!(status(&goes[0]).await, 401);
    is_signed_out_soon(&goes[1], "the other instance").await;
    for primary in &primaries {
        cluster.kill(*primary);
    }
    for replica in &replicas {
        cluster.resume(*replica);
    }
    // Nobody is left to elect them.
    eventually("each replica has taken over", FAILOVER, async || {
        let mut is_over = true;
        for replica in &replicas {
            if !cluster.admin(*replica, &["info", "replication"]).contains("role:master") {
                let _accepted = cluster.admin(*replica, &["cluster", "failover", "takeover"]);
                is_over = false;
            }
        }
        is_over.then_some(())
    })
    .await;

    let end = Instant::now() + 10 * LEASE;
    while Instant::now() < end {
        for browser in &stays {
            assert_eq!(status(browser).await, 200, "signed in, and so it stays");
        }
        for browser in &goes {
            assert_eq!(status(browser).await, 401, "a session that had ended is alive");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
