//! Whatever is written, every answer that it changes is dropped: random writes, and after each of
//! them every list, figure, facet and job in every view is what the database says.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod questions;
mod writes;

use std::time::Duration;

use employer_store::testing::TestDatabase;
use employer_store::{DatabaseSettings, TenantDb};
use futures_util::future::join_all;
use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::{Tenant, World};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tenancy::{Evidence, JobView, Role, TenantId, TenantScope, UserId};

use self::questions::{Question, Reader};
use self::writes::Writer;

/// Writes for each seed.
const WRITES: usize = 20;

#[tokio::test]
async fn whatever_is_written_no_answer_is_older() {
    for seed in [1, 2] {
        run(seed).await;
    }
}

async fn run(seed: u64) {
    let world = World::shared().await;
    let tenant = world.tenant().await;
    let portal = Portal::spawn(&world.databases, Redis::Memory).await;
    let settings: DatabaseSettings = TestDatabase::settings(&world.databases.app_url);
    let db = TenantDb::connect_lazily(&settings).unwrap();
    let manager = tenant.user(Role::HiringManager).await;
    let mut readers = Vec::new();
    for (role, view) in [
        (Role::Admin, JobView::All),
        (Role::Viewer, JobView::Published),
        (Role::HiringManager, JobView::Assigned(UserId::from_uuid(manager))),
    ] {
        let browser = tenant.signs_in(&portal, role).await;
        readers.push(Reader { browser, view, db: db.clone(), scope: scope(&tenant) });
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let mut writer = Writer::new(
        tenant.signs_in(&portal, Role::Owner).await,
        tenant.instant_in(Duration::from_secs(60 * 24 * 3600)),
    );
    for number in 0..6 {
        let job = writer.creates(&mut rng).await;
        if number % 3 == 0 {
            tenant.assigns(Role::HiringManager, &job, "view").await;
        }
    }

    let (mut reads, mut hits) = (0_usize, 0_usize);
    let mut last = "nothing".to_owned();
    for _ in 0..=WRITES {
        let questions = Question::all(&writer.jobs);
        let compared = readers.iter().map(async |reader| {
            let mut hits = 0;
            for question in &questions {
                let (found, is_hit) = reader.asks(question).await;
                hits += usize::from(is_hit);
                let truth = reader.looks_up(question).await;
                assert_eq!(found, truth, "seed {seed}, {:?}: {question} after {last}", reader.view);
            }
            hits
        });
        hits += join_all(compared).await.into_iter().sum::<usize>();
        reads += questions.len() * readers.len();
        last = writer.writes(&mut rng).await;
    }
    // What is always dropped is never wrong; nor is it a cache.
    assert!(hits * 3 > reads, "{hits} hits in {reads} reads");
}

fn scope(tenant: &Tenant) -> TenantScope {
    #[expect(clippy::disallowed_methods, reason = "the tenant is the test's own")]
    TenantScope::from_verified(
        TenantId::from_uuid(tenant.id),
        tenant.org.parse().unwrap(),
        Evidence::SystemTask("test"),
    )
}
