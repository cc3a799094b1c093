//! Nothing but what was stored at a place is ever taken for its value.

use bytes::Bytes;
use proptest::prelude::*;
use sealing::KeyRing;
use tenancy::{Evidence, Feature, ManualClock, OrgId, TenantId, TenantKey, TenantScope};
use uuid::Uuid;

use super::*;
use crate::registry::Operation;
use crate::settings::CacheSettings;

const OLD: &str = "old:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const NEW: &str = "new:QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";
const MAX_BYTES: usize = 64 << 10;

fn codec(keys: &str) -> Codec {
    let ring = (!keys.is_empty()).then(|| KeyRing::parse(&keys.into()).unwrap());
    let settings = CacheSettings { max_value_bytes: MAX_BYTES, ..CacheSettings::default() };
    Codec::unchecked(ring, &settings)
}

struct Address {
    org: OrgId,
    key: TenantKey,
    operation: Operation,
}

impl Address {
    #[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
    fn new(org: &str, operation: Operation, part: &str) -> Self {
        let org: OrgId = org.parse().unwrap();
        let tenant = TenantId::from_uuid(Uuid::nil());
        let scope = TenantScope::from_verified(tenant, org.clone(), Evidence::SystemTask("test"));
        Self { org, key: operation.key(&scope).part(part).build(), operation }
    }

    fn place(&self) -> Place<'_> {
        Place { org: &self.org, key: &self.key, operation: self.operation }
    }
}

fn stamps(count: usize) -> Vec<Stamp> {
    let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000));
    (0..count).map(|_| Stamp::mint(&clock, None)).collect()
}

fn envelope(count: usize, etag: &str, content: Content) -> Envelope {
    let at = |milliseconds| OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(milliseconds);
    Envelope {
        generations: stamps(count),
        created_at: at(1_234),
        expires_at: at(5_678),
        stale_until: at(9_999),
        load_cost: Duration::from_micros(4_321),
        content: Arc::new(Content { etag: etag.into(), ..content }),
    }
}

fn plain(body: impl Into<Bytes>) -> Content {
    Content { body: body.into(), gzip: None, etag: "".into() }
}

fn packed(body: &[u8]) -> Content {
    let gzip = Some(gzip::compress(body).unwrap());
    Content { body: Bytes::copy_from_slice(body), gzip, etag: "".into() }
}

fn reason(codec: &Codec, place: &Place<'_>, bytes: &[u8]) -> Unusable {
    codec.decode(place, Bytes::copy_from_slice(bytes)).unwrap_err()
}

/// Small bodies and large ones, some of them compressed.
fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(plain),
        (any::<u8>(), 1_100_usize..9_000).prop_map(|(byte, count)| packed(&vec![byte; count])),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![Just(Operation::JobsList), Just(Operation::SealedProbe)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_encoded_is_decoded(
        operation in operation(),
        count in 0_usize..8,
        etag in "[a-f0-9\"]{0,70}",
        content in content(),
    ) {
        let (codec, address) = (codec(NEW), Address::new("org_a", operation, "x"));
        let envelope = envelope(count, &etag, content);
        let stored = codec.encode(&address.place(), &envelope).unwrap();
        let decoded = codec.decode(&address.place(), stored).unwrap();
        prop_assert_eq!(decoded, Decoded { envelope, must_reseal: false });
    }

    /// Every byte of the stored form, the head and the generations included.
    #[test]
    fn no_changed_byte_goes_unnoticed(
        operation in operation(),
        content in content(),
        change in 1_u8..,
    ) {
        let (codec, address) = (codec(NEW), Address::new("org_a", operation, "x"));
        let envelope = envelope(3, "\"0123\"", content);
        let stored = codec.encode(&address.place(), &envelope).unwrap();
        for position in 0..stored.len() {
            let mut changed = stored.to_vec();
            changed[position] ^= change;
            let decoded = codec.decode(&address.place(), changed.into());
            prop_assert!(decoded.is_err(), "byte {} of {}", position, stored.len());
        }
    }

    #[test]
    fn no_shortened_and_no_lengthened_form_is_taken(
        operation in operation(),
        content in content(),
        more in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let (codec, address) = (codec(NEW), Address::new("org_a", operation, "x"));
        let stored = codec.encode(&address.place(), &envelope(2, "\"0\"", content)).unwrap();
        for length in 0..stored.len() {
            prop_assert!(codec.decode(&address.place(), stored.slice(..length)).is_err());
        }
        let longer = [&stored[..], &more].concat();
        prop_assert!(codec.decode(&address.place(), longer.into()).is_err());
    }

    #[test]
    fn a_value_is_one_at_its_place_only(
        operation in operation(),
        content in content(),
        orgs in ("org_[a-z]{1,8}", "org_[a-z]{1,8}"),
        parts in (any::<String>(), any::<String>()),
    ) {
        let codec = codec(NEW);
        let first = Address::new(&orgs.0, operation, &parts.0);
        let second = Address::new(&orgs.1, operation, &parts.1);
        let stored = codec.encode(&first.place(), &envelope(3, "\"0\"", content)).unwrap();
        let is_same = first.org == second.org && first.key == second.key;
        let decoded = codec.decode(&second.place(), stored.clone());
        prop_assert_eq!(decoded.is_ok(), is_same);
        if let Err(reason) = decoded {
            prop_assert_eq!(reason, Unusable::WrongPlace);
        }
        // Whoever also puts the other place into the head gains nothing.
        let mut moved = stored.to_vec();
        let start = 3 + 3 * 32;
        moved[start..start + place::DIGEST_BYTES].copy_from_slice(&second.place().digest());
        prop_assert_eq!(codec.decode(&second.place(), moved.into()).is_ok(), is_same);
    }

    #[test]
    fn a_value_is_not_revived_under_other_generations(
        operation in operation(),
        content in content(),
    ) {
        let (codec, address) = (codec(NEW), Address::new("org_a", operation, "x"));
        let mut envelope = envelope(3, "\"0\"", content);
        let mut stored = codec.encode(&address.place(), &envelope).unwrap().to_vec();
        envelope.generations = stamps(3);
        for (slot, stamp) in stored[3..].chunks_mut(32).zip(&envelope.generations) {
            slot.copy_from_slice(stamp.as_bytes());
        }
        prop_assert_eq!(reason(&codec, &address.place(), &stored), Unusable::Damaged);
    }

    #[test]
    fn arbitrary_bytes_never_panic(operation in operation(), bytes in any::<Vec<u8>>()) {
        let (codec, address) = (codec(NEW), Address::new("org_a", operation, "x"));
        let framed = [&[2, 3, 0], &address.place().digest()[..], &bytes].concat();
        for bytes in [bytes, framed] {
            prop_assert!(codec.decode(&address.place(), bytes.into()).is_err());
        }
    }
}

#[test]
fn a_sealed_value_shows_nothing() {
    let (codec, address) = (codec(NEW), Address::new("org_a", Operation::SealedProbe, "x"));
    let envelope = envelope(1, "\"visible-tag\"", plain("a visible secret"));
    let stored = codec.encode(&address.place(), &envelope).unwrap();
    let text = String::from_utf8_lossy(&stored);
    assert!(!text.contains("visible"), "{text}");
}

#[test]
fn values_of_another_release_are_no_alarm() {
    let (codec, address) = (codec(NEW), Address::new("org_a", Operation::JobsList, "x"));
    for bytes in [&b"EPC1\x03and more"[..], b"", b"\x03"] {
        assert_eq!(reason(&codec, &address.place(), bytes), Unusable::OtherVersion);
        assert!(codec.accept(&address.place(), bytes.into()).is_none());
    }
}

#[test]
fn a_sealed_operation_needs_a_key_and_takes_no_plain_value() {
    let settings = CacheSettings::default();
    let operations = [Operation::JobsList, Operation::SealedProbe];
    let missing = Codec::for_operations(&operations, None, &settings).unwrap_err();
    assert_eq!(missing, SealingKeyMissing(Operation::SealedProbe));
    let text = "values of search:sealed-probe are sealed, and there is no key";
    assert_eq!(missing.to_string(), text);
    let missing = Codec::new(None, &settings).unwrap_err();
    assert_eq!(missing, SealingKeyMissing(Operation::ApplicationsList));

    let address = Address::new("org_a", Operation::SealedProbe, "x");
    let envelope = envelope(1, "\"0\"", plain("secret"));
    let encoded = codec("").encode(&address.place(), &envelope);
    assert_eq!(encoded, Err(EncodeError::NoKey));
    let stored = codec(NEW).encode(&address.place(), &envelope).unwrap();
    assert_eq!(reason(&codec(""), &address.place(), &stored), Unusable::UnknownKey);

    // The same place as one of an operation that is not sealed: what is written there in plain
    // text is not taken here.
    let as_listing = Place { operation: Operation::JobsList, ..address.place() };
    let stored = codec(NEW).encode(&as_listing, &envelope).unwrap();
    assert_eq!(reason(&codec(NEW), &address.place(), &stored), Unusable::NotSealed);
    assert_eq!(Operation::SealedProbe.feature(), Feature::Search);
}

#[test]
fn keys_rotate() {
    let address = Address::new("org_a", Operation::SealedProbe, "x");
    let envelope = envelope(2, "\"0\"", plain("secret"));
    let stored = codec(OLD).encode(&address.place(), &envelope).unwrap();
    let both = codec(&format!("{NEW},{OLD}"));
    let decoded = both.decode(&address.place(), stored.clone()).unwrap();
    assert!(decoded.must_reseal);
    let resealed = both.encode(&address.place(), &decoded.envelope).unwrap();
    assert!(!codec(NEW).decode(&address.place(), resealed).unwrap().must_reseal);
    assert_eq!(reason(&codec(NEW), &address.place(), &stored), Unusable::UnknownKey);
}

#[test]
fn what_is_too_large_is_neither_written_nor_made_room_for() {
    let (codec, address) = (codec(NEW), Address::new("org_a", Operation::JobsList, "x"));
    let large = envelope(1, "\"0\"", packed(&vec![b'a'; MAX_BYTES + 1]));
    assert_eq!(codec.encode(&address.place(), &large), Err(EncodeError::TooLarge));
    let generous = Codec::unchecked(None, &CacheSettings::default());
    let stored = generous.encode(&address.place(), &large).unwrap();
    assert_eq!(reason(&codec, &address.place(), &stored), Unusable::TooLarge);
    let endless = [&[2][..], &vec![0; 10 * MAX_BYTES]].concat();
    assert_eq!(reason(&codec, &address.place(), &endless), Unusable::TooLarge);
    let long_head = envelope(256, "\"0\"", plain(""));
    assert_eq!(codec.encode(&address.place(), &long_head), Err(EncodeError::Head));
    let long_tag = envelope(1, &"0".repeat(256), plain(""));
    assert_eq!(codec.encode(&address.place(), &long_tag), Err(EncodeError::Head));
}

#[test]
fn a_body_that_lies_about_its_length_is_refused() {
    let (codec, address) = (codec(NEW), Address::new("org_a", Operation::JobsList, "x"));
    for announced in ["", "a", "longer"] {
        let gzip = Some(gzip::compress(&[b'a'; 4_000]).unwrap());
        let content = Content { body: announced.into(), gzip, etag: "".into() };
        let lie = envelope(1, "\"0\"", content);
        let stored = codec.encode(&address.place(), &lie).unwrap();
        assert_eq!(reason(&codec, &address.place(), &stored), Unusable::Damaged);
    }
}

#[test]
fn refusals_are_counted_by_reason() {
    let (codec, address) = (codec(NEW), Address::new("org_a", Operation::SealedProbe, "x"));
    let other = Address::new("org_b", Operation::SealedProbe, "x");
    let stored = codec.encode(&address.place(), &envelope(1, "\"0\"", plain("x"))).unwrap();
    assert!(codec.accept(&address.place(), stored.clone()).is_some());
    assert!(codec.accept(&other.place(), stored).is_none());
    assert!(codec.accept(&other.place(), Bytes::from_static(b"EPC1")).is_none());
    let refused = codec.refused_values();
    assert_eq!(refused, RefusedValues { wrong_place: 1, other_version: 1, ..refused });
    assert_eq!(refused.damaged + refused.unknown_key + refused.not_sealed + refused.too_large, 0);
}

#[tokio::test]
async fn bodies_are_compressed_where_it_saves_and_the_policy_allows() {
    let codec = codec(NEW);
    let body = |count| Bytes::from(vec![b'a'; count]);
    for (operation, count, is_compressed) in [
        (Operation::JobsList, 1_023, false),
        (Operation::JobsList, 1_024, true),
        (Operation::JobsList, MAX_BYTES, true),
        (Operation::JobsList, MAX_BYTES + 1, false),
        (Operation::SealedProbe, 10_000, false),
    ] {
        let content = codec.pack(operation, body(count)).await;
        assert_eq!(content.gzip.is_some(), is_compressed, "{operation:?} {count}");
        assert_eq!(content.body, body(count));
    }
}
