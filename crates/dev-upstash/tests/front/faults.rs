//! Outages on demand.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::{Front, send};

#[tokio::test]
async fn requests_are_turned_away_with_the_texts_of_the_service() {
    let front = Front::start().await;
    for (fault, status, text) in [
        ("status-500", 500, "ERR "),
        ("status-429", 429, "ERR "),
        ("quota-daily", 429, "ERR max daily request limit exceeded. Limit: 10000, Usage: 10001."),
        ("quota-monthly", 400, "ERR max requests limit exceeded. Limit: 500000, Usage: 500000."),
    ] {
        front.set_fault(json!({ "fault": fault, "times": 1 })).await;
        let answer = front.command(json!(["INCR", "n"])).await;
        assert_eq!(answer.status, status);
        assert!(answer.error().starts_with(text), "{answer:?}");
        assert_eq!(answer.header("retry-after"), (fault == "status-429").then_some("1"));
        assert!(!answer.token().is_empty());
    }
    front.set_fault(json!({ "fault": "html-502", "path": "/get" })).await;
    assert_eq!(front.result(json!(["EXISTS", "n"])).await, 0, "nothing was carried out");
    let answer = send(front.get("/get/n")).await;
    assert_eq!((answer.status, answer.header("content-type")), (502, Some("text/html")));
    assert!(answer.text().starts_with("<html>"));
    front.clear_faults().await;
    assert_eq!(send(front.get("/get/n")).await.status, 200);
}

#[tokio::test]
async fn a_full_database_can_be_emptied() {
    let front = Front::start().await;
    front.result(json!(["SET", "k", "v"])).await;
    front.set_fault(json!({ "fault": "db-capacity" })).await;
    let full = "ERR DB capacity quota exceeded";
    let answer = front.command(json!(["SET", "k", "w"])).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, full));
    let answer =
        send(front.post("/pipeline").body(r#"[["GET","k"],["INCR","n"],["DEL","k"]]"#)).await;
    let expected = json!([{ "result": "v" }, { "error": full }, { "result": 1 }]);
    assert_eq!((answer.status, answer.json()), (200, expected));
    let answer = send(front.post("/multi-exec").body(r#"[["DEL","k"],["INCR","n"]]"#)).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, full));
}

#[tokio::test]
async fn a_reply_is_lost_after_the_command_was_carried_out() {
    let front = Front::start().await;
    front.set_fault(json!({ "fault": "drop-reply", "times": 1 })).await;
    let lost = front.post("/").body(r#"["INCR","n"]"#).send().await;
    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(front.result(json!(["GET", "n"])).await, "1");
}

#[tokio::test]
async fn a_body_is_cut() {
    let front = Front::start().await;
    front.set_fault(json!({ "fault": "cut-stream", "times": 1 })).await;
    let mut cut = front.get("/echo/0123456789").send().await.unwrap();
    assert_eq!(cut.status(), 200);
    let mut received = Vec::new();
    let error = loop {
        match cut.chunk().await {
            Ok(Some(chunk)) => received.extend_from_slice(&chunk),
            Ok(None) => panic!("whole: {received:?}"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(received, br#"{"result":""#);
}

#[tokio::test]
async fn an_answer_drips_and_another_is_garbage() {
    let front = Front::start().await;
    front.set_fault(json!({ "fault": "garbage", "times": 1 })).await;
    let garbage = front.command(json!(["PING"])).await;
    assert_eq!(garbage.status, 200);
    assert!(serde_json::from_slice::<serde_json::Value>(&garbage.body).is_err());
    front.set_fault(json!({ "fault": "slow-drip" })).await;
    let start = Instant::now();
    let dripping = front.post("/").body(r#"["PING"]"#).send().await.unwrap();
    let in_time = tokio::time::timeout(Duration::from_secs(2), dripping.bytes()).await;
    assert!(in_time.is_err(), "{in_time:?} after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_request_hangs() {
    let front = Front::start().await;
    front.set_fault(json!({ "fault": "hang", "times": 1 })).await;
    let hanging = front.post("/").body(r#"["INCR","n"]"#).timeout(Duration::from_millis(500));
    assert!(hanging.send().await.unwrap_err().is_timeout());
    assert_eq!(front.result(json!(["EXISTS", "n"])).await, 0);
    front.wait_for_statistic("in_flight", 0).await;
}

#[tokio::test]
async fn orders_that_make_no_sense_are_refused() {
    let front = Front::start().await;
    for order in [
        json!({}),
        json!({ "fault": "none" }),
        json!({ "fault": "hang", "times": 0 }),
        json!("hang"),
    ] {
        let request = front.bare(Method::PUT, "/dev/faults");
        let answer =
            send(request.header("content-type", "application/json").body(order.to_string())).await;
        assert_eq!(answer.status, 400, "{order}");
    }
    front.set_fault(json!({ "fault": "hang", "path": "/x", "times": 3 })).await;
    let listed = send(front.bare(Method::GET, "/dev/faults")).await.json();
    let expected = json!([
        { "fault": "hang", "times": 3, "after_ms": 0, "path": "/x", "lag_ms": 1000 },
    ]);
    assert_eq!(listed, expected);
}
