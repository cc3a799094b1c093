//! How the program starts and stops.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{Events, Front, LIMIT, TOKEN, send};

#[tokio::test]
async fn it_stops_within_a_second_whatever_is_open() {
    let mut front = Front::start().await;
    let mut events = Events::open(front.post("/subscribe/c")).await;
    events.next().await.unwrap();
    front.set_fault(json!({ "fault": "hang", "path": "/get" })).await;
    front.set_fault(json!({ "fault": "slow-drip", "path": "/ping" })).await;
    let _hanging = half_a_conversation(&front, "/get/k").await;
    let _dripping = half_a_conversation(&front, "/ping").await;
    front.wait_for_statistic("requests", 3).await;
    let start = Instant::now();
    let server = front.server();
    let id = server.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let status = loop {
        if let Some(status) = server.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < LIMIT, "it does not stop");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(events.next().await, None, "the stream ends as it should");
}

#[tokio::test]
async fn without_redis_it_says_so() {
    let mut front = Front::start().await;
    front.result(json!(["SET", "k", "v"])).await;
    let mut events = Events::open(front.post("/subscribe/c")).await;
    events.next().await.unwrap();
    front.stop_redis();
    assert_eq!(events.next().await, None, "the stream ends");
    for _ in 0..2 {
        let answer = front.command(json!(["GET", "k"])).await;
        assert_eq!(answer.status, 503);
        assert!(answer.error().starts_with("ERR dev-upstash has no redis-server"), "{answer:?}");
    }
    assert_eq!(send(front.post("/subscribe/c")).await.status, 503);
    front.start_redis_again().await;
    assert_eq!(front.result(json!(["SET", "k", "v"])).await, "OK");
}

#[tokio::test]
async fn a_connection_that_redis_closed_is_not_used_again() {
    let mut front = Front::start().await;
    front.result(json!(["SET", "k", "v"])).await;
    front.stop_redis();
    front.start_redis_again().await;
    assert_eq!(front.result(json!(["EXISTS", "k"])).await, 0);
}

/// A request whose answer nobody reads.
async fn half_a_conversation(front: &Front, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(front.base.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!("GET {path}?_token={TOKEN} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[test]
fn a_wrong_command_line_is_one_line() {
    for (arguments, part) in [
        (["--redis", "rediss://localhost:1"], "--redis must be redis://"),
        (["--listen", "0.0.0.0:0"], "pass --allow-remote"),
        (["--read-only-token", "has spaces"], "a token must have"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_dev-upstash"))
            .args(["--token", "t"])
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.lines().count() == 1, "{text}");
        assert!(text.contains(part), "{text}");
        assert!(output.stdout.is_empty());
    }
}
