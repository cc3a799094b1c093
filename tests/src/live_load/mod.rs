//! What live notifications cost: beside Nchan, from a commit to a client, and in the transaction
//! that causes them. `cargo xtask bench events` starts the servers and runs this.
//!
//! All servers share one core; whoever listens, publishes and counts has another one to itself.
//! Everything is read over raw connections, many on one thread, and each of them checks that the
//! numbers that it is told have no gaps and come once.

mod broadcast;
mod caller;
mod contender;
mod crowd;
mod delay;
mod nchan;
pub mod processes;
mod report;
mod servers;
mod staff;
pub mod statistics;
mod submits;
pub mod track;
pub mod wire;

pub use self::report::{Aim, Report};

use std::thread;
use std::time::SystemTime;

use self::broadcast::Turn;
use self::crowd::{Crowd, Door};
use self::delay::Delay;
use self::nchan::Nchan;
use self::servers::Servers;
use self::staff::{Employer, address_of};
use self::submits::Sides;
use crate::environment;
use crate::portal::Portal;
use crate::tenant::World;

/// Turns of each contender.
const ROUNDS: usize = 3;

/// Streams that are open at both instances together.
const STREAMS: usize = 1_000;

/// The people of the employer whose streams are all told of everything, and each one's streams.
const PEOPLE: usize = 100;

/// Employers of the second part; each one's people have a stream at either instance.
const EMPLOYERS: usize = 100;
const COLLEAGUES: usize = STREAMS / EMPLOYERS / 2;

/// Applications a second.
const RATES: [u32; 3] = [50, 100, 200];

/// Measures everything, once.
#[derive(Debug)]
pub struct LiveLoad {
    world: World,
    redis: String,
    servers: Servers,
    /// One with many people.
    large: Employer,
    /// Another one, to warm up with.
    warm: Employer,
    /// Many with few.
    small: Vec<Employer>,
}

impl LiveLoad {
    /// Makes the data and signs everybody in, at an instance that is not measured.
    pub async fn set_up() -> Self {
        let world = World::for_purpose("events").await;
        let redis = environment::redis_url();
        let servers = Servers::find(&redis, &world.databases.superuser_url).await;
        let portal = staff::portal(&world, &redis).await;
        let large = Employer::opens(&world, &portal, PEOPLE).await;
        let warm = Employer::opens(&world, &portal, 2).await;
        let small = Employer::open_many(&world, &portal, EMPLOYERS, COLLEAGUES).await;
        portal.dies().await;
        Self { world, redis, servers, large, warm, small }
    }

    /// Measures all parts; each contender has a new pair of instances in each round.
    pub async fn runs(&self) -> Report {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            ours.push(self.our_turn().await);
            theirs.push(self.their_turn(round).await);
        }
        let delays = self.delays().await;
        let sides = Sides::prepare(&environment::postgres_superuser_url()).await;
        let submits = apart(async || [sides.measure(false).await, sides.measure(true).await]);
        Report { ours, theirs, delays, submits }
    }

    async fn pair(&self) -> Vec<Portal> {
        vec![
            staff::portal(&self.world, &self.redis).await,
            staff::portal(&self.world, &self.redis).await,
        ]
    }

    async fn our_turn(&self) -> Turn {
        let portals = self.pair().await;
        let contender = self.large.contender(&portals, STREAMS / PEOPLE);
        let warm = self.warm.contender(&portals, 4);
        apart(async || broadcast::turn(&contender, &warm, &self.servers).await)
    }

    async fn their_turn(&self, round: usize) -> Turn {
        let pair = Nchan::starts(&self.redis).await;
        let contender = pair.contender(&format!("round-{round}"), STREAMS);
        let warm = pair.contender(&format!("warm-{round}"), 8);
        apart(async || broadcast::turn(&contender, &warm, &self.servers).await)
    }

    async fn delays(&self) -> Vec<Delay> {
        let portals = self.pair().await;
        let doors: Vec<Door> =
            self.small.iter().flat_map(|employer| employer.doors(&portals, 2)).collect();
        let place = (address_of(&portals[0]), self.world.databases.superuser_url.as_str());
        apart(async || {
            let crowd = Crowd::listens(&doors).await;
            let mut delays = Vec::new();
            for rate in RATES {
                delays.push(delay::measure(&crowd, (&doors, &self.small), place, rate).await);
            }
            delays
        })
    }
}

/// Does what measures on a thread of its own, which has a core of its own where there are two.
fn apart<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    let measure = || {
        if let Some(core) = environment::bench_core() {
            processes::moves_to_core(&core);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work())
    };
    thread::scope(|scope| scope.spawn(measure).join().expect("it was measured"))
}

/// The machine's clock, in microseconds: Postgres says by it when it committed.
#[expect(clippy::disallowed_methods, reason = "servers under measurement have the real time too")]
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}
