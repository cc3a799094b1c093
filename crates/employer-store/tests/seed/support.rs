//! A database, the day, and the way into a tenant as one of its members.

use employer_store::identity::{self, Membership};
use employer_store::jobs::{self, JobFilter};
use employer_store::seed::SeedReport;
use employer_store::testing::{self, TestDatabase};
use employer_store::{DatabaseSettings, TenantDb, TenantTx};
use tenancy::{Actor, Evidence, JobView, TenantScope};
use time::OffsetDateTime;

#[expect(clippy::disallowed_methods, reason = "the runner of the tests says where the server is")]
pub(crate) async fn database() -> TestDatabase {
    let url = std::env::var("PORTAL_TEST_PG_SUPERUSER_URL").expect(
        "no PostgreSQL to test with: run `cargo xtask test`, which starts one and sets \
         PORTAL_TEST_PG_SUPERUSER_URL",
    );
    testing::provision_database(&url).await.unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "dates of the data are laid around the day of the test"
)]
pub(crate) fn today() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

pub(crate) fn owner(database: &TestDatabase) -> DatabaseSettings {
    TestDatabase::settings(&database.owner_url)
}

pub(crate) async fn membership(db: &TenantDb, subject: &str, org: &str) -> Membership {
    let org = org.parse().unwrap();
    identity::find_membership(db, subject, &org).await.unwrap().expect("they are a member")
}

#[expect(clippy::disallowed_methods, reason = "a test may act in the tenant that it has just made")]
pub(crate) async fn begin(db: &TenantDb, member: &Membership) -> TenantTx {
    let evidence = Evidence::SystemTask("test");
    let scope = TenantScope::from_verified(member.tenant, member.org.clone(), evidence);
    db.begin_read(&scope).await.unwrap()
}

pub(crate) async fn count(tx: &mut TenantTx, filter: JobFilter) -> i64 {
    jobs::count_jobs(tx, JobView::All, &filter).await.unwrap()
}

pub(crate) fn made(report: &SeedReport) -> [u64; 7] {
    let SeedReport { tenants, people, memberships, jobs, locations, skills, team, .. } = report;
    [*tenants, *people, *memberships, *jobs, *locations, *skills, *team]
}

#[expect(clippy::disallowed_methods, reason = "a test may act in the tenant that it has just made")]
pub(crate) async fn begin_write(db: &TenantDb, member: &Membership) -> TenantTx {
    let evidence = Evidence::SystemTask("test");
    let scope = TenantScope::from_verified(member.tenant, member.org.clone(), evidence);
    let actor = Actor::Member { user: member.user, role: member.role };
    db.begin(&scope, &actor).await.unwrap()
}
