//! A drill: a portal under steady load while something behind it breaks.
//!
//! Readers ask for jobs at a fixed rate whatever becomes of the answers (an open loop: slow answers
//! do not slow the questions down), and one writer changes jobs all the time. Every answer is held
//! against what had been committed before it was asked for.

mod ledger;
mod load;
mod report;

pub use ledger::Ledger;
pub use load::Load;
pub use report::{Bounds, Late, Observation, Report};

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tenancy::Role;

use crate::client::Browser;
use crate::job;
use crate::portal::{AS_DELIVERED, Portal, Redis};
use crate::tenant::World;
use crate::waiting::eventually;

/// Tenants, each on slots of its own.
const TENANTS: usize = 16;
/// Jobs of each: 512 keys in all.
const JOBS: usize = 32;
/// What is prepared at a time.
const AT_ONCE: usize = 4;

/// A portal with tenants, people and jobs, every job in the cache.
#[derive(Debug)]
pub struct Drill {
    /// The portal under load.
    pub portal: Portal,
    /// Where its data is.
    pub world: World,
    seats: Arc<Vec<Seat>>,
    redis: Redis,
}

/// A tenant's recruiter and their jobs.
#[derive(Debug)]
pub struct Seat {
    browser: Browser,
    jobs: Vec<Arc<Ledger>>,
}

impl Drill {
    /// Prepares everything. `settings` are further ones of the portal.
    pub async fn set_up(redis: Redis, settings: &[(&str, &str)]) -> Self {
        let world = World::shared().await;
        let mut all = vec![("PORTAL__DATABASE__MAX_CONNECTIONS", "8")];
        all.extend(AS_DELIVERED);
        all.extend_from_slice(settings);
        let portal = Portal::spawn_with(&world.databases, redis.clone(), &all).await;
        let seats: Vec<Seat> = stream::iter(0..TENANTS)
            .map(|_| seat(&world, &portal))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let drill = Self { portal, world, seats: Arc::new(seats), redis };
        drill.warms_up().await;
        drill
    }

    /// Asks for every job until all are cached.
    async fn warms_up(&self) {
        let places = Self::places();
        stream::iter(places)
            .map(async |(seat, job)| {
                let seat = &self.seats[seat];
                eventually("the job is cached", PATIENCE, async || {
                    let answer = seat.browser.get(seat.jobs[job].path()).await;
                    (answer.header("x-cache") == "hit").then_some(())
                })
                .await;
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<()>>()
            .await;
    }

    fn places() -> Vec<(usize, usize)> {
        (0..TENANTS).flat_map(|seat| (0..JOBS).map(move |job| (seat, job))).collect()
    }

    /// Begins the load: 150 reads a second on 512 keys, and a write every 100 ms.
    pub fn begins(&self) -> Load {
        Load::begin(Arc::clone(&self.seats), self.portal.browser())
    }

    /// Reads every job through an instance that has seen nothing of the drill and holds it against
    /// what was committed: an invalidation that is missing shows here.
    pub async fn nothing_is_stale(&self) {
        let other = Portal::spawn(&self.world.databases, self.redis.clone()).await;
        for base_url in [self.portal.base_url(), other.base_url()] {
            let found = stream::iter(Self::places())
                .map(async |(seat, job)| {
                    let seat = &self.seats[seat];
                    let ledger = &seat.jobs[job];
                    let expected = ledger.begins_to_read();
                    let browser = seat.browser.at(base_url);
                    let answer = eventually("the job is shown", PATIENCE, async || {
                        let answer = browser.get(ledger.path()).await;
                        (answer.status == 200).then_some(answer)
                    })
                    .await;
                    ledger.contradiction(expected, &answer.json())
                })
                .buffer_unordered(AT_ONCE)
                .filter_map(std::future::ready)
                .collect::<Vec<String>>()
                .await;
            assert!(found.is_empty(), "stale after recovery: {found:?}");
        }
    }

    /// Every session still works: nobody was signed out.
    pub async fn everybody_is_signed_in(&self) {
        for seat in self.seats.iter() {
            let session = eventually("the portal knows", PATIENCE, async || {
                let answer = seat.browser.get("/api/session").await;
                (answer.status != 503).then_some(answer)
            })
            .await;
            let _ = session.expect(200);
        }
    }
}

/// So often a drill may be late before it counts.
const TRIES: usize = 3;

/// Runs a drill. What is late is wall-clock time, and the machine may have been busy with something
/// else at the wrong moment: the drill is then repeated from the beginning. What is wrong fails in
/// any try.
pub async fn in_time(drill: impl AsyncFn() -> Result<(), Late>) {
    let mut reports = Vec::new();
    for _ in 0..TRIES {
        match drill().await {
            Ok(()) => return,
            Err(Late(report)) => reports.push(report),
        }
    }
    panic!("late each time: {}", reports.join("\n"));
}

/// A busy machine may open a circuit while the stage is set; what is asked then is asked again.
async fn seat(world: &World, portal: &Portal) -> Seat {
    let tenant = world.tenant().await;
    let subject = tenant.subject(Role::Recruiter);
    let browser = eventually("the recruiter is signed in", PATIENCE, async || {
        let mut browser = portal.browser();
        let is_in = browser.tries_to_sign_in(&world.provider, &subject, &tenant.org).await;
        is_in.then_some(browser)
    })
    .await;
    let mut jobs = Vec::with_capacity(JOBS);
    for _ in 0..JOBS {
        let created = eventually("the job is made", PATIENCE, async || {
            let answer = browser.post("/api/jobs", &job::titled(&Ledger::title(0))).await;
            (answer.status == 201).then_some(answer)
        })
        .await;
        jobs.push(Arc::new(Ledger::new(created.header("location"), created.header("etag"))));
    }
    Seat { browser, jobs }
}

/// How long a drill may take to get well again before it is given up.
pub const PATIENCE: Duration = Duration::from_secs(40);
