//! Lua scripts, with and without the line that asks for key-level locking.

use serde_json::{Value, json};

use crate::support::{Front, send};

const SCRIPT: &str = "#!lua flags=allow-key-locking\n\
    redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])";
/// SHA-1 of [`SCRIPT`], its first line included.
const HASH: &str = "3fd417d52b6db2aa675090dcb6f1e488448a8e44";

#[tokio::test]
async fn the_line_is_accepted_and_the_hash_is_that_of_the_whole_text() {
    let front = Front::start().await;
    let unknown = front.command(json!(["EVALSHA", HASH, 1, "k", "v"])).await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.error().starts_with("NOSCRIPT "), "{unknown:?}");
    assert_eq!(front.result(json!(["EVAL", SCRIPT, 1, "k", "v"])).await, "v");
    assert_eq!(front.result(json!(["EVALSHA", HASH, 1, "k", "w"])).await, "w");
    let upper = HASH.to_uppercase();
    assert_eq!(front.result(json!(["EVALSHA", upper, 1, "k", "x"])).await, "x");

    assert_eq!(front.result(json!(["SCRIPT", "FLUSH"])).await, "OK");
    let exists = json!(["SCRIPT", "EXISTS", HASH, HASH]);
    assert_eq!(front.result(exists.clone()).await, json!([0, 0]));
    assert_eq!(front.result(json!(["SCRIPT", "LOAD", SCRIPT])).await, HASH);
    assert_eq!(front.result(exists).await, json!([1, 1]));
    assert_eq!(front.result(json!(["EVALSHA", HASH, 1, "k", "y"])).await, "y");
}

#[tokio::test]
async fn a_script_without_the_line_is_as_in_redis() {
    let front = Front::start().await;
    let hash = front.result(json!(["SCRIPT", "LOAD", "return 7"])).await;
    assert_eq!(front.result(json!(["EVALSHA", hash, 0])).await, 7);
    let answer = front.command(json!(["EVAL", "return redis.error_reply('MINE no')", 0])).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "MINE no"));
}

#[tokio::test]
async fn scripts_can_be_forgotten_on_demand() {
    let front = Front::start().await;
    front.result(json!(["EVAL", SCRIPT, 1, "k", "v"])).await;
    front.set_fault(json!({ "fault": "noscript", "times": 2 })).await;
    let call = json!(["EVALSHA", HASH, 1, "k", "w"]);
    assert!(front.command(call.clone()).await.error().starts_with("NOSCRIPT "));
    let commands = Value::Array(vec![call.clone(), call]);
    let items = send(front.post("/multi-exec").body(commands.to_string())).await.json();
    assert!(items[0]["error"].as_str().unwrap().starts_with("NOSCRIPT "));
    assert_eq!(items[1], json!({ "result": "w" }));
}
