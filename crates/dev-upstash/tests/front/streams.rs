//! Server-sent events.

use serde_json::json;

use crate::support::{Events, Front, READ_ONLY, send};

#[tokio::test]
async fn a_subscription_hears_its_channels() {
    let front = Front::start().await;
    let mut events = Events::open(front.post("/subscribe/news/a%20b")).await;
    assert_eq!(events.next().await.unwrap(), "subscribe,news,1");
    assert_eq!(events.next().await.unwrap(), "subscribe,a b,2");
    assert_eq!(front.result(json!(["PUBLISH", "news", "1,2,é"])).await, 1);
    assert_eq!(events.next().await.unwrap(), "message,news,1,2,é");
    assert_eq!(send(front.get("/publish/a%20b/hi")).await.json(), json!({ "result": 1 }));
    assert_eq!(events.next().await.unwrap(), "message,a b,hi");
}

#[tokio::test]
async fn a_subscription_hears_its_patterns() {
    let front = Front::start().await;
    let mut events = Events::open(front.get("/psubscribe/news.*")).await;
    assert_eq!(events.next().await.unwrap(), "psubscribe,news.*,1");
    front.result(json!(["PUBLISH", "news.eu", "two\nlines"])).await;
    assert_eq!(events.next().await.unwrap(), "pmessage,news.*,news.eu,two\ndata: lines");
}

#[tokio::test]
async fn the_monitor_shows_commands() {
    let front = Front::start().await;
    let mut events = Events::open(front.post("/monitor")).await;
    assert_eq!(events.next().await.unwrap(), "\"OK\"");
    front.result(json!(["GET", "watched"])).await;
    let line = events.next().await.unwrap();
    assert!(line.ends_with("] \"GET\" \"watched\""), "{line}");
    let refused = front.bare(reqwest::Method::POST, "/monitor").bearer_auth(READ_ONLY);
    assert!(send(refused).await.error().starts_with("NOPERM "));
    assert_eq!(send(front.post("/subscribe")).await.status, 400);
}

#[tokio::test]
async fn a_subscriber_that_hangs_up_is_noticed() {
    let front = Front::start().await;
    let mut events = Events::open(front.post("/subscribe/c")).await;
    events.next().await.unwrap();
    front.wait_for_statistic("open_streams", 1).await;
    drop(events);
    front.wait_for_statistic("open_streams", 0).await;
    assert_eq!(front.result(json!(["PUBLISH", "c", "m"])).await, 0);
}

#[tokio::test]
async fn open_streams_are_cut_on_demand() {
    let front = Front::start().await;
    let mut events = Events::open(front.post("/subscribe/c")).await;
    events.next().await.unwrap();
    front.set_fault(json!({ "fault": "cut-stream", "path": "/subscribe", "times": 1 })).await;
    assert_eq!(events.next().await, None);
    assert_eq!(events.rest(), b"data: message,", "in the middle of an event");
    let mut events = Events::open(front.post("/subscribe/c")).await;
    assert_eq!(events.next().await.unwrap(), "subscribe,c,1", "once");
}

#[tokio::test]
async fn streams_are_silenced_for_good() {
    let front = Front::start().await;
    let mut silent = Events::open(front.post("/subscribe/c")).await;
    silent.next().await.unwrap();
    front.set_fault(json!({ "fault": "silent-stream", "times": 1, "after_ms": 50 })).await;
    // Nobody is told when it strikes, but it strikes once.
    let give_up = std::time::Instant::now() + crate::support::LIMIT;
    while send(front.bare(reqwest::Method::GET, "/dev/faults")).await.json() != json!([]) {
        assert!(std::time::Instant::now() < give_up);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    front.set_fault(json!({ "fault": "silent-stream", "times": 1 })).await;
    let mut mute = Events::open(front.post("/subscribe/c")).await;
    let mut other = Events::open(front.post("/subscribe/c")).await;
    other.next().await.unwrap();
    assert_eq!(front.result(json!(["PUBLISH", "c", "lost"])).await, 3, "it is still subscribed");
    assert_eq!(other.next().await.unwrap(), "message,c,lost");
    front.set_fault(json!({ "fault": "cut-stream" })).await;
    for silent in [&mut silent, &mut mute] {
        assert_eq!(silent.next().await, None);
        assert_eq!(silent.rest(), b"data: message,", "nothing was delivered before");
    }
}

#[tokio::test]
async fn characters_are_split_on_demand() {
    let front = Front::start().await;
    front.set_fault(json!({ "fault": "split-utf8" })).await;
    let mut events = Events::open(front.post("/subscribe/c")).await;
    events.next().await.unwrap();
    events.chunks.clear();
    front.result(json!(["PUBLISH", "c", "aé€😀z"])).await;
    assert_eq!(events.next().await.unwrap(), "message,c,aé€😀z");
    let broken = events.chunks.iter().filter(|chunk| std::str::from_utf8(chunk).is_err()).count();
    assert!(broken >= 3, "{:?}", events.chunks);
}
