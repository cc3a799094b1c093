//! Answers of real clusters, wrong ones, and random ones.

use proptest::prelude::*;

use super::*;

fn asked() -> Address {
    Address::new("seed.example.com", 6379)
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn node(host: Value, port: i64, metadata: &[(&str, &str)]) -> Value {
    let metadata = metadata.iter().flat_map(|(key, value)| [text(key), text(value)]).collect();
    Value::Array(vec![host, Value::Integer(port), text("id"), Value::Array(metadata)])
}

fn range(first: i64, last: i64, nodes: impl IntoIterator<Item = Value>) -> Value {
    let mut parts = vec![Value::Integer(first), Value::Integer(last)];
    parts.extend(nodes);
    Value::Array(parts)
}

fn plain(port: i64) -> Value {
    node(text("h"), port, &[])
}

fn parse(ranges: Vec<Value>) -> Result<Topology, RedisError> {
    Topology::parse(Value::Array(ranges), &asked())
}

#[test]
fn slots_have_owners_and_owners_have_replicas() {
    let topology = parse(vec![
        range(0, 99, [plain(1), plain(2)]),
        range(100, 100, [plain(3)]),
        range(200, 16383, [plain(1), plain(2), plain(4)]),
    ])
    .unwrap();
    let ports: Vec<u16> = topology.members.iter().map(|member| member.address.port).collect();
    assert_eq!(ports, [1, 2, 3, 4]);
    let primaries: Vec<_> = topology.members.iter().map(|member| member.primary).collect();
    assert_eq!(primaries, [None, Some(0), None, Some(0)]);
    let owner = |slot: usize| topology.owners[slot];
    assert_eq!([owner(0), owner(99), owner(100), owner(200), owner(16383)], [0, 0, 2, 0, 0]);
    assert_eq!([owner(101), owner(199)], [NOBODY, NOBODY]);
    assert_eq!(topology.coverage(), SLOTS - 99);
    assert_eq!(parse(Vec::new()).unwrap().coverage(), 0);
}

#[test]
fn names_go_before_addresses_and_the_asked_one_stands_in() {
    for (host, metadata, expected, aliases) in [
        (text("10.0.0.1"), &[("hostname", "n1.example.com")][..], "n1.example.com", 1),
        (text("n1.example.com"), &[("ip", "10.0.0.1")][..], "n1.example.com", 1),
        (text("10.0.0.1"), &[("hostname", "")][..], "10.0.0.1", 0),
        (text("?"), &[("ip", "10.0.0.1")][..], "10.0.0.1", 0),
        (text("?"), &[][..], "seed.example.com", 0),
        (text(""), &[("ip", "10.0.0.1")][..], "seed.example.com", 1),
        (Value::Null, &[][..], "seed.example.com", 0),
    ] {
        let topology = parse(vec![range(0, 1, [node(host.clone(), 7001, metadata)])]).unwrap();
        let [member] = &topology.members[..] else { panic!("{topology:?}") };
        assert_eq!(member.address, Address::new(expected, 7001), "{host:?} {metadata:?}");
        assert_eq!(member.aliases.len(), aliases, "{host:?} {metadata:?}");
    }
    // Redis 6 tells no more than address, port and id.
    let old = Value::Array(vec![text("10.0.0.1"), Value::Integer(7001), text("id")]);
    let topology = parse(vec![range(0, 1, [old])]).unwrap();
    assert_eq!(topology.members[0].address, Address::new("10.0.0.1", 7001));
    // RESP3 may tell it as a map.
    let map =
        [("hostname", "n1.example.com")].into_iter().collect::<std::collections::HashMap<_, _>>();
    let map = fred::types::Map::try_from(map).unwrap();
    let new = vec![text("10.0.0.1"), Value::Integer(7001), text("id"), Value::Map(map)];
    let topology = parse(vec![range(0, 1, [Value::Array(new)])]).unwrap();
    assert_eq!(topology.members[0].address, Address::new("n1.example.com", 7001));
}

#[test]
fn what_no_cluster_says_is_refused() {
    let nodes = || [plain(1)];
    for wrong in [
        text("OK"),
        Value::Null,
        Value::Array(vec![text("x")]),
        Value::Array(vec![range(0, 16384, nodes())]),
        Value::Array(vec![range(-1, 5, nodes())]),
        Value::Array(vec![range(6, 5, nodes())]),
        Value::Array(vec![range(0, 5, [])]),
        Value::Array(vec![range(0, 5, nodes()), range(5, 6, nodes())]),
        Value::Array(vec![range(0, 5, [plain(0)])]),
        Value::Array(vec![range(0, 5, [plain(65536)])]),
        Value::Array(vec![range(0, 5, [text("h:1")])]),
        Value::Array((0..2500).map(|slot| range(slot, slot, [plain(slot + 1)])).collect()),
    ] {
        let refused = Topology::parse(wrong.clone(), &asked());
        assert!(matches!(refused, Err(RedisError::Protocol(_))), "{wrong:?}");
    }
}

/// Ends of ranges that divide all slots, and the owner of each.
fn partitions() -> impl Strategy<Value = Vec<(usize, i64)>> {
    prop::collection::btree_set(1..SLOTS, 0..40).prop_flat_map(|ends| {
        let ends: Vec<usize> = ends.into_iter().chain([SLOTS]).collect();
        let owners = prop::collection::vec(1..20_i64, ends.len());
        owners.prop_map(move |owners| ends.iter().copied().zip(owners).collect())
    })
}

fn ranges(partition: &[(usize, i64)]) -> Vec<Value> {
    let mut first = 0;
    let mut ranges = Vec::new();
    for (end, owner) in partition {
        let (start, last) = (i64::try_from(first).unwrap(), i64::try_from(*end - 1).unwrap());
        ranges.push(range(start, last, [plain(*owner), plain(owner + 100)]));
        first = *end;
    }
    ranges
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        (-2..16390_i64).prop_map(Value::Integer),
        ".{0,6}".prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| prop::collection::vec(inner, 0..6).prop_map(Value::Array))
}

proptest! {
    #[test]
    fn every_slot_goes_to_the_owner_of_its_range(partition in partitions()) {
        let topology = parse(ranges(&partition)).unwrap();
        prop_assert_eq!(topology.coverage(), SLOTS);
        let mut first = 0;
        for (end, owner) in &partition {
            for slot in [first, end - 1] {
                let member = &topology.members[usize::from(topology.owners[slot])];
                prop_assert_eq!(i64::from(member.address.port), *owner);
                prop_assert_eq!(member.primary, None);
            }
            first = *end;
        }
    }

    #[test]
    fn the_order_of_ranges_does_not_matter(partition in partitions()) {
        let one = parse(ranges(&partition)).unwrap();
        let mut reversed = ranges(&partition);
        reversed.reverse();
        prop_assert!(one.agrees_with(&parse(reversed).unwrap()));
        let mut other = partition;
        other[0].1 = 50;
        prop_assert!(!one.agrees_with(&parse(ranges(&other)).unwrap()));
    }

    #[test]
    fn nothing_makes_it_panic(value in values()) {
        let _answer_or_error = Topology::parse(value, &asked());
    }
}
