//! Access that ends, and a lane that is cut.

use std::sync::Arc;
use std::time::Duration;

use dev_redis_cluster::OwnCluster;
use portal_tests::client::Browser;
use portal_tests::crowd::{Instances, SOON};
use portal_tests::environment;
use portal_tests::events::EventStream;
use portal_tests::portal::Redis;
use portal_tests::servers::{OwnRedis, OwnUpstash};
use reqwest::Method;
use serde_json::json;
use tenancy::Role;
use tokio::time::Instant;
use uuid::Uuid;

/// Longest time until a stream ends after a request has ended its session.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The same while no message gets through.
const WITHOUT_MESSAGES: Duration = Duration::from_secs(5);

async fn opened(browser: &Browser) -> EventStream {
    let mut stream = EventStream::open(browser, "", None).await;
    stream.wait_for("hello", SOON).await;
    stream
}

/// Ends the person's sessions at the first instance; answers how long their stream at the second
/// goes on.
async fn ends(pair: &Instances, role: Role, within: Duration) -> Duration {
    let at_one = pair.tenant.signs_in(&pair.portals[0], role).await;
    let mut stream = opened(&at_one.at(pair.portals[1].base_url())).await;
    let ended = at_one.send(at_one.request(Method::DELETE, "/api/sessions")).await;
    assert!(ended.status.is_success(), "{}", ended.text);
    let told = Instant::now();
    let rest = stream.reads_to_its_end(within).await;
    assert_eq!(rest.last().unwrap().json()["why"], "revoked");
    told.elapsed()
}

/// Ends sessions while messages arrive, and after `cut` has seen to it that none does.
async fn ends_with_messages_and_without(redis: Redis, cut: impl Future<Output = ()>) {
    let pair = Instances::over(redis, &[]).await;
    let _with = ends(&pair, Role::Viewer, AT_ONCE).await;
    cut.await;
    let _without = ends(&pair, Role::HiringManager, WITHOUT_MESSAGES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_soon_after_its_session_with_messages_and_without() {
    let redis = OwnRedis::start_new().await;
    let cut = redis.forbids_messages();
    ends_with_messages_and_without(Redis::At(redis.url()), cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_over_upstash() {
    let upstash = OwnUpstash::start_new().await;
    let cut = upstash.redis().forbids_messages();
    ends_with_messages_and_without(upstash.as_redis(), cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_over_a_cluster() {
    let starts = || Arc::new(OwnCluster::start(&environment::redis_server()));
    let cluster = tokio::task::spawn_blocking(starts).await.unwrap();
    let authority = cluster.ca_file().display().to_string();
    let redis = Redis::Cluster { url: cluster.url(), authority };
    let told = Arc::clone(&cluster);
    let forbids = move || {
        let name = told.app().username;
        for node in 0..told.ports().len() {
            let answer = told.admin(node, &["acl", "setuser", &name, "resetchannels"]);
            assert_eq!(answer, "OK");
        }
    };
    let cut = async { tokio::task::spawn_blocking(forbids).await.unwrap() };
    ends_with_messages_and_without(redis, cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_role_is_in_force_on_streams_without_messages_too() {
    let redis = OwnRedis::start_new().await;
    let pair = Instances::over(Redis::At(redis.url()), &[]).await;
    redis.forbids_messages().await;
    let admin = pair.browsers[1].at(pair.portals[1].base_url());
    let mut stream = opened(&admin).await;
    pair.tenant.hears_of_applications(Uuid::now_v7(), 1).await;
    assert_eq!(stream.notifications(1, SOON).await.len(), 1, "streams live from looks");
    let user = pair.tenant.user(Role::Admin).await;
    let owner = &pair.browsers[0];
    let path = format!("/api/team/{user}/role");
    let changed = owner.patch(&path, "*", &json!({ "role": "viewer" })).await;
    assert!(changed.status.is_success(), "{}", changed.text);
    tokio::time::sleep(Duration::from_secs(3)).await;
    pair.tenant.hears_of_applications(Uuid::now_v7(), 5).await;
    let told = stream.notifications(2, WITHOUT_MESSAGES).await;
    let kinds: Vec<_> = told.iter().map(|event| event.json()["kind"].clone()).collect();
    assert_eq!(kinds, ["role_changed"]);
    assert!(!stream.has_ended());
}
