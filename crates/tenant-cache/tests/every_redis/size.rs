//! What a purge costs a tenant with a million values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use redis_provider::{Command, Metered, SetOptions};
use tenancy::{EventKind, Feature, TenantScope};
use tenant_cache::{CacheSettings, Operation, Outcome, PurgeTarget};
use uuid::Uuid;

use crate::fixture::{Fixture, Kind, LIMIT, tenant};
use crate::instance::{Instance, page_key};

const MANY: usize = 1_000_000;
const FEW: usize = 10;

/// Those of the many that are read before and after.
const SAMPLE: usize = 100;

/// Copies that a server makes at a time; it does nothing else meanwhile.
const BATCH: usize = 10_000;

/// Copies a value under numbered keys of the same slot.
const COPY: &str = "local value = redis.call('GET', KEYS[1]) \
    for number = ARGV[2], ARGV[3] do \
        redis.call('SET', ARGV[1] .. number, value, 'PX', 600000) \
    end \
    return redis.call('DBSIZE')";

/// What drops a tenant's values.
#[derive(Clone, Copy, Debug)]
enum Action {
    Purge(PurgeTarget),
    Event(EventKind, Option<Uuid>),
}

/// Somebody with so many pages of a list, which the cache has stored.
struct Tenant {
    scope: TenantScope,
    pages: usize,
}

/// What the service was asked for: calls and commands by name, and the provider's own count.
type Asked = (BTreeMap<&'static str, u64>, u64);

pub(crate) async fn a_purge_of_a_million_values_costs_what_one_of_ten_does(fixture: Fixture) {
    let fixture = fixture.of_its_own().await;
    let metered = Arc::new(Metered::new(fixture.provider().await));
    // Without messages to others, so that everything it sends is the purge.
    let here = Instance::over(metered, CacheSettings::default(), None);
    let there = fixture.instance_without_process_level().await;
    let small = Tenant { scope: tenant(), pages: FEW };
    let large = Tenant { scope: tenant(), pages: SAMPLE };
    let began = Instant::now();
    for tenant in [&small, &large] {
        tenant.is_answered(&there, Outcome::Miss).await;
    }
    copies(&fixture, &there, &large.scope).await;
    let values = there.service.info().await.unwrap().keys.unwrap();
    assert!(values >= u64::try_from(MANY).unwrap(), "{values} keys");
    println!("{:?}: {values} keys after {:?}", fixture.kind(), began.elapsed());

    // A service may have to be sent a script before it can be asked to run it.
    here.purges(&tenant(), PurgeTarget::Everything).await;
    for (action, groups) in [
        (Action::Purge(PurgeTarget::Everything), 1..=1),
        (Action::Purge(PurgeTarget::Feature(Feature::Jobs)), 1..=1),
        (Action::Purge(PurgeTarget::Operation(Operation::JobsList)), 1..=1),
        (Action::Event(EventKind::TenantSuspended, None), 1..=1),
        (Action::Event(EventKind::JobUpdated, Some(Uuid::now_v7())), 1..=10),
    ] {
        let of_few = asked_for(&here, &there, &small, action).await;
        let of_many = asked_for(&here, &there, &large, action).await;
        assert_eq!(of_few, of_many, "{action:?}");
        // A command for each group that it drops, in one round trip, and nothing else.
        let (calls, commands) = of_many;
        assert!(groups.contains(&commands), "{action:?}: {commands} commands");
        let expected = BTreeMap::from([("pipeline", 1), ("pipeline.evaluate", commands)]);
        assert_eq!(calls, expected, "{action:?}");
    }
    // Nothing was looked for and deleted: what cannot be served any more goes by its time to live.
    let left = there.service.info().await.unwrap().keys.unwrap();
    assert!(left >= u64::try_from(MANY).unwrap(), "{left} keys");
    println!("{:?}: done after {:?}", fixture.kind(), began.elapsed());
}

/// Drops a tenant's values, all of which were there and none of which is afterwards; what that
/// took.
async fn asked_for(here: &Instance, there: &Instance, tenant: &Tenant, action: Action) -> Asked {
    tenant.is_answered(there, Outcome::Hit).await;
    let commands = || here.service.report().cost.commands;
    here.asked.reset();
    let before = commands();
    let began = Instant::now();
    match action {
        Action::Purge(target) => drop(here.purges(&tenant.scope, target).await),
        Action::Event(kind, subject) => {
            here.cache.invalidate(&tenant.scope, kind, subject).await.unwrap();
        }
    }
    println!("{action:?} took {:?}", began.elapsed());
    let asked = (here.asked.counts(), commands() - before);
    tenant.is_answered(there, Outcome::Miss).await;
    asked
}

impl Tenant {
    /// Reads the pages, and expects them to be there or not; they are stored afterwards.
    async fn is_answered(&self, instance: &Instance, expected: Outcome) {
        for page in 0..self.pages {
            let answer = instance.answer(&self.scope, &format!("c{page}"), "a short row").await;
            assert_eq!(answer.outcome, expected, "page {page}");
        }
        for page in 0..self.pages {
            instance.waits_until_stored(&page_key(&self.scope, &format!("c{page}"))).await;
        }
    }
}

/// Gives a tenant as many values as make a million. They are copies of one that the cache has
/// stored, under keys as the cache makes them: of the right size at the right place, which is all
/// that a purge could have to do with. As values of other keys they could not be served, so the
/// pages that are read before and after are not among them.
async fn copies(fixture: &Fixture, instance: &Instance, scope: &TenantScope) {
    let (model, prefix) = (page_key(scope, "c0"), page_key(scope, "c"));
    if fixture.kind() == Kind::Memory {
        let value = instance.stored(&model).await.unwrap();
        let numbers: Vec<usize> = (SAMPLE..MANY).collect();
        for batch in numbers.chunks(1_000) {
            let options = SetOptions::with_ttl(30 * LIMIT);
            let set = |number| Command::Set(format!("{prefix}{number}"), value.clone(), options);
            instance.service.pipeline(batch.iter().map(set).collect()).await.unwrap();
        }
        return;
    }
    // By the server itself, which is also behind the REST service.
    for first in (SAMPLE..MANY).step_by(BATCH) {
        let (first, last) = (first.to_string(), (first + BATCH).min(MANY).to_string());
        let call = ["eval", COPY, "1", model.as_str(), prefix.as_str(), &first, &last];
        let answer = fixture.server().ask_holder_of(model.as_str(), &call).await;
        assert!(answer.parse::<usize>().is_ok(), "{answer}");
    }
}
