//! The relay against a real PostgreSQL, which `cargo xtask test` starts. Each test has a database
//! of its own, since a relay takes every tenant's events.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails where it stands"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use employer_store::jobs::{self, EmploymentType, NewJob, WorkplaceType};
use employer_store::testing::{self, NewTenant};
use employer_store::{OutboxEvent, WorkerDb, outbox};
use event_notifier::{EventHandler, HandlerError, Relay, RelayHandle, RelaySettings};
use tenancy::{Role, TenantId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a handler does at its first call; the later ones succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Succeeds,
    Fails,
    Hangs,
}

#[derive(Debug)]
struct Handler {
    first: First,
    calls: AtomicUsize,
    /// Whose events it was called for.
    tenants: Mutex<Vec<TenantId>>,
}

#[async_trait]
impl EventHandler for Handler {
    async fn handle(&self, event: &OutboxEvent) -> Result<(), HandlerError> {
        self.tenants.lock().unwrap().push(event.tenant);
        let is_first = self.calls.fetch_add(1, Ordering::SeqCst) == 0;
        match self.first {
            First::Fails if is_first => Err(HandlerError("away".into())),
            First::Hangs if is_first => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

struct Running {
    worker: WorkerDb,
    handler: Arc<Handler>,
    relay: RelayHandle,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// The last event that waits.
    event: i64,
}

impl Running {
    /// A relay beside one event that nobody has acted on.
    async fn start(name: &str, first: First, settings: RelaySettings) -> Self {
        Self::start_with(name, first, settings, 1).await
    }

    /// The same with one such event of each of some tenants.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runner of the tests says where the server is"
    )]
    async fn start_with(name: &str, first: First, settings: RelaySettings, tenants: usize) -> Self {
        let url = std::env::var("PORTAL_TEST_PG_SUPERUSER_URL")
            .expect("no PostgreSQL to test with: run `cargo xtask test`");
        let database = testing::provision_database_for(&url, name).await.unwrap();
        let db = database.tenant_db().unwrap();
        let mut event = 0;
        for _ in 0..tenants {
            let tenant = testing::create_tenant(&database, &NewTenant::default()).await.unwrap();
            let actor = tenant.member(Role::Recruiter).unwrap().actor();
            let mut tx = db.begin(&tenant.scope, &actor).await.unwrap();
            jobs::create_job(&mut tx, &a_job()).await.unwrap();
            event = tx.commit().await.unwrap().first().unwrap().id;
        }

        let worker = database.worker_db().unwrap();
        let handler =
            Arc::new(Handler { first, calls: AtomicUsize::new(0), tenants: Mutex::default() });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let handle = Arc::clone(&handler) as Arc<dyn EventHandler>;
        let relay = Relay::spawn(worker.clone(), handle, settings, stop.clone(), &tasks);
        Self { worker, handler, relay, stop, tasks, event }
    }

    async fn is_told(&self) {
        let all_told = async {
            while outbox::waiting(&self.worker).await.unwrap().to_act.is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all_told).await.expect("nothing waits");
    }

    async fn stops(&self) {
        self.stop.cancel();
        self.tasks.close();
        let stopped = tokio::time::timeout(Duration::from_secs(20), self.tasks.wait());
        stopped.await.expect("the relay ends");
    }

    fn calls(&self) -> usize {
        self.handler.calls.load(Ordering::SeqCst)
    }
}

fn a_job() -> NewJob {
    NewJob {
        title: "Nurse".to_owned(),
        department: None,
        employment_type: EmploymentType::FullTime,
        experience_level: None,
        workplace: WorkplaceType::Remote,
        locations: Vec::new(),
        skills: Vec::new(),
        salary: None,
        pay_blurb: None,
        openings: 1,
        valid_through: None,
        description: "Look after people.".to_owned(),
        lang: None,
    }
}

/// Takes an event as soon as it is there.
fn at_once() -> RelaySettings {
    RelaySettings {
        interval: Duration::from_millis(10),
        min_age: Duration::ZERO,
        ..RelaySettings::default()
    }
}

/// Leaves events to the request path for longer than any test lasts.
fn never_by_itself() -> RelaySettings {
    RelaySettings { min_age: Duration::from_secs(3_600), ..at_once() }
}

#[tokio::test]
async fn what_was_left_undone_is_done_once() {
    let running = Running::start("undone", First::Succeeds, at_once()).await;
    running.is_told().await;
    running.stops().await;
    assert_eq!((running.calls(), running.relay.statistics().repeated()), (1, 1));
    assert_eq!(running.relay.statistics().failures(), 0);
}

#[tokio::test]
async fn an_event_stays_until_its_handler_has_finished() {
    let running = Running::start("failing", First::Fails, at_once()).await;
    running.is_told().await;
    running.stops().await;
    assert_eq!((running.calls(), running.relay.statistics().repeated()), (2, 1));
    assert_eq!(running.relay.statistics().failures(), 1);
}

#[tokio::test]
async fn a_tenant_whose_event_fails_keeps_no_other_waiting() {
    let running = Running::start_with("neighbours", First::Fails, at_once(), 2).await;
    running.is_told().await;
    running.stops().await;
    let tenants = running.handler.tenants.lock().unwrap().clone();
    assert_eq!(tenants.len(), 3);
    assert_eq!((tenants[0], tenants[1] == tenants[0]), (tenants[2], false), "{tenants:?}");
    assert_eq!(running.relay.statistics().repeated(), 2);
}

#[tokio::test]
async fn a_handler_that_hangs_is_given_up_and_called_again() {
    let settings = RelaySettings { deadline: Duration::from_millis(500), ..at_once() };
    let running = Running::start("hanging", First::Hangs, settings).await;
    running.is_told().await;
    running.stops().await;
    assert_eq!((running.calls(), running.relay.statistics().repeated()), (2, 1));
}

#[tokio::test]
async fn what_the_request_path_has_done_is_not_repeated() {
    let running = Running::start("handled", First::Succeeds, never_by_itself()).await;
    running.relay.handled(&[running.event]);
    running.is_told().await;
    running.stops().await;
    assert_eq!((running.calls(), running.relay.statistics().acknowledged()), (0, 1));
}

#[tokio::test]
async fn a_relay_that_ends_writes_down_what_it_was_told_last() {
    let settings = RelaySettings { interval: Duration::from_secs(3_600), ..never_by_itself() };
    let running = Running::start("ending", First::Succeeds, settings).await;
    running.relay.handled(&[running.event]);
    running.stops().await;
    assert_eq!(outbox::waiting(&running.worker).await.unwrap().to_act, None);
    assert_eq!(running.calls(), 0);
}

#[tokio::test]
async fn how_long_the_oldest_event_waits_is_known() {
    let running = Running::start("waiting", First::Succeeds, never_by_itself()).await;
    let known = async {
        loop {
            if let Some(age) = running.relay.statistics().oldest_age() {
                return age;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let age = tokio::time::timeout(Duration::from_secs(20), known).await.expect("it is asked");
    assert!(age > Duration::ZERO && age < Duration::from_secs(60), "{age:?}");
    running.stops().await;
}
