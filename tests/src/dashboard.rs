//! The dashboard load: how often the cache answers while people look at jobs and some change them.
//!
//! Visitors open dashboards, each with several requests at once, and look around afterwards;
//! between them some write, at a fixed share of all requests. What is counted is answers, so that
//! the figures do not depend on how fast the machine is.
//!
//! The hit rate and the loads are the portal's own counters, before and after. Which reads missed
//! and why is what the load itself saw: a read is a miss because nobody had asked before, because
//! a write had dropped the answer, or because its time was over. A dropped answer that comes back
//! the same was dropped needlessly; those say what finer tags could save at most.
//!
//! Times to live run on while the load does, so how fast the machine is decides how many answers
//! grow too old; a report says how many those were.

mod kinds;
mod mix;
mod office;
mod recollection;
mod report;
mod rules;
mod tally;

pub use kinds::{Kind, WriteKind};
pub use report::{Figures, Report, Writes};
pub use tally::{Seen, Tally};

use std::sync::atomic::{AtomicU64, Ordering};

use employer_store::seed::{self, LoadPlan};
use employer_store::testing::{TestDatabase, provision_database_for};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::Value;
use time::OffsetDateTime;

use self::mix::Mix;
use self::office::{Office, Person};
use self::recollection::Recollection;
use crate::client::Browser;
use crate::environment;
use crate::identity::IdentityProvider;
use crate::portal::{Portal, Redis};
use crate::tenant::Databases;

/// The data: 50 tenants by Zipf's law, of which the largest has some 8,900 jobs.
pub const PLAN: LoadPlan = LoadPlan { jobs: 40_000, tenants: 50, zipf: true, seed: 4 };

/// People who are there at the same time.
pub const VISITORS: usize = 8;

/// Tenants and people that are made ready at a time.
const AT_ONCE: usize = 4;

/// A portal with tenants, their people signed in, and what has been seen of its cache.
#[derive(Debug)]
pub struct Dashboard {
    portal: Portal,
    offices: Vec<Office>,
    recollection: Recollection,
}

impl Dashboard {
    /// Makes the data, starts the portal and signs everybody in.
    pub async fn set_up() -> Self {
        let superuser = environment::postgres_superuser_url();
        let database = provision_database_for(&superuser, "dashboard").await.unwrap();
        let directory = generate(&database).await;
        let databases = Databases {
            app_url: database.app_url,
            worker_url: database.worker_url,
            public_url: database.public_url,
            ops_url: database.ops_url,
            superuser_url: database.superuser_url,
        };
        // Enough for everybody at once: what is refused would be in no statistics.
        let settings = [
            ("PORTAL__DATABASE__MAX_CONNECTIONS", "16"),
            ("PORTAL__DATABASE__ACQUIRE_TIMEOUT_MS", "30000"),
            ("PORTAL__DATABASE__STATEMENT_TIMEOUT_MS", "30000"),
            ("PORTAL__CACHE__LOAD_QUEUE_TIMEOUT_MS", "20000"),
        ];
        let portal = Portal::spawn_with(&databases, Redis::Shared, &settings).await;
        let provider = IdentityProvider::default();
        let offices: Vec<Office> = stream::iter(directory.organizations.iter().enumerate())
            .map(|(index, organization)| {
                Office::open(index, organization, &directory, &provider, &portal)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let recollection = Recollection::default();
        for office in &offices {
            let of_some = office.people.iter().filter(|person| person.sees_only_some);
            of_some.for_each(|one| recollection.sees_only(office.index, &one.view, &one.jobs));
        }
        Self { portal, offices, recollection }
    }

    /// How many people are signed in.
    pub fn people(&self) -> usize {
        self.offices.iter().map(|office| office.people.len()).sum()
    }

    /// Sends requests that are not counted, so that the cache has what people ask for.
    pub async fn fills(&self, requests: u64) {
        self.visit(Writes { percent: 5, one_to_a_job_of: 1 }, requests, 2).await;
    }

    /// Sends `requests` requests with these writes among them, after some that are not counted.
    pub async fn runs(&self, writes: Writes, warm_up: u64, requests: u64) -> Report {
        self.visit(writes, warm_up, 0).await;
        self.recollection.forgets_the_count();
        let looker = self.portal.browser();
        let before = Figures::read(&looker).await;
        self.visit(writes, requests, 1).await;
        let portal = Figures::read(&looker).await.since(before);
        Report { writes, portal, seen: self.recollection.count() }
    }

    async fn visit(&self, writes: Writes, requests: u64, round: u64) {
        let left = AtomicU64::new(requests);
        let visitors = (0_u64..).take(VISITORS).map(|visitor| {
            // The same questions in each run; what differs is who comes first.
            let rng = StdRng::seed_from_u64(PLAN.seed ^ (round << 32) ^ visitor);
            self.visitor(Mix::new(rng, writes), &left)
        });
        join_all(visitors).await;
    }

    async fn visitor(&self, mut mix: Mix, left: &AtomicU64) {
        while left.load(Ordering::Relaxed) > 0 {
            let office = &self.offices[mix.office(self.offices.len())];
            let person = &office.people[mix.any(office.people.len())];
            let opening = mix.opening(person);
            let session = person.browser.get("/api/session");
            let (session, ()) =
                tokio::join!(session, self.ask_all(office.index, person, &opening, left));
            let _ = session.expect(200);
            mix.owes_for(opening.len());
            for _ in 0..mix.glances() {
                let question = mix.glance(office, person);
                self.ask_all(office.index, person, &[question], left).await;
                mix.owes_for(1);
            }
            while mix.must_write() {
                self.write(&mut mix, left).await;
            }
        }
    }

    /// Asks at the same time, as a page does.
    async fn ask_all(
        &self,
        office: usize,
        person: &Person,
        questions: &[(Kind, String)],
        left: &AtomicU64,
    ) {
        let asked = questions.iter().map(async |(kind, path)| {
            take(left);
            let glimpse = self.recollection.begins(office, &person.view, *kind, path);
            let answer = person.browser.get(path).await.expect(200);
            self.recollection.saw(glimpse, &answer);
        });
        join_all(asked).await;
    }

    async fn write(&self, mix: &mut Mix, left: &AtomicU64) {
        let office = &self.offices[mix.office(self.offices.len())];
        let editor = &office.editors[mix.any(office.editors.len())];
        let write = mix.write(office);
        take(left);
        let under_way = self.recollection.begins_to_write(office.index, &write);
        let method = if write.kind == WriteKind::Edit { Method::PATCH } else { Method::POST };
        let job = send(editor, method, &write.path, &write.body).await;
        self.recollection.has_written(&under_way, job.as_ref());
    }
}

/// One request less to go.
fn take(left: &AtomicU64) {
    // Saturating: visitors finish what they have begun.
    let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
}

/// Writes; answers the job afterwards, or nothing where that was refused.
async fn send(editor: &Browser, method: Method, path: &str, body: &Value) -> Option<Value> {
    let request = editor.request(method, path).header("If-Match", "*").json(body);
    let answer = editor.send(request).await;
    assert!(answer.status.as_u16() < 500, "{path}: {}", answer.text);
    answer.status.is_success().then(|| answer.json())
}

async fn generate(database: &TestDatabase) -> seed::SignInDirectory {
    #[expect(clippy::disallowed_methods, reason = "the portal under load has the real time too")]
    let now = OffsetDateTime::now_utc();
    let owner = TestDatabase::settings(&database.owner_url);
    seed::generate_load(&owner, &PLAN, now, |_| {}).await.unwrap().directory
}
