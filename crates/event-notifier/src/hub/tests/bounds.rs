//! What is bounded: queues, numbers, reads, lives, and how often figures are shown.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_that_does_not_read_is_ended_and_holds_up_nobody() {
    let house = House::new(HubSettings::default());
    let slow = house.hub.open(viewer(1, 0), Role::Recruiter, Resume::AtHead, &[]).unwrap();
    let mut slow = Reader::of(slow);
    let mut other = house.opens(1, Resume::AtHead);
    passes(SOON).await;
    slow.reads();
    for _ in 0..400 {
        let message = house.books.commits(user(1));
        house.hub.deliver(&message);
        other.reads();
    }
    assert_eq!(other.numbers().len(), 400);
    assert_eq!(house.hub.figures().closed(Why::Slow), 1);
    assert!(slow.reads().ends_with("}\n\n") && slow.text.contains("\"why\":\"slow\""));
    assert!(slow.has_ended && slow.numbers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_stops_reading_within_a_long_replay_is_ended() {
    let house = House::new(HubSettings::default());
    for _ in 0..1_000 {
        house.books.commits(user(1));
    }
    let mut reader = house.opens(1, Resume::After(Cursor { epoch: 1, seq: 0 }));
    passes(SOON).await;
    reader.reads();
    passes(Duration::from_secs(31)).await;
    assert_eq!(house.hub.figures().closed(Why::Slow), 1);
    assert!(house.books.pages.load(Ordering::SeqCst) <= 3, "no further than it reads");
}

#[tokio::test(start_paused = true)]
async fn those_too_many_are_refused_and_those_before_stay() {
    let settings = HubSettings {
        per_session: 2,
        per_user: 3,
        per_tenant: 4,
        in_all: 5,
        ..HubSettings::default()
    };
    let house = House::new(settings);
    let opens = |number, session| {
        house.hub.open(viewer(number, session), Role::Recruiter, Resume::AtHead, &[])
    };
    let mut open = vec![opens(1, 0).unwrap(), opens(1, 0).unwrap()];
    assert_eq!(opens(1, 0).unwrap_err(), Refused::Session);
    open.push(opens(1, 1).unwrap());
    assert_eq!(opens(1, 1).unwrap_err(), Refused::User);
    open.push(opens(2, 0).unwrap());
    assert_eq!(opens(2, 0).unwrap_err(), Refused::Tenant);
    drop(open.remove(0));
    open.push(opens(1, 0).unwrap());
    assert_eq!(house.hub.count(), 4);
    drop(open);
    assert_eq!(house.hub.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_that_come_at_once_read_a_few_at_a_time() {
    let house = House::new(HubSettings { per_tenant: 2_000, ..HubSettings::default() });
    let mut readers: Vec<Reader> = Vec::new();
    for number in 0..=255 {
        for _ in 0..4 {
            readers.push(house.opens(number, Resume::AtHead));
        }
    }
    passes(Duration::from_secs(3)).await;
    assert!(readers.iter_mut().all(|reader| reader.has("hello")));
    assert_eq!(house.books.most_at_once.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_all_within_its_window_and_not_all_at_once() {
    let house = House::new(HubSettings::default());
    let mut readers: Vec<Reader> = (0..100).map(|n| house.opens(n, Resume::AtHead)).collect();
    passes(Duration::from_secs(1)).await;
    let hub = house.hub.clone();
    let tasks = TaskTracker::new();
    let drained = tasks.spawn(async move { hub.drain(Duration::from_secs(10)).await });
    passes(Duration::from_secs(5)).await;
    let half = readers.iter_mut().filter_map(|reader| reader.has("bye").then_some(())).count();
    assert!((20..=80).contains(&half), "{half}");
    let refused = house.hub.open(viewer(200, 0), Role::Recruiter, Resume::AtHead, &[]);
    assert_eq!(refused.unwrap_err(), Refused::Draining);
    for _ in 0..60 {
        passes(SOON).await;
        for reader in &mut readers {
            reader.has_read();
        }
    }
    drained.await.unwrap();
    assert!(readers.iter_mut().all(|reader| reader.reads().contains("\"why\":\"drain\"")));
}

#[tokio::test(start_paused = true)]
async fn nothing_lives_for_ever() {
    let house = House::new(HubSettings::default());
    let mut readers: Vec<Reader> = (0..50).map(|n| house.opens(n, Resume::AtHead)).collect();
    let mut ended_by = Vec::new();
    for _ in 0..62 {
        passes(Duration::from_secs(10)).await;
        let count = readers.iter_mut().filter_map(|reader| reader.has("bye").then_some(())).count();
        ended_by.push(count);
    }
    assert_eq!((ended_by[46], ended_by[61]), (0, 50), "{ended_by:?}");
    assert!(ended_by[54] > 5 && ended_by[54] < 45, "{ended_by:?}");
}

#[tokio::test(start_paused = true)]
async fn figures_come_first_and_then_at_most_once_in_a_pause_the_newest_only() {
    let house = House::new(HubSettings::default());
    let subjects = [Subject::Tenant, Subject::Job(job())];
    let opened = house.hub.open(viewer(1, 0), Role::Recruiter, Resume::AtHead, &subjects);
    let mut reader = Reader::of(opened.unwrap());
    passes(SOON).await;
    // Of what they may not see, a manager is shown no figures either.
    *house.books.sight.lock().unwrap() = sight(Role::HiringManager, &[]);
    let opened = house.hub.open(viewer(2, 0), Role::HiringManager, Resume::AtHead, &subjects);
    let mut blind = Reader::of(opened.unwrap());
    passes(SOON).await;
    assert!(reader.has("metrics"), "as they are, before anything changes: {}", reader.text);
    assert!(!blind.has("metrics"), "{}", blind.text);
    drop(blind);
    *house.books.sight.lock().unwrap() = sight(Role::Recruiter, &[]);
    let first = house.ledger.looks.lock().unwrap().len();
    for _ in 0..50 {
        let message = house.books.commits(user(1));
        house.hub.deliver(&message);
        passes(Duration::from_millis(100)).await;
    }
    let looks = house.ledger.looks.lock().unwrap().len() - first;
    assert!((8..=12).contains(&looks), "two subjects, five seconds: {looks}");
    // Nobody read meanwhile: of each subject one snapshot waits, the last.
    let text = reader.reads().to_owned();
    let shown: Vec<&str> = text.lines().filter(|line| line.contains("\"counters\"")).collect();
    assert_eq!(shown.len(), 2 + 2, "{shown:?}");
    let last = format!("\"applied\":{}}}", first + looks);
    assert!(shown[2..].iter().any(|line| line.contains(&last)), "{shown:?}");
    let before_metrics = text.split("event: metrics").next().unwrap();
    assert!(before_metrics.contains("event: hello"));
    let mut frames = text.split("\n\n").filter(|frame| frame.contains("event: metrics"));
    assert!(frames.all(|frame| !frame.contains("id: ")), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_is_spoken_of_while_a_page_is_read_is_read_for_as_well() {
    let ends_at = Instant::now() + Duration::from_secs(60);
    let sight = Sight::of_role(Role::Recruiter);
    let client = Client::new(viewer(1, 0), sight, Watched::new(&[]), ends_at);
    let at = |seq| Cursor { epoch: 1, seq };
    client.begin(at(3), Head { at: at(3), unread: 0 });
    let house = House::new(HubSettings::default());
    house.books.commits(user(1));
    let notice = house.books.feeds.lock().unwrap().values().next().unwrap().1[0].clone();
    let (_, wanted) = client.place();
    assert_eq!(client.offer(5, &mut notice.write()), Offered::Passed, "it is noted");
    assert!(!client.settle(4, wanted), "the page that was read ends before it");
    let (_, wanted) = client.place();
    assert!(client.settle(4, wanted), "a number that is in no page is waited for no longer");
}
