use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use tenancy::{Evidence, Feature, OrgId, TenantId, TenantKey, TenantScope};
use uuid::Uuid;

use super::*;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A value of so many bytes that knows what it is.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    number: usize,
    bytes: usize,
}

impl Weighed for Page {
    fn weight(&self) -> usize {
        self.bytes
    }

    fn twin(value: &Arc<Self>) -> Arc<Self> {
        Arc::new(Self { ..**value })
    }
}

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope(org: &OrgId) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::nil());
    TenantScope::from_verified(tenant, org.clone(), Evidence::SystemTask("test"))
}

fn org(name: &str) -> OrgId {
    format!("org_{name}").parse().unwrap()
}

fn key(org: &OrgId, number: usize) -> TenantKey {
    scope(org).key(Feature::Jobs, "list").part(&number.to_string()).build()
}

fn page(number: usize, bytes: usize) -> Arc<Page> {
    Arc::new(Page { number, bytes })
}

fn shelves(max_bytes: usize, max_tenant_share: f64) -> Shelves<Page> {
    Shelves::with_replicas(ShelfSettings { max_bytes, max_tenant_share }, 2)
}

impl Shelves<Page> {
    /// Every entry, which has to be the same in all replicas, and add up to what is accounted for.
    fn entries(&self) -> HashMap<Arc<str>, usize> {
        let accounts = self.lock();
        let mut of_replicas = self.replicas.iter().map(|replica| {
            let keys = (0..replica.shards()).flat_map(|shard| replica.select(shard, |_| true));
            let number = |key: &str| replica.find(self.hash(key), key, |_, page| page.number);
            keys.map(|key| (Arc::clone(&key), number(&key).unwrap())).collect()
        });
        let entries: HashMap<_, _> = of_replicas.next().unwrap();
        assert!(of_replicas.all(|others| others == entries), "replicas differ");
        let bytes = |key: &str| {
            let found = self.replicas[0].find(self.hash(key), key, |card, page| {
                assert_eq!(card.bytes, page.bytes + self.overhead(key));
                card.bytes
            });
            found.unwrap()
        };
        let sum =
            Usage { entries: entries.len(), bytes: entries.keys().map(|key| bytes(key)).sum() };
        assert_eq!(accounts.total(), sum);
        let usage = accounts.usage();
        assert_eq!(usage.iter().map(|(_, usage)| usage.bytes).sum::<usize>(), sum.bytes);
        assert_eq!(usage.iter().map(|(_, usage)| usage.entries).sum::<usize>(), sum.entries);
        entries
    }
}

#[test]
fn what_is_put_is_found_by_its_key_until_it_is_removed() {
    let (a, b) = (org("a"), org("b"));
    let shelves = shelves(MIB, 1.0);
    shelves.put(&a, &key(&a, 1), page(1, 10));
    shelves.put(&b, &key(&b, 1), page(2, 10));
    assert_eq!(shelves.get(&key(&a, 1)).unwrap().number, 1);
    assert_eq!(shelves.get(&key(&b, 1)).unwrap().number, 2);
    assert_eq!(shelves.get(&key(&a, 2)), None);

    shelves.put(&a, &key(&a, 1), page(3, 20));
    assert_eq!(shelves.with(&key(&a, 1), |page| page.number), Some(3));
    assert_eq!(shelves.total().entries, 2);
    shelves.remove(&key(&a, 1));
    shelves.remove(&key(&a, 1));
    assert_eq!(shelves.get(&key(&a, 1)), None);
    assert_eq!(shelves.usage(), [(b, shelves.total())]);
    assert_eq!(shelves.entries().len(), 1);
    assert_eq!(shelves.evictions(), Evictions::default());
}

#[test]
fn a_tenant_that_fills_its_share_leaves_the_hit_rate_of_another_as_it_was() {
    let (quiet, greedy) = (org("quiet"), org("greedy"));
    let shelves = shelves(64 * MIB, 0.25);
    let keys: Vec<TenantKey> = (0..1000).map(|number| key(&quiet, number)).collect();
    let hits = || keys.iter().filter(|key| shelves.get(key).is_some()).count();
    // More than fits, so that the rate is not simply 1.
    for (number, key) in keys.iter().enumerate() {
        shelves.put(&quiet, key, page(number, 20 * KIB));
    }
    let before = hits();
    assert!((700..900).contains(&before), "{before}");

    for number in 0..10_000 {
        shelves.put(&greedy, &key(&greedy, number), page(number, 10 * KIB));
    }
    assert_eq!(hits(), before);
    let usage: HashMap<OrgId, Usage> = shelves.usage().into_iter().collect();
    assert!(usage[&greedy].bytes <= 16 * MIB && usage[&greedy].bytes > 15 * MIB);
    assert_eq!(shelves.evictions().of_all, 0);
    shelves.entries();
}

#[test]
fn where_all_is_full_the_tenant_that_has_most_makes_room() {
    let shelves = shelves(10 * MIB, 0.5);
    let orgs: Vec<OrgId> = (0..20).map(|number| org(&format!("t{number}"))).collect();
    let fill = |org: &OrgId, entries: usize| {
        for number in 0..entries {
            shelves.put(org, &key(org, number), page(number, 10 * KIB));
        }
    };
    let of = |org: &OrgId| shelves.lock().usage_of(org).entries;
    // Twenty tenants with a little, then two with all that they can get.
    for org in &orgs {
        fill(org, 10);
    }
    let (first, second) = (org("first"), org("second"));
    fill(&first, 5000);
    fill(&second, 5000);
    assert!(orgs.iter().all(|org| of(org) == 10));
    assert!(of(&first).abs_diff(of(&second)) <= 5, "{} and {}", of(&first), of(&second));
    assert!(shelves.total().bytes <= 10 * MIB && shelves.total().bytes > 9 * MIB);
    assert!(shelves.evictions().of_all > 0);
    shelves.entries();
}

#[test]
fn a_crawl_leaves_what_is_read_again_and_again() {
    let a = org("a");
    let shelves = shelves(MIB, 1.0);
    let read_or_put = |number: usize| {
        let key = key(&a, number);
        let is_hit = shelves.get(&key).is_some();
        if !is_hit {
            shelves.put(&a, &key, page(number, KIB));
        }
        is_hit
    };
    for expected in [0, 300, 300] {
        assert_eq!((0..300).filter(|number| read_or_put(*number)).count(), expected);
    }
    let mut hits = 0;
    for number in 0..10_000 {
        read_or_put(1000 + number);
        hits += usize::from(read_or_put(number % 300));
    }
    assert!(hits > 9_900, "{hits}");
}

#[test]
fn what_is_larger_than_a_share_is_not_kept_nor_is_what_its_key_had() {
    let a = org("a");
    let shelves = shelves(MIB, 0.5);
    shelves.put(&a, &key(&a, 1), page(1, KIB));
    shelves.put(&a, &key(&a, 2), page(2, KIB));
    shelves.put(&a, &key(&a, 1), page(1, MIB / 2));
    assert_eq!(shelves.get(&key(&a, 1)), None);
    assert_eq!(shelves.entries().len(), 1);
    let none = Shelves::new(ShelfSettings { max_bytes: 0, max_tenant_share: 1.0 });
    none.put(&a, &key(&a, 1), page(1, 1));
    assert_eq!((none.total(), none.usage()), (Usage::default(), vec![]));
}

#[test]
fn a_tenant_is_cleared_and_the_others_are_not() {
    let (a, b) = (org("a"), org("b"));
    let shelves = shelves(64 * MIB, 1.0);
    for number in 0..1000 {
        shelves.put(&a, &key(&a, number), page(number, 100));
        shelves.put(&b, &key(&b, number), page(number, 100));
    }
    shelves.clear_tenant(&a);
    shelves.clear_tenant(&org("nobody"));
    assert_eq!(shelves.get(&key(&a, 1)), None);
    assert_eq!(shelves.usage(), [(b, shelves.total())]);
    assert_eq!(shelves.entries().len(), 1000);
}

#[test]
fn what_is_over_is_swept() {
    let a = org("a");
    let shelves = shelves(MIB, 1.0);
    (0..100).for_each(|number| shelves.put(&a, &key(&a, number), page(number, 100)));
    assert_eq!(shelves.sweep(|page| page.number % 2 == 0), 50);
    assert_eq!(shelves.sweep(|page| page.number % 2 == 0), 0);
    assert!(shelves.entries().values().all(|number| number % 2 == 1));
}

#[test]
fn entries_that_are_replaced_for_ever_leave_nothing_behind() {
    let a = org("a");
    let shelves = shelves(MIB, 1.0);
    for number in 0..10_000 {
        shelves.put(&a, &key(&a, number % 7), page(number, 100));
    }
    assert_eq!(shelves.entries().len(), 7);
    assert!(shelves.lock().cards() < 200, "{}", shelves.lock().cards());
}

#[test]
fn threads_that_read_store_and_drop_at_once_leave_it_whole() {
    let shelves = Arc::new(shelves(MIB, 0.4));
    let orgs: Vec<OrgId> = ["a", "b", "c"].map(org).to_vec();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                let (shelves, orgs) = (Arc::clone(&shelves), &orgs);
                threads.spawn(move || {
                    for step in 0..3000_usize {
                        let number = (step * 31 + thread * 7) % 400;
                        let org = &orgs[step % 3];
                        match step % 17 {
                            0 => shelves.remove(&key(org, number)),
                            1 if step % 500 == 1 => shelves.clear_tenant(org),
                            2 if step % 300 == 2 => drop(shelves.sweep(|page| page.number < 50)),
                            _ => shelves.put(org, &key(org, number), page(number, number * 20)),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            threads.spawn(|| {
                let keys: Vec<TenantKey> = (0..400).map(|number| key(&orgs[0], number)).collect();
                while !is_over.load(Ordering::Relaxed) {
                    for (number, key) in keys.iter().enumerate() {
                        assert!(shelves.get(key).is_none_or(|page| page.number == number));
                    }
                }
            });
        }
        for writer in writers {
            writer.join().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    shelves.entries();
}

#[test]
fn a_hit_allocates_nothing_and_what_is_kept_is_what_was_allocated() {
    for (entries, key_bytes) in [(700, 20), (20_000, 80), (50_000, 160)] {
        let orgs: Vec<OrgId> = (0..10).map(|number| org(&format!("t{number}"))).collect();
        let keys: Vec<TenantKey> = (0..entries)
            .map(|number| {
                let start = scope(&orgs[number % 10]).key(Feature::Jobs, "list");
                start.part(&format!("{number:0key_bytes$}")).build()
            })
            .collect();
        let shelves = shelves(1 << 40, 1.0);
        let empty = Arc::new(Page { number: 0, bytes: 0 });
        // Twins of `Page` are allocated: their bytes and those of their counts.
        let twin = size_of::<Page>() + 2 * size_of::<usize>();
        let allocated = allocation_counter::measure(|| {
            for (number, key) in keys.iter().enumerate() {
                shelves.put(&orgs[number % 10], key, Arc::clone(&empty));
            }
        });
        let expected = shelves.total().bytes + twin * entries;
        let percent = usize::try_from(allocated.bytes_current).unwrap() * 100 / expected;
        assert!((70..105).contains(&percent), "{entries}: {allocated:?} for {expected}");

        let hits = allocation_counter::measure(|| {
            assert!(keys.iter().all(|key| shelves.get(key).is_some()));
        });
        assert_eq!(hits.count_total, 0);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put { org: usize, number: usize, bytes: usize },
    Get { org: usize, number: usize },
    Remove { org: usize, number: usize },
    Clear { org: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0..3_usize, 0..12_usize);
    let put = (place(), 0..4000_usize).prop_map(|((org, number), bytes)| Step::Put {
        org,
        number,
        bytes,
    });
    let get = place().prop_map(|(org, number)| Step::Get { org, number });
    let remove = place().prop_map(|(org, number)| Step::Remove { org, number });
    let clear = (0..3_usize).prop_map(|org| Step::Clear { org });
    proptest::collection::vec(prop_oneof![8 => put, 8 => get, 2 => remove, 1 => clear], 0..150)
}

proptest! {
    /// Whatever is done, a value that is found is the last that was put, nothing that was dropped
    /// comes back, and no bound is passed.
    #[test]
    fn it_holds_the_last_values_or_none_and_keeps_its_bounds(steps in steps()) {
        let orgs = ["a", "b", "c"].map(org);
        let shelves = shelves(24 * KIB, 0.5);
        let mut last: HashMap<(usize, usize), usize> = HashMap::new();
        for (count, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put { org, number, bytes } => {
                    shelves.put(&orgs[org], &key(&orgs[org], number), page(count, bytes));
                    last.insert((org, number), count);
                    prop_assert!(shelves.get(&key(&orgs[org], number)).is_some());
                }
                Step::Get { org, number } => {
                    let found = shelves.get(&key(&orgs[org], number)).map(|page| page.number);
                    prop_assert!(found.is_none() || found == last.get(&(org, number)).copied());
                }
                Step::Remove { org, number } => {
                    shelves.remove(&key(&orgs[org], number));
                    last.remove(&(org, number));
                }
                Step::Clear { org } => {
                    shelves.clear_tenant(&orgs[org]);
                    last.retain(|(owner, _), _| *owner != org);
                    prop_assert_eq!(shelves.lock().usage_of(&orgs[org]), Usage::default());
                }
            }
            prop_assert!(shelves.total().bytes <= 24 * KIB);
            prop_assert!(shelves.usage().iter().all(|(_, usage)| usage.bytes <= 12 * KIB));
        }
        for (key, number) in shelves.entries() {
            let is_last = last.iter().any(|((org, of), count)| {
                *count == number && *key == *super::tests::key(&orgs[*org], *of).as_str()
            });
            prop_assert!(is_last);
        }
    }
}
