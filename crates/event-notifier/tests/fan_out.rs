//! The lane that tells people against a real PostgreSQL, which `cargo xtask test` starts. Each test
//! has a database of its own, since the lane takes every tenant's events.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails where it stands"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use employer_store::feed::{self, NotificationKind, Published};
use employer_store::testing::{self, NewTenant, TestDatabase, TestTenant};
use employer_store::{DatabaseSettings, OutboxEvent, TenantDb, WorkerDb, outbox};
use event_notifier::webhooks::WebhookHandle;
use event_notifier::{
    EventHandler, FanOut, FanOutSettings, FanOutStatistics, HandlerError, Listener, Relay,
    RelayHandle, RelaySettings,
};
use tenancy::{EventKind, Role};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const SOON: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Nothing;

#[async_trait]
impl EventHandler for Nothing {
    async fn handle(&self, _event: &OutboxEvent) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Published>>);

impl Listener for Heard {
    fn told(&self, events: Vec<Published>) {
        self.0.lock().unwrap().extend(events);
    }
}

struct Running {
    database: TestDatabase,
    db: TenantDb,
    worker: WorkerDb,
    tenant: TestTenant,
    relay: RelayHandle,
    told: Arc<FanOutStatistics>,
    heard: Arc<Heard>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    async fn start(name: &str, settings: FanOutSettings) -> Self {
        Self::start_with(name, settings, Duration::from_secs(30)).await
    }

    /// The lane's statements may take so long.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runner of the tests says where the server is"
    )]
    async fn start_with(name: &str, settings: FanOutSettings, limit: Duration) -> Self {
        let url = std::env::var("PORTAL_TEST_PG_SUPERUSER_URL")
            .expect("no PostgreSQL to test with: run `cargo xtask test`");
        let database = testing::provision_database_for(&url, name).await.unwrap();
        let tenant = testing::create_tenant(&database, &NewTenant::default()).await.unwrap();
        let db = database.tenant_db().unwrap();
        let worker = DatabaseSettings {
            statement_timeout: limit,
            ..TestDatabase::settings(&database.worker_url)
        };
        let worker = WorkerDb::connect_lazily(&worker).unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let acting = RelaySettings { min_age: Duration::ZERO, ..RelaySettings::default() };
        let relay = Relay::spawn(worker.clone(), Arc::new(Nothing), acting, stop.clone(), &tasks);
        let heard = Arc::new(Heard::default());
        let listener = Arc::clone(&heard) as Arc<dyn Listener>;
        let webhooks = WebhookHandle::default();
        let (own, stops) = (worker.clone(), stop.clone());
        let told = FanOut::spawn(own, listener, webhooks, settings, &relay, stops, &tasks);
        Self { database, db, worker, tenant, relay, told, heard, stop, tasks }
    }

    /// An admin drops a part of the cache, which the owner is told of.
    async fn drops_cache(&self) {
        let actor = self.tenant.member(Role::Admin).unwrap().actor();
        let mut tx = self.db.begin(&self.tenant.scope, &actor).await.unwrap();
        feed::tell_cache_invalidated(&mut tx, "hard", 1).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Events that the owner hears of, in one transaction; the lane is not woken.
    async fn emits(&self, kinds: &[EventKind]) {
        let (admin, owner) = (Role::Admin, self.tenant.member(Role::Owner).unwrap().user);
        let actor = self.tenant.member(admin).unwrap().actor();
        let mut tx = self.db.begin(&self.tenant.scope, &actor).await.unwrap();
        for kind in kinds {
            let payload = serde_json::json!({ "user": owner });
            let subject = Some(owner.as_uuid());
            testing::emit(&mut tx, *kind, subject, payload).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let wait = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, wait).await.expect(what);
    }

    async fn stops(&self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(SOON, self.tasks.wait()).await.expect("the lanes end");
    }

    fn heard(&self) -> Vec<Published> {
        self.heard.0.lock().unwrap().clone()
    }
}

/// Looks at nothing unasked for longer than any test lasts.
fn only_when_asked() -> FanOutSettings {
    let long = Duration::from_secs(3_600);
    FanOutSettings { interval: long, longest_interval: long, ..FanOutSettings::default() }
}

#[tokio::test]
async fn a_commit_is_told_at_once_and_heard_once() {
    let running = Running::start("commit", only_when_asked()).await;
    // The first look is nobody's asking.
    running.drops_cache().await;
    running.relay.committed();
    running.until("it is told", async || running.heard().len() == 1).await;
    running.drops_cache().await;
    running.relay.committed();
    running.until("and so is the next", async || running.heard().len() == 2).await;
    running.stops().await;
    let owner = running.tenant.member(Role::Owner).unwrap().user;
    let heard = running.heard();
    assert!(heard.iter().all(|event| event.kind == EventKind::CacheInvalidated));
    let recipients: Vec<_> = heard.iter().flat_map(|event| event.recipients.clone()).collect();
    assert_eq!(recipients, [(owner, 1), (owner, 2)]);
    assert_eq!((running.told.events(), running.told.notifications()), (2, 2));
    assert_eq!(running.told.failures(), 0);
}

#[tokio::test]
async fn what_nobody_said_is_found() {
    let settings =
        FanOutSettings { interval: Duration::from_millis(20), ..FanOutSettings::default() };
    let running = Running::start("unsaid", settings).await;
    running.drops_cache().await;
    running.until("it is told", async || running.heard().len() == 1).await;
    running.stops().await;
}

#[tokio::test]
async fn the_last_commit_before_the_end_is_told() {
    let running = Running::start("last", only_when_asked()).await;
    running
        .until("the first look is over", async || {
            outbox::waiting(&running.worker).await.unwrap().to_tell.is_none()
        })
        .await;
    running.drops_cache().await;
    running.stops().await;
    assert_eq!(running.heard().len(), 1);
}

#[tokio::test]
async fn an_event_that_cannot_be_told_is_parked_and_the_others_are_told() {
    let settings = FanOutSettings {
        interval: Duration::from_millis(20),
        telling: feed::TellingSettings { max_attempts: 1, ..FanOutSettings::default().telling },
        ..FanOutSettings::default()
    };
    let running = Running::start("parked", settings).await;
    let actor = running.tenant.member(Role::Admin).unwrap().actor();
    let mut tx = running.db.begin(&running.tenant.scope, &actor).await.unwrap();
    let payload = serde_json::json!({ "job": "no uuid" });
    testing::emit(&mut tx, EventKind::ApplicationSubmitted, None, payload).await.unwrap();
    feed::tell_cache_invalidated(&mut tx, "hard", 1).await.unwrap();
    tx.commit().await.unwrap();
    running.relay.committed();
    running.until("the good one is told", async || running.heard().len() == 1).await;
    running.until("the bad one is given up", async || running.told.parked() == 1).await;
    assert_eq!(outbox::waiting(&running.worker).await.unwrap().parked, 1);
    running.stops().await;
}

#[tokio::test]
async fn events_of_many_readers_are_told_in_batches_that_do_in_time() {
    let limit = Duration::from_secs(1);
    let settings =
        FanOutSettings { interval: Duration::from_millis(20), ..FanOutSettings::default() };
    let running = Running::start_with("readers", settings, limit).await;
    let slow = NotificationKind::ExportReady;
    testing::slow_down(&running.database, slow, Duration::from_millis(50)).await.unwrap();
    running.emits(&[EventKind::ExportReady; 60]).await;
    running.relay.committed();
    running.until("all are told", async || running.heard().len() == 60).await;
    // What took too long is not tried again with every batch.
    let failures = running.told.failures();
    assert!(failures < 8, "{failures} batches failed");
    running.stops().await;
}

#[tokio::test]
async fn an_event_that_takes_too_long_keeps_no_other_waiting_and_is_not_given_up() {
    let limit = Duration::from_millis(500);
    let telling = feed::TellingSettings {
        max_attempts: 1,
        alone: Duration::from_secs(5),
        ..FanOutSettings::default().telling
    };
    let settings = FanOutSettings {
        interval: Duration::from_millis(20),
        telling,
        ..FanOutSettings::default()
    };
    let running = Running::start_with("toolong", settings, limit).await;
    let (endless, long) = (NotificationKind::RoleChanged, NotificationKind::ExportReady);
    testing::slow_down(&running.database, endless, SOON * 10).await.unwrap();
    testing::slow_down(&running.database, long, Duration::from_secs(1)).await.unwrap();
    let kinds = [EventKind::MemberRoleChanged, EventKind::ExportReady, EventKind::CacheInvalidated];
    running.emits(&kinds).await;
    running.relay.committed();
    running.until("the others are told", async || running.heard().len() == 2).await;
    let heard: Vec<_> = running.heard().iter().map(|event| event.kind).collect();
    assert_eq!(heard, kinds[1..], "one of them alone, in longer than statements may take");
    let waiting = outbox::waiting(&running.worker).await.unwrap();
    assert!(waiting.to_tell.is_some() && waiting.parked == 0, "{waiting:?}");
    running.stops().await;
}
