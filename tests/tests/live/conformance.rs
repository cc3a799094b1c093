//! What clients that are not ours make of a stream: a browser, and npm's `eventsource`.

use std::time::Duration;

use portal_tests::client::Browser;
use portal_tests::crowd::SOON;
use portal_tests::event_sources::{Chromium, Npm, Seen, Source};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use reqwest::Method;
use serde_json::Value;
use tenancy::Role;
use uuid::Uuid;

const STREAM: &str = "/api/events/stream";

struct House {
    portal: Portal,
    tenant: Tenant,
    browser: Browser,
}

impl House {
    /// A portal whose streams live for so many seconds, or a fifth less.
    async fn new(seconds: &str) -> Self {
        let world = World::shared().await;
        let tenant = world.tenant().await;
        let settings = [
            ("PORTAL__RELAY__INTERVAL_MS", "50"),
            ("PORTAL__RELAY__FAN_OUT_LONGEST_INTERVAL_MS", "50"),
            ("PORTAL__EVENTS__MAX_AGE_SECONDS", seconds),
            ("PORTAL__EVENTS__HEARTBEAT_SECONDS", "1"),
            ("PORTAL__EVENTS__STREAMS_PER_SESSION", "1"),
        ];
        let portal = Portal::spawn_with(&world.databases, Redis::Memory, &settings).await;
        let browser = tenant.signs_in(&portal, Role::Recruiter).await;
        Self { portal, tenant, browser }
    }

    async fn happens(&self, count: i32) {
        self.tenant.hears_of_applications(Uuid::now_v7(), count).await;
    }
}

fn count(seen: &[Seen], name: &str) -> usize {
    seen.iter().filter(|one| one.name == name).count()
}

fn numbers(seen: &[Seen]) -> Vec<i64> {
    let told = seen.iter().filter(|one| one.name == "notification");
    told.map(|one| one.id.split_once('.').unwrap().1.parse().unwrap()).collect()
}

/// Streams that live long enough for another client to start meanwhile, and their end is near.
const SHORT_LIFE: &str = "10";
const ENDS: Duration = Duration::from_secs(20);

/// One client from its first connection to the end of its session.
async fn follows(house: &House, mut source: Source, refused: Source) {
    // Ids: the first event has one, and moves the place.
    let seen = source.sees("hello", SOON, |seen| count(seen, "hello") == 1).await;
    assert_eq!(seen[0].name, "open");
    let hello = seen.iter().find(|one| one.name == "hello").unwrap();
    assert!(hello.id.ends_with(".0"), "{hello:?}");
    // Any status but 200 closes a source for good: it does not try again.
    let mut refused = refused;
    let closed = refused.sees("one too many", SOON, |seen| !seen.is_empty()).await;
    assert_eq!((closed[0].name.as_str(), closed[0].state), ("error", 2), "{closed:?}");
    house.happens(3).await;
    let seen = source.sees("what happens", SOON, |seen| numbers(seen).len() == 3).await;
    assert_eq!(numbers(&seen), [1, 2, 3]);
    let last = seen.iter().rfind(|one| one.name == "notification").unwrap();
    let data: Value = serde_json::from_str(&last.data).unwrap();
    assert_eq!(data["seq"], 3);
    // The end is clean, so the source comes back by itself, no sooner than it was told to.
    let seen = source.sees("the end", ENDS, |seen| count(seen, "error") == 1).await;
    let bye = seen.iter().find(|one| one.name == "bye").unwrap();
    // (npm's source shows an event its own id alone; what it sends back is the last one.)
    if matches!(source, Source::Chromium(_)) {
        assert_eq!(bye.id, last.id, "events without an id leave the place as it is");
    }
    let error = seen.iter().find(|one| one.name == "error").unwrap();
    assert_eq!(error.state, 0, "it connects again");
    house.happens(2).await;
    let seen = source.sees("what it missed", SOON, |seen| numbers(seen).len() == 5).await;
    assert_eq!(numbers(&seen), [1, 2, 3, 4, 5]);
    let bye: Value = serde_json::from_str(&bye.data).unwrap();
    let again = seen.iter().filter(|one| one.name == "open").nth(1).unwrap();
    let pause = again.ms - error.ms;
    let told = bye["retry_ms"].as_u64().unwrap();
    assert!(pause + 20 >= told, "{pause} ms, told {told}");
    // Comments, of which there was one a second, are no events; nothing comes without a name.
    assert_eq!(count(&seen, "message"), 0);
    // A session that ended: the reason, one more attempt, 401, and silence.
    let ended = house.browser.send(house.browser.request(Method::DELETE, "/api/sessions")).await;
    assert!(ended.status.is_success(), "{}", ended.text);
    let seen = source.sees("it is closed", SOON, |seen| seen.iter().any(|s| s.state == 2)).await;
    let closed = seen.iter().position(|one| one.state == 2).unwrap();
    assert_eq!((seen[closed].name.as_str(), seen.len()), ("error", closed + 1));
    assert_eq!(numbers(&seen), [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_makes_of_a_stream_what_is_meant() {
    let house = House::new(SHORT_LIFE).await;
    let base_url = house.portal.base_url().to_owned();
    let mut source = Chromium::follows(&house.browser, &base_url, STREAM).await;
    source.sees("it is open", SOON, |seen| count(seen, "hello") == 1).await;
    let refused = Npm::follows(&house.browser, &base_url, STREAM);
    follows(&house, source, refused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn npms_event_source_makes_of_a_stream_what_is_meant() {
    let house = House::new(SHORT_LIFE).await;
    let base_url = house.portal.base_url().to_owned();
    let mut source = Npm::follows(&house.browser, &base_url, STREAM);
    source.sees("it is open", SOON, |seen| count(seen, "hello") == 1).await;
    let refused = Npm::follows(&house.browser, &base_url, STREAM);
    follows(&house, source, refused).await;
}

#[tokio::test]
async fn a_stream_begins_with_a_comment_and_has_no_mark_of_its_encoding() {
    let house = House::new("2").await;
    let mut answer = house.browser.request(Method::GET, STREAM).send().await.unwrap();
    let first = answer.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b": ok\nretry: "), "{first:?}");
    let mut whole = first.to_vec();
    while let Ok(Some(more)) = answer.chunk().await {
        whole.extend_from_slice(&more);
    }
    assert!(!whole.contains(&b'\r') && !whole.starts_with(&[0xef, 0xbb, 0xbf]));
    assert!(whole.ends_with(b"\n\n") && std::str::from_utf8(&whole).is_ok());
    // An id that was empty is as good as none.
    let request = house.browser.request(Method::GET, STREAM).header("Last-Event-ID", "");
    let text = house.browser.send(request).await.expect(200).text;
    assert!(text.contains("event: hello") && !text.contains("event: reset"), "{text}");
}
