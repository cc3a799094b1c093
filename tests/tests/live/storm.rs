//! An instance dies, and all its clients come to the other at once.

use std::time::Duration;

use portal_tests::crowd::{Instances, SOON};
use portal_tests::events::{Event, EventStream};
use portal_tests::job;
use portal_tests::portal::Redis;
use portal_tests::servers::OwnRedis;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

const CLIENTS: usize = 2_000;

/// All are back within this time.
const BACK: Duration = Duration::from_secs(30);

/// Longest time for somebody else's write meanwhile.
const WRITE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_that_lose_their_instance_are_back_soon_and_miss_nothing() {
    let redis = OwnRedis::start_new().await;
    let mut pair = Instances::over(Redis::At(redis.url()), &[]).await;
    let second = pair.portals[1].base_url().to_owned();
    let memory = pair.portals[0].resident_kib();
    let mut clients = JoinSet::new();
    let (connected, mut are_connected) = mpsc::channel(CLIENTS);
    for number in 0..CLIENTS {
        let browser = pair.browsers[number % pair.browsers.len()].clone();
        let (other, connected) = (browser.at(&second), connected.clone());
        clients.spawn(async move {
            // No more than a client's own pauses spread them before.
            let mut stream = loop {
                match EventStream::try_open(&browser, None).await {
                    Some(stream) => break stream,
                    None => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            };
            stream.wait_for("hello", BACK).await;
            let place = stream.last_id();
            connected.send(()).await.unwrap();
            stream.reads_to_its_end(Duration::from_secs(120)).await;
            let lost = Instant::now();
            let mut stream = loop {
                match EventStream::try_open(&other, Some(&place)).await {
                    Some(stream) => break stream,
                    None => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            };
            let told = stream.notifications(3, BACK).await;
            let numbers: Vec<i64> = told.iter().map(Event::seq).collect();
            assert_eq!(numbers, [1, 2, 3]);
            lost.elapsed()
        });
    }
    for _ in 0..CLIENTS {
        are_connected.recv().await.expect("all connect");
    }
    let each = (pair.portals[0].resident_kib() - memory) as f64 / CLIENTS as f64;
    println!("{each:.1} KiB a stream");
    let reads_before = pair.portals[1].figure("portal_streams_inbox_reads_total").await;
    pair.portals.remove(0).dies().await;
    pair.tenant.hears_of_applications(Uuid::now_v7(), 3).await;
    let colleague = pair.browsers[0].at(&second);
    let (mut slowest_write, mut writes) = (Duration::ZERO, 0);
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    while !clients.is_empty() {
        let asked = Instant::now();
        let _made = colleague.post("/api/jobs", &job::nurse()).await.expect(201);
        slowest_write = slowest_write.max(asked.elapsed());
        writes += 1;
        while let Some(back) = clients.try_join_next() {
            slowest = slowest.max(back.unwrap());
        }
        assert!(begun.elapsed() < BACK + SOON, "{} are not back", clients.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let reads = pair.portals[0].figure("portal_streams_inbox_reads_total").await - reads_before;
    println!(
        "{CLIENTS} back within {} ms by {reads} reads; slowest of {writes} writes {} ms",
        slowest.as_millis(),
        slowest_write.as_millis()
    );
    assert!(slowest <= BACK, "{slowest:?}");
    assert!(slowest_write <= WRITE, "{slowest_write:?}");
    // One each, and one more for those to whom something happened meanwhile.
    assert!(reads <= 2.5 * CLIENTS as f64, "{reads} reads");
}
