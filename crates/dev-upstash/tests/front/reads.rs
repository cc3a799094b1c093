//! Read-your-writes.

use std::time::Instant;

use serde_json::json;

use crate::support::{Answer, Front, LIMIT, send};

async fn get(front: &Front, token: Option<&str>) -> Answer {
    let request = front.get("/get/k");
    send(match token {
        Some(token) => request.header("upstash-sync-token", token),
        None => request,
    })
    .await
}

#[tokio::test]
async fn every_answer_has_a_token_that_moves_with_writes() {
    let front = Front::start().await;
    let first = front.command(json!(["SET", "k", "v"])).await;
    let read = get(&front, None).await;
    assert_eq!(first.token(), read.token());
    let second = front.command(json!(["SET", "k", "w"])).await;
    assert_ne!(first.token(), second.token());
    let failed = front.command(json!(["NOPE"])).await;
    assert_eq!(second.token(), failed.token());
}

#[tokio::test]
async fn a_read_without_the_token_may_be_stale() {
    let front = Front::start().await;
    front.result(json!(["SET", "k", "old", "EX", 1000])).await;
    front.set_fault(json!({ "fault": "stale-reads", "lag_ms": 1500 })).await;
    assert_eq!(get(&front, None).await.json(), json!({ "result": "old" }), "it starts as a copy");
    let before = get(&front, None).await;
    let write = front.command(json!(["SET", "k", "new"])).await;

    assert_eq!(get(&front, None).await.json(), json!({ "result": "old" }));
    assert_eq!(get(&front, Some("")).await.json(), json!({ "result": "old" }));
    assert_eq!(get(&front, Some(before.token())).await.json(), json!({ "result": "old" }));
    assert_eq!(get(&front, Some(write.token())).await.json(), json!({ "result": "new" }));
    // A transaction goes to the primary, whatever it knows.
    let atomic = send(front.post("/multi-exec").body(r#"[["GET","k"]]"#)).await;
    assert_eq!(atomic.json(), json!([{ "result": "new" }]));

    let give_up = Instant::now() + LIMIT;
    while get(&front, None).await.json() != json!({ "result": "new" }) {
        assert!(Instant::now() < give_up, "the replica never catches up");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(front.result(json!(["TTL", "k"])).await, -1);
}

#[tokio::test]
async fn a_replica_has_deletions_scripts_and_flushes_too() {
    let front = Front::start().await;
    front.result(json!(["MSET", "k", "v", "l", "v"])).await;
    front.set_fault(json!({ "fault": "stale-reads", "lag_ms": 0 })).await;
    front.result(json!(["DEL", "k"])).await;
    assert_eq!(front.result(json!(["EXISTS", "k", "l"])).await, 1);
    let script = "return redis.call('RPUSH', KEYS[1], ARGV[1])";
    front.result(json!(["EVAL", script, 1, "list", "x"])).await;
    assert_eq!(front.result(json!(["LRANGE", "list", 0, -1])).await, json!(["x"]));
    front.result(json!(["FLUSHDB"])).await;
    assert_eq!(front.result(json!(["DBSIZE"])).await, 0);
}

#[tokio::test]
async fn staleness_ends_with_the_fault() {
    let front = Front::start().await;
    front.set_fault(json!({ "fault": "stale-reads", "times": 1, "lag_ms": 60000 })).await;
    front.result(json!(["SET", "k", "v"])).await;
    assert_eq!(get(&front, None).await.json(), json!({ "result": null }));
    assert_eq!(get(&front, None).await.json(), json!({ "result": "v" }), "used up");
    front.set_fault(json!({ "fault": "stale-reads", "lag_ms": 60000 })).await;
    front.result(json!(["SET", "k", "w"])).await;
    assert_eq!(get(&front, None).await.json(), json!({ "result": "v" }));
    front.clear_faults().await;
    assert_eq!(get(&front, None).await.json(), json!({ "result": "w" }));
}

#[tokio::test]
async fn with_the_token_everybody_reads_what_they_wrote() {
    let front = Front::start().await;
    front.set_fault(json!({ "fault": "stale-reads", "lag_ms": 50 })).await;
    let write_and_read = async |writer: u32| {
        for round in 1..=10 {
            let written = front.command(json!(["INCR", format!("n{writer}")])).await;
            assert_eq!(written.json(), json!({ "result": round }));
            let read = front.get(&format!("/get/n{writer}"));
            let read = send(read.header("upstash-sync-token", written.token())).await;
            assert_eq!(read.json(), json!({ "result": round.to_string() }));
        }
    };
    let writers: Vec<_> = (0..16).map(write_and_read).collect();
    assert_eq!(futures_util::future::join_all(writers).await.len(), 16);
}
