//! The hub over a truth in memory, with the clock held.

mod bounds;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use async_trait::async_trait;
use employer_store::feed::{NotificationKind, Published};
use serde_json::value::RawValue;
use tenancy::{ApplicationId, Evidence, JobId, Role, SystemClock, TenantScope};
use time::macros::datetime;
use tokio::time::advance;
use uuid::Uuid;

use super::*;
use crate::stream::Notice;

/// By desk: the epoch, and the notices from number 1.
type Feeds = HashMap<(TenantId, UserId), (i64, Vec<Notice>)>;

#[derive(Debug)]
struct Books {
    feeds: Mutex<Feeds>,
    ended: Mutex<HashSet<[u8; 32]>>,
    is_away: AtomicBool,
    pages: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    sight: Mutex<Sight>,
}

impl Books {
    fn head(&self, desk: (TenantId, UserId)) -> Head {
        let feeds = self.feeds.lock().unwrap();
        let (epoch, seq) = feeds.get(&desk).map_or((1, 0), |(epoch, all)| (*epoch, all.len()));
        let seq = i64::try_from(seq).unwrap();
        Head { at: Cursor { epoch, seq }, unread: seq }
    }

    /// Commits a notice; answers the message that follows from it.
    fn commits(&self, user: UserId) -> Message {
        let mut feeds = self.feeds.lock().unwrap();
        let (_, all) = feeds.entry((tenant(), user)).or_insert_with(|| (1, Vec::new()));
        let notice = Notice {
            event: Uuid::from_u128(all.len() as u128 + 1),
            kind: NotificationKind::ApplicationSubmitted,
            job: Some(job()),
            application: Some(Uuid::nil()),
            export: None,
            actor: None,
            occurred_at: datetime!(2026-11-22 10:00 UTC),
        };
        all.push(notice.clone());
        Message::from(Published {
            tenant: tenant(),
            event_id: notice.event,
            kind: EventKind::ApplicationSubmitted,
            subject: notice.application,
            job: notice.job.map(JobId::from_uuid),
            application: notice.application.map(ApplicationId::from_uuid),
            occurred_at: notice.occurred_at,
            actor: None,
            recipients: vec![(user, i64::try_from(all.len()).unwrap())],
        })
    }
}

#[async_trait]
impl Truth for Books {
    async fn page(
        &self,
        viewer: &Viewer,
        after: Option<i64>,
        most: u16,
    ) -> Result<Page, TruthUnavailable> {
        self.pages.fetch_add(1, Ordering::SeqCst);
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(TruthUnavailable("away".into()));
        }
        let head = self.head(viewer.desk());
        let feeds = self.feeds.lock().unwrap();
        let all = feeds.get(&viewer.desk()).map_or(&[][..], |(_, all)| all);
        let numbered = (1..).zip(all.iter().cloned());
        let notices = after.map_or_else(Vec::new, |after| {
            numbered.filter(|(seq, _)| *seq > after).take(usize::from(most)).collect()
        });
        Ok(Page { head, notices })
    }

    async fn standings(&self, viewers: &[Viewer]) -> Result<Vec<Standing>, TruthUnavailable> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(TruthUnavailable("away".into()));
        }
        let ended = self.ended.lock().unwrap();
        let sight = self.sight.lock().unwrap().clone();
        let stands = |viewer: &Viewer| {
            if ended.contains(&viewer.session) {
                return Standing::Ended;
            }
            Standing::Stands { sight: sight.clone(), head: self.head(viewer.desk()) }
        };
        Ok(viewers.iter().map(stands).collect())
    }
}

/// Figures that are another with each look.
#[derive(Debug, Default)]
struct Ledger {
    looks: Mutex<Vec<Subject>>,
}

#[async_trait]
impl Figures for Ledger {
    async fn snapshots(
        &self,
        _scope: &TenantScope,
        subjects: &[Subject],
    ) -> Result<Vec<(Subject, Snapshot)>, TruthUnavailable> {
        let mut looks = self.looks.lock().unwrap();
        let mut look = |subject: &Subject| {
            looks.push(*subject);
            let version = looks.len() as u64;
            let as_of = datetime!(2026-11-22 10:00 UTC);
            let counters = RawValue::from_string(format!("{{\"applied\":{version}}}")).unwrap();
            (*subject, Snapshot { as_of, version, counters })
        };
        Ok(subjects.iter().map(&mut look).collect())
    }
}

struct House {
    hub: Hub,
    books: Arc<Books>,
    ledger: Arc<Ledger>,
    stop: CancellationToken,
}

impl House {
    fn new(settings: HubSettings) -> Self {
        let books = Arc::new(Books {
            feeds: Mutex::default(),
            ended: Mutex::default(),
            is_away: AtomicBool::default(),
            pages: AtomicUsize::default(),
            at_once: AtomicUsize::default(),
            most_at_once: AtomicUsize::default(),
            sight: Mutex::new(sight(Role::Recruiter, &[])),
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let truth: Arc<dyn Truth> = books.clone();
        let ledger = Arc::new(Ledger::default());
        let source: Arc<dyn Figures> = ledger.clone();
        let clock = Arc::new(SystemClock);
        let hub = Hub::spawn(truth, Some(source), clock, settings, stop.clone(), &tasks);
        Self { hub, books, ledger, stop }
    }

    fn opens(&self, number: u8, resume: Resume) -> Reader {
        Reader::of(self.hub.open(viewer(number, 0), Role::Recruiter, resume, &[]).unwrap())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn tenant() -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(1))
}

fn job() -> Uuid {
    Uuid::from_u128(9)
}

fn sight(role: Role, jobs: &[Uuid]) -> Sight {
    Sight { role, jobs: Arc::new(jobs.iter().copied().collect()) }
}

fn user(number: u8) -> UserId {
    UserId::from_uuid(Uuid::from_u128(100 + u128::from(number)))
}

fn viewer(number: u8, session: u8) -> Viewer {
    let org = "org_live".parse().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a tenant of the test's own")]
    let scope = TenantScope::from_verified(tenant(), org, Evidence::SystemTask("test"));
    Viewer { scope, user: user(number), session: [number ^ (session << 5); 32] }
}

/// A client that reads all it can get whenever it is asked.
struct Reader {
    stream: Option<LiveStream>,
    text: String,
    has_ended: bool,
}

impl Reader {
    fn of(stream: LiveStream) -> Self {
        Self { stream: Some(stream), text: String::new(), has_ended: false }
    }

    fn reads(&mut self) -> &str {
        let context = Context::from_waker(Waker::noop());
        while let Some(stream) = &self.stream {
            match stream.poll_bytes(&context) {
                Poll::Ready(Some(bytes)) => {
                    self.text.push_str(std::str::from_utf8(&bytes).unwrap());
                }
                Poll::Ready(None) => {
                    self.has_ended = true;
                    self.stream = None;
                }
                Poll::Pending => break,
            }
        }
        &self.text
    }

    fn has_read(&mut self) {
        self.reads();
    }

    /// The numbers of the notifications that it has got.
    fn numbers(&mut self) -> Vec<i64> {
        let events =
            self.reads().split("\n\n").filter(|frame| frame.contains("event: notification"));
        events
            .map(|frame| {
                let id = frame.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
                id.parse::<Cursor>().unwrap().seq
            })
            .collect()
    }

    fn has(&mut self, event: &str) -> bool {
        self.reads().contains(&format!("event: {event}\n"))
    }
}

/// Lets everything happen that happens within this time.
async fn passes(time: Duration) {
    let steps = time.as_millis() / 5;
    for _ in 0..steps.max(1) {
        advance(Duration::from_millis(5)).await;
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
}

const SOON: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn what_is_published_arrives_once_and_in_order() {
    let house = House::new(HubSettings::default());
    let mut reader = house.opens(1, Resume::AtHead);
    passes(SOON).await;
    assert!(reader.reads().starts_with(": ok\nretry: "), "{}", reader.text);
    assert!(reader.text.contains("id: 1.0\nevent: hello\n"), "{}", reader.text);
    let messages: Vec<Message> = (0..3).map(|_| house.books.commits(user(1))).collect();
    // The second comes twice, the first late.
    for index in [1, 1, 0, 2] {
        house.hub.deliver(&messages[index]);
        passes(SOON).await;
    }
    assert_eq!(reader.numbers(), [1, 2, 3]);
    house.hub.deliver(&messages[2]);
    passes(SOON).await;
    assert_eq!(reader.numbers(), [1, 2, 3]);
    let figures = house.hub.figures();
    assert_eq!(figures.delivered() + figures.replayed(), 3, "nothing is counted twice");
}

#[tokio::test(start_paused = true)]
async fn a_client_goes_on_exactly_after_what_it_has() {
    let house = House::new(HubSettings { page: 3, ..HubSettings::default() });
    for _ in 0..10 {
        house.books.commits(user(1));
    }
    let mut reader = house.opens(1, Resume::After(Cursor { epoch: 1, seq: 4 }));
    // While pages are read, more is committed and published.
    let next = house.books.commits(user(1));
    house.hub.deliver(&next);
    for _ in 0..10 {
        passes(SOON).await;
        reader.reads();
    }
    assert_eq!(reader.numbers(), [5, 6, 7, 8, 9, 10, 11]);
    assert!(reader.text.contains("id: 1.4\nevent: hello\n"), "{}", reader.text);
    let live = house.books.commits(user(1));
    house.hub.deliver(&live);
    assert_eq!(reader.numbers(), [5, 6, 7, 8, 9, 10, 11, 12]);
}

#[tokio::test(start_paused = true)]
async fn where_that_is_impossible_it_is_said() {
    let house = House::new(HubSettings { replay_max: 5, ..HubSettings::default() });
    for _ in 0..10 {
        house.books.commits(user(1));
    }
    let after = |epoch, seq| Resume::After(Cursor { epoch, seq });
    for (resume, why) in [
        (after(2, 3), "epoch"),
        (after(1, 11), "ahead"),
        (after(1, 4), "too_far"),
        (Resume::Unreadable, "unknown"),
    ] {
        let mut reader = house.opens(1, resume);
        passes(SOON).await;
        let text = reader.reads().to_owned();
        assert!(text.contains(&format!("\"why\":\"{why}\"")), "{resume:?}: {text}");
        // The hello moves nobody past what the reset is yet to say.
        assert!(text.contains("\n\nevent: hello\n"), "{text}");
        assert!(text.contains("id: 1.10\nevent: reset\n"), "{text}");
        assert!(reader.numbers().is_empty());
    }
    let mut reader = house.opens(1, after(1, 5));
    passes(SOON).await;
    assert_eq!(reader.numbers(), [6, 7, 8, 9, 10]);
}

#[tokio::test(start_paused = true)]
async fn what_messages_lose_is_found_in_the_feed() {
    let house = House::new(HubSettings::default());
    let mut reader = house.opens(1, Resume::AtHead);
    passes(SOON).await;
    reader.reads();
    house.hub.hears();
    let _lost = house.books.commits(user(1));
    let heard = house.books.commits(user(1));
    house.hub.deliver(&heard);
    passes(SOON).await;
    assert_eq!(reader.numbers(), [1, 2], "the next message tells of a gap");
    let _lost = house.books.commits(user(1));
    house.hub.misses_messages();
    passes(SOON).await;
    reader.reads();
    passes(SOON).await;
    assert_eq!(reader.numbers(), [1, 2, 3], "the word that messages were lost");
    let _lost = house.books.commits(user(1));
    for _ in 0..28 {
        house.hub.hears();
        passes(Duration::from_millis(250)).await;
        reader.reads();
    }
    assert_eq!(reader.numbers(), [1, 2, 3, 4], "two looks at a stream that hears well");
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_life_is_written_only_after_somebody_was_asked() {
    let settings = HubSettings { unverified: Duration::from_secs(40), ..HubSettings::default() };
    let house = House::new(settings);
    let mut reader = house.opens(1, Resume::AtHead);
    passes(Duration::from_secs(20)).await;
    assert!(reader.reads().contains(": hb\n"), "{}", reader.text);
    house.books.is_away.store(true, Ordering::SeqCst);
    passes(Duration::from_secs(1)).await;
    reader.reads();
    reader.text.clear();
    passes(Duration::from_secs(30)).await;
    assert_eq!(reader.reads(), "");
    passes(Duration::from_secs(15)).await;
    assert!(reader.reads().contains("\"why\":\"unverified\""), "{}", reader.text);
    assert!(reader.has_ended);
}

#[tokio::test(start_paused = true)]
async fn only_the_session_that_ended_loses_its_streams() {
    let house = House::new(HubSettings::default());
    let mut readers = [0, 1].map(|session| {
        let stream = house.hub.open(viewer(1, session), Role::Recruiter, Resume::AtHead, &[]);
        Reader::of(stream.unwrap())
    });
    passes(SOON).await;
    let ended = house.books.commits(user(1));
    house.books.ended.lock().unwrap().insert(viewer(1, 0).session);
    house.hub.recheck(Concern::Member(tenant(), user(1)));
    passes(SOON).await;
    house.hub.deliver(&ended);
    readers[1].reads();
    passes(SOON).await;
    assert!(readers[0].has("bye") && readers[0].reads().contains("\"why\":\"revoked\""));
    assert!(readers[0].has_ended && readers[0].numbers().is_empty());
    assert_eq!(readers[1].numbers(), [1]);
    assert!(!readers[1].has("bye"));
}

#[tokio::test(start_paused = true)]
async fn whoever_was_given_more_is_passed_over_by_nothing() {
    let house = House::new(HubSettings::default());
    *house.books.sight.lock().unwrap() = sight(Role::Viewer, &[]);
    let mut reader = house.opens(1, Resume::AtHead);
    passes(SOON).await;
    reader.reads();
    // What is told reaches the stream before anybody has had it looked at again.
    *house.books.sight.lock().unwrap() = sight(Role::Recruiter, &[]);
    for _ in 0..2 {
        let told = house.books.commits(user(1));
        house.hub.deliver(&told);
    }
    passes(SOON).await;
    assert_eq!(reader.numbers(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_shown_what_they_may_not_see_any_more() {
    let house = House::new(HubSettings::default());
    let mut reader = house.opens(1, Resume::AtHead);
    passes(SOON).await;
    reader.reads();
    *house.books.sight.lock().unwrap() = sight(Role::HiringManager, &[]);
    house.hub.recheck(Concern::Tenant(tenant()));
    passes(SOON).await;
    let hidden = house.books.commits(user(1));
    house.hub.deliver(&hidden);
    passes(SOON).await;
    *house.books.sight.lock().unwrap() = sight(Role::HiringManager, &[job()]);
    house.hub.recheck(Concern::Anybody);
    passes(SOON).await;
    let shown = house.books.commits(user(1));
    house.hub.deliver(&shown);
    passes(SOON).await;
    assert_eq!(reader.numbers(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_nothing_follows_is_written_soon_all_the_same() {
    let house = House::new(HubSettings::default());
    let mut reader = house.opens(1, Resume::AtHead);
    passes(SOON).await;
    house.hub.deliver(&house.books.commits(user(1)));
    assert_eq!(reader.numbers(), [1]);
    // Polled again only where it is woken, as a connection is.
    let stream = reader.stream.take().unwrap();
    let next = std::future::poll_fn(|context| stream.poll_bytes(context));
    let bytes = tokio::time::timeout(Duration::from_secs(2), next).await.unwrap().unwrap();
    assert!(bytes.starts_with(b"event: feed_state\n"), "{bytes:?}");
}
