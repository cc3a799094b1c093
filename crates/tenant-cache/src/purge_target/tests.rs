use proptest::prelude::*;
use tenancy::{Evidence, TenantId};

use super::*;

const JOB: &str = "0191f1c0-5a5a-7000-8000-00000000abcd";

#[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
fn scope(org: &str) -> TenantScope {
    let tenant = TenantId::from_uuid(Uuid::nil());
    TenantScope::from_verified(tenant, org.parse().unwrap(), Evidence::SystemTask("test"))
}

fn of_key(key: &str) -> Result<PurgeTarget, NotAGroup> {
    PurgeTarget::of_key(&scope("org_a"), key)
}

fn of_prefix(prefix: &str) -> Result<Vec<PurgeTarget>, NotAGroup> {
    PurgeTarget::of_prefix(Feature::Jobs, prefix).map(|groups| groups.into_iter().collect())
}

fn job() -> PurgeTarget {
    PurgeTarget::Entity(Operation::JobsItem, JOB.parse().unwrap())
}

#[test]
fn a_key_leads_to_the_smallest_group_that_holds_it() {
    let list = PurgeTarget::Operation(Operation::JobsList);
    for (key, expected) in [
        ("tenant:{org_a:jobs}:list:all:0:20:::newest::::::::::".to_owned(), list),
        ("jobs:list:all:0:20:::newest::::::::::".to_owned(), list),
        (format!("jobs:list:={}", "0f".repeat(32)), list),
        ("jobs:stats:all".to_owned(), PurgeTarget::Operation(Operation::JobsStats)),
        ("search:job-facets:all".to_owned(), PurgeTarget::Operation(Operation::JobFacets)),
        (format!("jobs:item:all:{JOB}"), job()),
        (format!("tenant:{{org_a:jobs}}:item:assigned-0f:{JOB}"), job()),
    ] {
        assert_eq!(of_key(&key), Ok(expected), "{key}");
    }
}

#[test]
fn every_key_that_is_made_is_in_the_group_that_it_leads_to() {
    let scope = scope("org_a");
    let id = Uuid::now_v7();
    for operation in Operation::ALL {
        let key = match operation.entity_part() {
            None => operation.key(&scope).part("all").part("* { } : !").build(),
            Some(_) => operation.key(&scope).part("all").part(&id.to_string()).build(),
        };
        let group = PurgeTarget::of_key(&scope, key.as_str()).unwrap();
        let prefix = scope.feature_prefix(operation.feature());
        let identifier = key.as_str().strip_prefix(&prefix).unwrap();
        assert!(group.covers(operation.feature(), identifier), "{key}");
        let by_prefix = PurgeTarget::of_prefix(operation.feature(), identifier).unwrap();
        assert_eq!(by_prefix, BTreeSet::from([group]), "{key}");
    }
}

#[test]
fn what_the_cache_does_not_make_is_refused_and_never_widened() {
    use NotAGroup::{Malformed, OtherNamespace, UnknownKey, UnknownOperation};
    let stars = "*".repeat(64 * 1024);
    let long = format!("jobs:list:{}", "a".repeat(250));
    for (key, expected) in [
        ("", OtherNamespace),
        ("*", OtherNamespace),
        ("**", OtherNamespace),
        (stars.as_str(), Malformed),
        (long.as_str(), Malformed),
        ("tenant:*", OtherNamespace),
        ("tenant:{org_b:jobs}:list:all", OtherNamespace),
        ("tenant:{org_a:jobs}x:list:all", OtherNamespace),
        ("tenant:{org_a:*}:list", OtherNamespace),
        ("tenant:{org_a}:!g", OtherNamespace),
        ("tenant:org_a:jobs:list", OtherNamespace),
        ("platform:!g", OtherNamespace),
        ("sid:00", OtherNamespace),
        ("jobs", OtherNamespace),
        ("jobsx:list", OtherNamespace),
        (" jobs:list", OtherNamespace),
        ("jobs:", Malformed),
        ("jobs:*", Malformed),
        ("jobs:list:*", Malformed),
        ("jobs:list:[a-z]", Malformed),
        ("jobs:list:?", Malformed),
        ("jobs:list:\\", Malformed),
        ("jobs:list:}", Malformed),
        ("jobs:list:\u{0}", Malformed),
        ("jobs:list:\n", Malformed),
        ("jobs:list:ä", Malformed),
        ("jobs:!g", Malformed),
        ("jobs:!t:list", Malformed),
        ("tenant:{org_a:jobs}:!g", Malformed),
        ("jobs:{org_b:jobs}:list", Malformed),
        ("jobs:list2", UnknownOperation),
        ("jobs::list", UnknownOperation),
        ("jobs:job-facets:all", UnknownOperation),
        ("jobs:item", UnknownKey),
        ("jobs:item:all", UnknownKey),
        ("jobs:item:all:", UnknownKey),
        ("jobs:item:all:everything", UnknownKey),
        ("jobs:item:all:0191f1c05a5a7000800000000000abcd", UnknownKey),
        ("jobs:item:all:0191F1C0-5A5A-7000-8000-00000000ABCD", UnknownKey),
        ("jobs:item:all:0191f1c0-5a5a-7000-8000-00000000abcd:more", UnknownKey),
    ] {
        assert_eq!(of_key(key), Err(expected), "{key:.60}");
    }
}

#[test]
fn a_prefix_leads_to_the_smallest_groups_that_hold_it() {
    let feature = PurgeTarget::Feature(Feature::Jobs);
    let list = PurgeTarget::Operation(Operation::JobsList);
    let beginning = format!("item:all:{}", &JOB[..20]);
    for (prefix, expected) in [
        ("list", vec![list]),
        ("li", vec![list]),
        ("list:", vec![list]),
        ("list:all:0:20", vec![list]),
        ("stat", vec![PurgeTarget::Operation(Operation::JobsStats)]),
        ("item", vec![feature]),
        ("item:", vec![feature]),
        ("item:all:", vec![feature]),
        (beginning.as_str(), vec![feature]),
        (&format!("item:all:{JOB}"), vec![job()]),
    ] {
        assert_eq!(of_prefix(prefix), Ok(expected), "{prefix}");
    }
    for prefix in ["", "*", "l*", "list:*", "!g", "!t:list", "{", "list\n", " "] {
        assert_eq!(of_prefix(prefix), Err(NotAGroup::Malformed), "{prefix:?}");
    }
    for prefix in ["x", "listing", "lis:", "job-facets", ":", "="] {
        assert_eq!(of_prefix(prefix), Err(NotAGroup::UnknownOperation), "{prefix:?}");
    }
    for prefix in
        ["item:all:xyz", "item:all:,", &format!("item:all:{JOB}:"), &format!("item:all:{JOB}0")]
    {
        assert_eq!(of_prefix(prefix), Err(NotAGroup::UnknownKey), "{prefix:?}");
    }
}

#[test]
fn a_tag_is_an_operations_name_or_a_thing_with_its_id() {
    let of = |tag: &str| PurgeTarget::of_tag(tag).map(|groups| groups.into_iter().next().unwrap());
    assert_eq!(of("list"), Ok(PurgeTarget::Operation(Operation::JobsList)));
    assert_eq!(of("job-facets"), Ok(PurgeTarget::Operation(Operation::JobFacets)));
    assert_eq!(of(&format!("job-{JOB}")), Ok(job()));
    assert_eq!(of(&format!("job-{}", JOB.replace('-', ""))), Ok(job()));
    for tag in ["", "*", "item", "job", "job-", "job-*", "jobs", "List", "list ", "!t:list"] {
        assert_eq!(of(tag), Err(NotAGroup::UnknownTag), "{tag:?}");
    }
}

#[test]
fn a_group_takes_the_place_of_its_parts() {
    let (list, feature) =
        (PurgeTarget::Operation(Operation::JobsList), PurgeTarget::Feature(Feature::Jobs));
    let facets = PurgeTarget::Operation(Operation::JobFacets);
    let smallest = |targets: &[PurgeTarget]| {
        let all = targets.iter().copied().collect();
        PurgeTarget::without_parts(&all).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(smallest(&[list, job(), facets]), [list, facets, job()]);
    assert_eq!(smallest(&[list, job(), feature, facets]), [feature, facets]);
    assert_eq!(smallest(&[list, PurgeTarget::Everything, feature]), [PurgeTarget::Everything]);
}

#[test]
fn groups_read_as_documented() {
    let names = [PurgeTarget::Everything, PurgeTarget::Feature(Feature::Jobs), job()]
        .map(|target| target.to_string());
    assert_eq!(names, ["everything", "jobs", &format!("jobs:job-{JOB}")]);
    let generation = |target: PurgeTarget| target.generation(&scope("org_a")).key;
    assert_eq!(generation(PurgeTarget::Everything), "tenant:{org_a}:!g");
    assert_eq!(generation(PurgeTarget::Feature(Feature::Search)), "tenant:{org_a:search}:!g");
    assert_eq!(
        generation(PurgeTarget::Operation(Operation::JobsList)),
        "tenant:{org_a:jobs}:!t:list"
    );
    assert_eq!(generation(job()), "tenant:{org_a:jobs}:!t:job-0191f1c05a5a7000800000000000abcd");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_typed_only_own_generations_are_replaced(
        text in prop_oneof![
            any::<String>(),
            "(jobs|search|tenant:\\{org_[ab]:(jobs|search|\\*)\\}):[a-z*:!{}]{0,20}",
        ],
    ) {
        let own = scope("org_a");
        let groups = PurgeTarget::of_key(&own, &text).into_iter()
            .chain(PurgeTarget::of_prefix(Feature::Jobs, &text).into_iter().flatten())
            .chain(PurgeTarget::of_tag(&text).into_iter().flatten());
        for group in groups {
            let key = group.generation(&own).key;
            prop_assert!(key.starts_with("tenant:{org_a:"), "{}", key);
            prop_assert_ne!(group, PurgeTarget::Everything);
        }
    }
}
