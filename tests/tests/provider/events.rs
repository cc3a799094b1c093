//! Live streams: the same on every provider.

mod access;
mod crowds;
pub(crate) mod two_instances;

use std::time::Duration;

use portal_tests::client::Browser;
use portal_tests::environment;
use portal_tests::events::{Event, EventStream};
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use portal_tests::waiting::eventually;
use serde_json::json;
use tenancy::Role;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(10);

/// The outbox is looked at often: nobody wakes the portal for rows that tests write.
pub(crate) const EAGER: [(&str, &str); 2] =
    [("PORTAL__RELAY__INTERVAL_MS", "50"), ("PORTAL__RELAY__FAN_OUT_LONGEST_INTERVAL_MS", "50")];

/// As many as can share what the stage is about: memory is one process's own.
fn instances() -> usize {
    if environment::staged_provider().as_deref() == Some("memory") { 1 } else { 2 }
}

struct House {
    portal: Portal,
    tenant: Tenant,
}

impl House {
    /// `purpose` names the database: what happens here is told by this portal and no other, which
    /// might be busy, or without a way to this one's streams.
    async fn new(purpose: &str, settings: &[(&str, &str)]) -> Self {
        let world = World::for_purpose(purpose).await;
        let tenant = world.tenant().await;
        let settings: Vec<_> = EAGER.iter().chain(settings).copied().collect();
        let portal = Portal::spawn_with(&world.databases, Redis::Shared, &settings).await;
        Self { portal, tenant }
    }

    async fn signs_in(&self, role: Role) -> Browser {
        self.tenant.signs_in(&self.portal, role).await
    }
}

#[tokio::test]
async fn what_happens_is_told_once_in_order_and_to_those_it_concerns() {
    let house = House::new("streamorder", &[]).await;
    let (recruiter, viewer) =
        (house.signs_in(Role::Recruiter).await, house.signs_in(Role::Viewer).await);
    let mut stream = EventStream::open(&recruiter, "", None).await;
    let mut other = EventStream::open(&viewer, "", None).await;
    assert_eq!(stream.header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(stream.header("cache-control"), "no-store, no-transform");
    assert_eq!(stream.header("x-accel-buffering"), "no");
    assert_eq!(stream.header("content-encoding"), "identity");
    assert_eq!(stream.header("content-length"), "");
    let hello = stream.wait_for("hello", SOON).await.json();
    assert_eq!(hello["unread"], 0);
    assert!(hello["head"].as_str().unwrap().ends_with(".0"), "{hello}");
    assert_eq!(stream.comments(), ["ok"]);
    assert!((2_000..=5_000).contains(&stream.retry_ms().unwrap()));
    other.wait_for("hello", SOON).await;
    let job = Uuid::now_v7();
    house.tenant.hears_of_applications(job, 20).await;
    let told = stream.notifications(20, SOON).await;
    let numbers: Vec<i64> = told.iter().map(Event::seq).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<i64>>());
    let first = told[0].json();
    assert_eq!(first["kind"], "application_submitted");
    assert_eq!((first["seq"].as_i64(), first["job"].as_str()), (Some(1), Some(&*job.to_string())));
    let _ = stream.has_unread(20, SOON).await;
    assert_eq!(stream.last_id(), told[19].id, "the state of a feed moves nobody");
    let none = other.notifications(1, Duration::from_millis(500)).await;
    assert!(none.is_empty(), "applications are none of a viewer's business: {none:?}");
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let house = House::new("streamresume", &[]).await;
    let browser = house.signs_in(Role::Recruiter).await;
    // It was told nothing yet when its first stream broke.
    let mut stream = EventStream::open(&browser, "", None).await;
    stream.wait_for("hello", SOON).await;
    let before_anything = stream.last_id();
    drop(stream);
    house.tenant.hears_of_applications(Uuid::now_v7(), 5).await;
    let mut stream = EventStream::open(&browser, "", Some(&before_anything)).await;
    let missed = stream.notifications(5, SOON).await;
    assert_eq!(missed.last().unwrap().seq(), 5);
    let third = missed[2].id.clone();
    drop(stream);
    let mut stream = EventStream::open(&browser, "", Some(&third)).await;
    let again = stream.notifications(2, SOON).await;
    assert_eq!(again.iter().map(Event::seq).collect::<Vec<_>>(), [4, 5]);
    // On a first connection the page says where it is.
    let mut stream = EventStream::open(&browser, &format!("?since={third}"), None).await;
    assert_eq!(stream.notifications(1, SOON).await[0].seq(), 4);
}

#[tokio::test]
async fn a_place_that_does_not_exist_is_answered_aloud() {
    let house = House::new("streamplace", &[]).await;
    let browser = house.signs_in(Role::Recruiter).await;
    house.tenant.hears_of_applications(Uuid::now_v7(), 2).await;
    let mut stream = EventStream::open(&browser, "", None).await;
    let state = stream.has_unread(2, SOON).await;
    let head = state["head"].as_str().unwrap();
    let (epoch, _) = head.split_once('.').unwrap();
    for (id, why) in [
        ("0.1".to_owned(), "epoch"),
        (format!("{epoch}.99"), "ahead"),
        ("12".to_owned(), "unknown"),
        ("%27;--".to_owned(), "unknown"),
    ] {
        let mut stream = EventStream::open(&browser, "", Some(&id)).await;
        let reset = stream.wait_for("reset", SOON).await;
        assert_eq!(reset.json()["why"], why, "{id}");
        assert_eq!((reset.id.as_str(), &reset.json()["head"]), (head, &json!(head)), "{id}");
    }
}

#[tokio::test]
async fn a_tab_that_was_closed_is_noticed_at_once() {
    let house = House::new("streamleft", &[]).await;
    let browser = house.signs_in(Role::Recruiter).await;
    let mut stream = EventStream::open(&browser, "", None).await;
    stream.wait_for("hello", SOON).await;
    assert!((house.portal.figure("portal_streams_open").await - 1.0).abs() < 0.1);
    drop(stream);
    // Two signs of life that nobody takes would be half a minute.
    eventually("nobody is there any more", SOON, async || {
        (house.portal.figure("portal_streams_open").await < 0.5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_those_before_stay() {
    let house = House::new("streamcaps", &[("PORTAL__EVENTS__STREAMS_PER_SESSION", "2")]).await;
    let browser = house.signs_in(Role::Recruiter).await;
    let mut streams = vec![
        EventStream::open(&browser, "", None).await,
        EventStream::open(&browser, "", None).await,
    ];
    let refused = browser.get("/api/events/stream").await;
    drop(refused.expect_problem(503, "too_many_streams"));
    assert_eq!(refused.header("retry-after"), "30");
    house.tenant.hears_of_applications(Uuid::now_v7(), 1).await;
    for stream in &mut streams {
        assert_eq!(stream.notifications(1, SOON).await.len(), 1);
    }
    drop(streams.pop());
    eventually("there is room again", SOON, async || {
        EventStream::try_open(&browser, None).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_stream_says_that_it_lives_and_ends_with_a_reason() {
    let settings = [
        ("PORTAL__EVENTS__HEARTBEAT_SECONDS", "1"),
        // A sign of life comes with a look, so no more often than there is one.
        ("PORTAL__EVENTS__RECHECK_MS", "500"),
        ("PORTAL__EVENTS__MAX_AGE_SECONDS", "8"),
    ];
    let house = House::new("streamlife", &settings).await;
    let browser = house.signs_in(Role::Recruiter).await;
    let mut stream = EventStream::open(&browser, "", None).await;
    let all = stream.reads_to_its_end(SOON * 2).await;
    assert!(stream.comments().iter().filter(|comment| *comment == "hb").count() >= 2);
    let bye = all.last().unwrap();
    assert_eq!((bye.name.as_str(), &bye.json()["why"]), ("bye", &json!("max_age")));
    assert_eq!(stream.retry_ms(), bye.json()["retry_ms"].as_u64());
}

#[tokio::test]
async fn an_instance_that_stops_sends_everybody_away_in_time() {
    let house = House::new("streamdrain", &[("PORTAL__EVENTS__DRAIN_SECONDS", "3")]).await;
    let browser = house.signs_in(Role::Recruiter).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = EventStream::open(&browser, "", None).await;
        stream.wait_for("hello", SOON).await;
        streams.push(stream);
    }
    let House { portal, .. } = house;
    let ends = async {
        let mut pauses = Vec::new();
        for stream in &mut streams {
            let bye = stream.reads_to_its_end(SOON).await.pop().unwrap();
            assert_eq!(bye.json()["why"], "drain");
            pauses.push(bye.json()["retry_ms"].as_u64().unwrap());
        }
        pauses
    };
    let (code, pauses) = tokio::join!(portal.stops(), ends);
    assert_eq!(code, Some(0));
    assert!(pauses.iter().all(|pause| (1_000..=15_000).contains(pause)), "{pauses:?}");
    assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]), "{pauses:?}");
}
