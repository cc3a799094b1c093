//! Many clients at one or more instances, and what each of them was told.

use std::time::Duration;

use crate::client::Browser;
use crate::events::EventStream;
use crate::portal::{Portal, Redis};
use crate::tenant::{Tenant, World};
use tenancy::Role;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

/// The outbox is looked at often, since rows that tests write wake nobody; and nobody has too many
/// streams.
const SETTINGS: [(&str, &str); 6] = [
    ("PORTAL__RELAY__INTERVAL_MS", "50"),
    ("PORTAL__RELAY__FAN_OUT_LONGEST_INTERVAL_MS", "50"),
    ("PORTAL__EVENTS__STREAMS_PER_SESSION", "5000"),
    ("PORTAL__EVENTS__STREAMS_PER_USER", "5000"),
    ("PORTAL__EVENTS__STREAMS_PER_TENANT", "5000"),
    ("PORTAL__DATABASE__MAX_CONNECTIONS", "8"),
];

/// Longest time for what needs no more than a moment.
pub const SOON: Duration = Duration::from_secs(10);

/// The same for a crowd, and for what a fault has held up.
pub const LATER: Duration = Duration::from_secs(60);

/// Whoever is told of applications.
const ROLES: [Role; 3] = [Role::Owner, Role::Admin, Role::Recruiter];

/// Instances over one database and one Redis.
#[derive(Debug)]
pub struct Instances {
    /// The portals.
    pub portals: Vec<Portal>,
    /// Where things happen.
    pub tenant: Tenant,
    /// One for each of the roles, signed in.
    pub browsers: Vec<Browser>,
}

impl Instances {
    /// Two of them over this Redis.
    pub async fn over(redis: Redis, settings: &[(&str, &str)]) -> Self {
        Self::start(&World::shared().await, 2, redis, settings).await
    }

    /// So many of them.
    pub async fn start(
        world: &World,
        count: usize,
        redis: Redis,
        settings: &[(&str, &str)],
    ) -> Self {
        let tenant = world.tenant().await;
        let settings: Vec<_> = SETTINGS.iter().chain(settings).copied().collect();
        let mut portals = Vec::new();
        for _ in 0..count {
            portals.push(Portal::spawn_with(&world.databases, redis.clone(), &settings).await);
        }
        let mut browsers = Vec::new();
        for role in ROLES {
            browsers.push(tenant.signs_in(&portals[0], role).await);
        }
        Self { portals, tenant, browsers }
    }

    /// Where they are.
    pub fn addresses(&self) -> Vec<String> {
        self.portals.iter().map(|portal| portal.base_url().to_owned()).collect()
    }

    /// So many applications a step, so many steps, with pauses.
    pub async fn happen(&self, steps: u32, each: i32, pause: Duration) {
        let job = Uuid::now_v7();
        let begun = Instant::now();
        for step in 1..=steps {
            self.tenant.hears_of_applications(job, each).await;
            tokio::time::sleep_until(begun + pause * step).await;
        }
    }
}

/// What a client was told: every number that it got, in the order that it got them.
#[derive(Debug, Default)]
pub struct Told {
    /// Of notifications.
    pub numbers: Vec<i64>,
    /// How often it connected.
    pub connections: usize,
    /// How often it was told to begin anew.
    pub resets: usize,
}

impl Told {
    /// Panics unless it was told everything once and in order.
    pub fn is_whole(&self, count: i64, who: usize) {
        let expected: Vec<i64> = (1..=count).collect();
        let first_wrong = self.numbers.iter().zip(&expected).position(|(got, want)| got != want);
        assert_eq!(
            (self.numbers.len(), first_wrong, self.resets),
            (expected.len(), None, 0),
            "client {who}: around {:?}",
            first_wrong
                .map(|at| &self.numbers[at.saturating_sub(2)..(at + 3).min(self.numbers.len())])
        );
    }
}

/// Clients that read until they have everything, and come back whenever they lose their stream.
#[derive(Debug)]
pub struct Crowd {
    clients: JoinSet<(usize, Told)>,
    /// How many notifications there are in all, once that is known.
    all: watch::Sender<Option<i64>>,
}

impl Crowd {
    /// Connects `count` clients of `instances`; each hangs up after a random time of up to `patience` and goes on at
    /// another of the addresses.
    pub async fn of(instances: &Instances, count: usize, patience: Option<Duration>) -> Self {
        let (all, known) = watch::channel(None);
        let mut clients = JoinSet::new();
        let (ready, mut are_ready) = tokio::sync::mpsc::channel(count);
        for number in 0..count {
            let browser = instances.browsers[number % instances.browsers.len()].clone();
            let client = Client {
                browser,
                addresses: instances.addresses(),
                patience,
                known: known.clone(),
            };
            let ready = ready.clone();
            clients.spawn(async move { (number, client.reads(number, ready).await) });
        }
        for _ in 0..count {
            are_ready.recv().await.expect("all connect");
        }
        Self { clients, all }
    }

    /// Waits until everybody was told `count` times; answers what each was told.
    pub async fn tells(mut self, count: i64, within: Duration) -> Vec<Told> {
        self.all.send_replace(Some(count));
        let mut told = Vec::new();
        let deadline = Instant::now() + within;
        while let Some(ended) =
            tokio::time::timeout_at(deadline, self.clients.join_next()).await.expect("all in time")
        {
            let (number, one) = ended.unwrap();
            one.is_whole(count, number);
            told.push(one);
        }
        told
    }
}

struct Client {
    browser: Browser,
    addresses: Vec<String>,
    patience: Option<Duration>,
    known: watch::Receiver<Option<i64>>,
}

impl Client {
    async fn reads(self, number: usize, ready: tokio::sync::mpsc::Sender<()>) -> Told {
        let mut told = Told::default();
        let mut place: Option<String> = None;
        let mut at = number % self.addresses.len();
        let has_all = |told: &Told| {
            let all = *self.known.borrow();
            all.is_some_and(|all| told.numbers.last().copied().unwrap_or(0) >= all)
        };
        while !has_all(&told) {
            at = (at + 1) % self.addresses.len();
            let browser = self.browser.at(&self.addresses[at]);
            let Some(mut stream) = EventStream::try_open(&browser, place.as_deref()).await else {
                tokio::time::sleep(Duration::from_millis(rand::random_range(20..200))).await;
                continue;
            };
            told.connections += 1;
            let hangs_up = self
                .patience
                .map(|most| Instant::now() + most.mul_f64(rand::random_range(0.0..1.0)));
            let mut is_new = place.is_none();
            while !has_all(&told) && !stream.has_ended() {
                let look = Instant::now() + Duration::from_millis(200);
                let deadline = hangs_up.map_or(look, |at| at.min(look));
                let event = stream.next_before(deadline).await;
                match event {
                    Some(event) if event.name == "notification" => told.numbers.push(event.seq()),
                    Some(event) if event.name == "reset" => told.resets += 1,
                    Some(event) if event.name == "hello" && is_new => {
                        is_new = false;
                        ready.send(()).await.unwrap();
                    }
                    _ => {}
                }
                // A new client stays until it knows where it is.
                if !is_new && hangs_up.is_some_and(|at| Instant::now() >= at) {
                    break;
                }
            }
            place = Some(stream.last_id()).filter(|id| !id.is_empty());
        }
        told
    }
}
