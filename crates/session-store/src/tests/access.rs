//! Organization data, and what a change of access does to it.

use std::sync::Arc;

use redis_provider::testing::Fault;
use redis_provider::{Backplane, RedisProvider as _};
use tenancy::{Clock as _, Role};

use super::ledger::TestLedger;
use super::{Bench, away};
use crate::{AccessSignal, NewSession, OrganizationData, TOPIC, TenantStatus};

const KEY: &str = "session:00000000-0000-0000-0000-000000000007:org_9f2cA1";

fn data(role: Role) -> Arc<OrganizationData> {
    Arc::new(OrganizationData {
        role,
        role_version: 3,
        tenant_name: "Northwind Clinics".to_owned(),
        tenant_slug: "northwind".to_owned(),
        tenant_status: TenantStatus::Active,
        time_zone: "Europe/Berlin".to_owned(),
        locale: "de-DE".to_owned(),
        currency: "EUR".to_owned(),
    })
}

impl Bench {
    async fn role(&self) -> Option<Role> {
        let NewSession { user, tenant, org, .. } = self.new_session();
        self.copies.organization(user, tenant, &org).await.ok().map(|data| data.role)
    }

    async fn keep(&self, role: Role) {
        let NewSession { user, tenant, org, .. } = self.new_session();
        let question = self.copies.question();
        let at = self.clock.now();
        self.copies.keep_organization(question, (user, tenant, &org), &data(role), at).await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_kept_here_for_the_lease_and_in_redis_for_an_hour() {
    let bench = Bench::new();
    assert_eq!(bench.role().await, None);
    bench.keep(Role::Admin).await;
    assert!(bench.redis.get(KEY).await.unwrap().is_some(), "at the documented key");
    let calls = bench.recording.calls();
    assert_eq!(bench.role().await, Some(Role::Admin));
    assert_eq!(bench.recording.calls(), calls);
    bench.pass(std::time::Duration::from_mins(59)).await;
    assert_eq!(bench.role().await, Some(Role::Admin));
    bench.pass(std::time::Duration::from_mins(1)).await;
    assert_eq!(bench.role().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_here_at_once_and_elsewhere_with_the_lease() {
    let one = Bench::new();
    let two = one.another();
    one.keep(Role::Admin).await;
    two.keep(Role::Admin).await;
    let change = TestLedger::change(&one.new_session(), Vec::new());
    one.copies.apply(&change).await.unwrap();
    assert_eq!(one.role().await, None);
    two.lease_ends().await;
    assert_eq!(two.role().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_change_is_not_kept_after_it() {
    let bench = Bench::new();
    let new = bench.new_session();
    let (question, at) = (bench.copies.question(), bench.clock.now());
    bench.copies.apply(&TestLedger::change(&new, Vec::new())).await.unwrap();
    let whose = (new.user, new.tenant, &new.org);
    bench.copies.keep_organization(question, whose, &data(Role::Admin), at).await;
    assert_eq!(bench.role().await, None, "neither here");
    assert_eq!(bench.another().role().await, None, "nor in Redis");
    bench.pass(std::time::Duration::from_secs(30)).await;
    bench.keep(Role::Viewer).await;
    bench.lease_ends().await;
    assert_eq!(bench.role().await, Some(Role::Viewer));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_redis_did_not_take_is_an_error_and_is_not_believed_away() {
    let bench = Bench::new();
    bench.keep(Role::Admin).await;
    bench.redis.inject(Fault::Fail(away()));
    let change = TestLedger::change(&bench.new_session(), Vec::new());
    assert!(bench.copies.apply(&change).await.is_err());
    bench.redis.heal();
    bench.pass(std::time::Duration::from_secs(2)).await;
    assert_eq!(bench.role().await, None);
}

#[tokio::test]
async fn other_processes_and_listeners_are_told() {
    let one = Bench::new();
    let two = one.another();
    for bench in [&one, &two] {
        let backplane = Backplane::spawn(bench.redis.clone(), &[TOPIC]);
        assert!(backplane.wait_until_live().await);
        bench.copies.joins(backplane).unwrap();
    }
    two.keep(Role::Admin).await;
    let mut signals = two.copies.signals();
    let new = one.new_session();
    one.copies.apply(&TestLedger::change(&new, Vec::new())).await.unwrap();
    let heard = async {
        loop {
            if signals.recv().await.unwrap() == AccessSignal::Member(new.tenant, new.user) {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), heard).await.unwrap();
    assert!(two.copies.held_organization(new.user, new.tenant, &new.org).is_none());
}
