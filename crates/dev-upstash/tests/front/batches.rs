//! `/pipeline` and `/multi-exec`.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Answer, Front, LIMIT, send};

async fn batch(front: &Front, path: &str, commands: Value) -> Answer {
    send(front.post(path).body(commands.to_string())).await
}

#[tokio::test]
async fn a_pipeline_has_an_answer_for_each_command() {
    let front = Front::start().await;
    let commands = json!([
        ["SET", "k", "text"],
        ["INCR", "k"],
        ["WATCH", "k"],
        ["NOPE"],
        ["GET"],
        ["APPEND", "k", "!"],
        ["GET", "k"],
    ]);
    let answer = batch(&front, "/pipeline", commands).await;
    assert_eq!(answer.status, 200);
    let items = answer.json();
    assert_eq!(items.as_array().unwrap().len(), 7);
    assert_eq!(items[0], json!({ "result": "OK" }));
    assert_eq!(items[1], json!({ "error": "ERR value is not an integer or out of range" }));
    assert!(items[2]["error"].as_str().unwrap().contains("\"WATCH\" is not allowed in REST"));
    assert!(
        items[3]["error"].as_str().unwrap().starts_with("ERR Command is not available: 'NOPE'")
    );
    assert!(items[4]["error"].as_str().unwrap().starts_with("ERR wrong number of arguments"));
    assert_eq!(items[5], json!({ "result": 5 }));
    assert_eq!(items[6], json!({ "result": "text!" }));
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let front = Front::start().await;
    for path in ["/pipeline", "/multi-exec"] {
        for commands in
            [json!([]), json!(["PING"]), json!([["PING"], "PING"]), json!([["GET", null]])]
        {
            let answer = batch(&front, path, commands).await;
            assert_eq!(answer.status, 400);
            assert!(answer.error().starts_with("ERR "));
        }
    }
}

#[tokio::test]
async fn a_pipeline_may_be_all_refusals() {
    let front = Front::start().await;
    let answer = batch(&front, "/pipeline", json!([["MULTI"], []])).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()[1], json!({ "error": "ERR empty command" }));
}

#[tokio::test]
async fn a_transaction_goes_on_after_an_error_of_one_command() {
    let front = Front::start().await;
    let commands = json!([["SET", "k", "text"], ["INCR", "k"], ["SET", "l", "1"], ["COMMAND"]]);
    let answer = batch(&front, "/multi-exec", commands).await;
    assert_eq!(answer.status, 200);
    let expected = json!([
        { "result": "OK" },
        { "error": "ERR value is not an integer or out of range" },
        { "result": "OK" },
        { "result": [] },
    ]);
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_transaction_with_a_wrong_command_is_discarded() {
    let front = Front::start().await;
    for (wrong, error) in [
        (json!(["GET"]), "ERR wrong number of arguments for 'get' command"),
        (json!(["NOPE"]), "ERR Command is not available: 'NOPE'"),
        (json!(["BLPOP", "l", 0]), "ERR Command \"BLPOP\" is not allowed in REST"),
    ] {
        let answer = batch(&front, "/multi-exec", json!([["SET", "k", "v"], wrong])).await;
        assert_eq!(answer.status, 400);
        assert!(answer.error().starts_with(error), "{answer:?}");
        assert_eq!(front.result(json!(["EXISTS", "k"])).await, 0);
    }
}

#[tokio::test]
async fn transactions_are_not_interleaved() {
    let front = Front::start().await;
    let transfer = json!([["INCR", "a"], ["INCR", "b"]]);
    let give_up = Instant::now() + LIMIT;
    let mut unequal = 0;
    for _ in 0..20 {
        let (left, right, seen) = tokio::join!(
            batch(&front, "/multi-exec", transfer.clone()),
            batch(&front, "/multi-exec", transfer.clone()),
            batch(&front, "/multi-exec", json!([["GET", "a"], ["GET", "b"]])),
        );
        assert_eq!((left.status, right.status), (200, 200));
        let seen = seen.json();
        unequal += usize::from(seen[0] != seen[1]);
        assert!(Instant::now() < give_up);
    }
    assert_eq!(unequal, 0);
    assert_eq!(front.result(json!(["MGET", "a", "b"])).await, json!(["40", "40"]));
}

#[tokio::test]
async fn batches_are_counted() {
    let front = Front::start().await;
    batch(&front, "/pipeline", json!([["PING"], ["PING"], ["PING"]])).await;
    batch(&front, "/multi-exec", json!([["PING"], ["PING"]])).await;
    front.result(json!(["PING"])).await;
    let statistics = front.statistics().await;
    assert_eq!(statistics["requests"], 3);
    assert_eq!(statistics["commands"], 6);
    assert_eq!(statistics["largest_batch"], 3);
    assert_eq!(statistics["by_path"]["/pipeline"], 1);
    assert_eq!(statistics["by_path"]["/multi-exec"], 1);
    assert_eq!(statistics["by_path"]["/"], 1);
    assert_eq!(statistics["by_path"]["/CMD"], 0);
    assert_eq!(statistics["in_flight"], 0);
    assert_eq!(statistics["peak_in_flight"], 1);
    assert_eq!(statistics["connections"], 1, "it was kept alive");
    let reset = front.bare(reqwest::Method::DELETE, "/dev/statistics");
    assert_eq!(send(reset).await.status, 204);
    assert_eq!(front.statistics().await["requests"], 0);
}
