//! Cache keys: `tenant:{org:feature}:operation:part:part`.
//!
//! The braces are literal. They are Redis Cluster's hash tag: a value, its feature's generation
//! and its tags share a slot, and a large tenant still spreads over the shards by feature.
//!
//! Text from outside is percent-encoded but for ASCII letters, digits, `-`, `_` and `.`, so the
//! separators `:` and `,`, the braces, `!` (generations), `=` (hashed identifiers) and `~` (an
//! empty text, as opposed to none) are only ever ours.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ids::OrgId;
use crate::scope::TenantScope;

/// What every key of a tenant begins with, in front of its organization.
const PREFIX: &str = "tenant:{";

/// Longest key in bytes; a longer identifier is replaced by its SHA-256.
const MAX_KEY_BYTES: usize = 250;

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// A namespace of cached values; the unit of placement and of whole-feature invalidation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// Job lists, single jobs, job figures.
    Jobs,
    /// Search answers and facets.
    Search,
    /// Lists of applications.
    Applications,
    /// Figures about jobs and applications.
    Analytics,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 4] = [Self::Jobs, Self::Search, Self::Applications, Self::Analytics];

    /// The kebab-case name that keys print.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Search => "search",
            Self::Applications => "applications",
            Self::Analytics => "analytics",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name within a feature on which cached values depend; replacing its generation drops them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// A tag of our own vocabulary, such as `list`. Lower-case kebab-case.
    pub fn named(name: &'static str) -> Self {
        Self(encode(name))
    }

    /// The tag of one entity, such as `job-<uuid>`.
    pub fn entity(kind: &'static str, id: Uuid) -> Self {
        Self(format!("{}-{}", encode(kind), id.simple()))
    }

    /// The tag of those of an operation's values that a word of our own vocabulary tells from the
    /// others, with what it is said of: `list-public`, `list-at-berlin`.
    pub fn group(operation: &'static str, group: &'static str, of: Option<&str>) -> Self {
        let parts = [Some(operation), Some(group), of];
        Self(parts.into_iter().flatten().map(encode).collect::<Vec<_>>().join("-"))
    }

    /// The tag as keys print it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A finished key of one tenant. Only [`TenantScope::key`] leads here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantKey {
    text: String,
    feature: Feature,
    operation: &'static str,
}

impl TenantKey {
    /// The key as the provider stores it; at most 250 bytes of printable ASCII.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The feature that the key belongs to.
    pub fn feature(&self) -> Feature {
        self.feature
    }

    /// The operation within the feature, the first part of the identifier.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Whether it is a key of this organization's tenant.
    #[inline]
    pub fn is_of(&self, org: &OrgId) -> bool {
        let rest = self.text.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(org.as_str()));
        // An organization's id holds no colon, so a longer one does not pass for this one.
        rest.is_some_and(|rest| rest.starts_with(':'))
    }
}

impl fmt::Display for TenantKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Collects the parts of a key in their canonical order.
#[derive(Clone, Debug)]
pub struct KeyBuilder {
    text: String,
    identifier_start: usize,
    feature: Feature,
    operation: &'static str,
}

impl KeyBuilder {
    pub(crate) fn new(org: &OrgId, feature: Feature, operation: &'static str) -> Self {
        let mut text = feature_prefix(org, feature);
        text.push_str(&encode(operation));
        let identifier_start = text.len();
        Self { text, identifier_start, feature, operation }
    }

    /// Appends a text; whatever it holds stays within its part.
    #[must_use]
    pub fn part(self, value: &str) -> Self {
        self.optional_part(Some(value))
    }

    /// Appends a text or, where there is none, an empty part.
    #[must_use]
    pub fn optional_part(mut self, value: Option<&str>) -> Self {
        self.text.push(':');
        if let Some(value) = value {
            self.text.push_str(&encode_item(value));
        }
        self
    }

    /// Appends a set of texts: sorted and without repetitions, so that order does not matter.
    #[must_use]
    pub fn set_part<'a>(mut self, values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut items: Vec<String> = values.into_iter().map(encode_item).collect();
        items.sort_unstable();
        items.dedup();
        self.text.push(':');
        self.text.push_str(&items.join(","));
        self
    }

    /// The finished key, its identifier hashed where it would pass 250 bytes.
    pub fn build(mut self) -> TenantKey {
        if self.text.len() > MAX_KEY_BYTES {
            let digest = Sha256::digest(self.text.as_bytes());
            self.text.truncate(self.identifier_start);
            self.text.push_str(":=");
            for byte in digest {
                for digit in [byte >> 4, byte & 0x0f] {
                    self.text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
                }
            }
        }
        TenantKey { text: self.text, feature: self.feature, operation: self.operation }
    }
}

impl TenantScope {
    /// What all keys of this tenant in a feature begin with, and no key of another tenant does.
    pub fn feature_prefix(&self, feature: Feature) -> String {
        feature_prefix(self.org(), feature)
    }

    /// The key that a provider stores something under, if it is one that this tenant's
    /// [`key`](Self::key) makes for the operation.
    pub fn stored_key(
        &self,
        feature: Feature,
        operation: &'static str,
        text: &str,
    ) -> Option<TenantKey> {
        let identifier = text.strip_prefix(&feature_prefix(self.org(), feature))?;
        let parts = identifier.strip_prefix(&encode(operation))?;
        let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.%:,=~".contains(&byte);
        let is_whole = parts.is_empty() || parts.starts_with(':');
        let is_key = is_whole && text.len() <= MAX_KEY_BYTES && parts.bytes().all(is_ours);
        is_key.then(|| TenantKey { text: text.to_owned(), feature, operation })
    }

    /// Where the generation of this tenant's whole feature lives.
    pub fn feature_generation_key(&self, feature: Feature) -> String {
        format!("{}!g", feature_prefix(self.org(), feature))
    }

    /// Where the generation of a tag within a feature lives.
    pub fn tag_generation_key(&self, feature: Feature, tag: &Tag) -> String {
        format!("{}!t:{}", feature_prefix(self.org(), feature), tag.as_str())
    }

    /// Where the lock on a load lives, in the slot of the feature's values.
    pub fn lease_key(&self, feature: Feature, load: u128) -> String {
        format!("{}!l:{load:032x}", feature_prefix(self.org(), feature))
    }

    /// Where the generation of everything of this tenant lives.
    pub fn tenant_generation_key(&self) -> String {
        format!("tenant:{{{}}}:!g", self.org())
    }
}

/// Where the generation of everything of all tenants lives.
pub const fn platform_generation_key() -> &'static str {
    "platform:!g"
}

fn feature_prefix(org: &OrgId, feature: Feature) -> String {
    format!("{PREFIX}{org}:{feature}}}:")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn encode_item(text: &str) -> String {
    if text.is_empty() { "~".to_owned() } else { encode(text) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::ids::TenantId;
    use crate::scope::Evidence;

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Part {
        Optional(Option<String>),
        Set(BTreeSet<String>),
    }

    #[expect(clippy::disallowed_methods, reason = "tests make scopes of tenants that do not exist")]
    fn scope(org: &str) -> TenantScope {
        TenantScope::from_verified(
            TenantId::from_uuid(Uuid::nil()),
            org.parse().unwrap(),
            Evidence::SystemTask("test"),
        )
    }

    fn key_of(org: &str, parts: &[Part]) -> TenantKey {
        let start = scope(org).key(Feature::Jobs, "list");
        parts
            .iter()
            .fold(start, |builder, part| match part {
                Part::Optional(value) => builder.optional_part(value.as_deref()),
                Part::Set(values) => builder.set_part(values.iter().map(String::as_str)),
            })
            .build()
    }

    /// The same kinds of parts in the same order, as one operation always passes them.
    fn two_inputs() -> impl Strategy<Value = (Vec<Part>, Vec<Part>)> {
        let text = prop_oneof![any::<String>(), "[:,!={}~%a*-]{0,40}", Just(String::new())];
        let optional = proptest::option::of(text.clone());
        let set = proptest::collection::btree_set(text, 0..4);
        proptest::collection::vec(
            prop_oneof![
                (optional.clone(), optional)
                    .prop_map(|(a, b)| (Part::Optional(a), Part::Optional(b))),
                (set.clone(), set).prop_map(|(a, b)| (Part::Set(a), Part::Set(b))),
            ],
            0..6,
        )
        .prop_map(|pairs| pairs.into_iter().unzip())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_two_inputs_share_a_key((first, second) in two_inputs()) {
            let keys = (key_of("org_a", &first), key_of("org_a", &second));
            prop_assert_eq!(first == second, keys.0 == keys.1);
        }

        #[test]
        fn no_text_leaves_its_part(texts in proptest::collection::vec(any::<String>(), 1..6)) {
            let parts: Vec<Part> = texts.iter().cloned().map(|t| Part::Optional(Some(t))).collect();
            let key = key_of("org_a", &parts);
            let identifier = key.as_str().strip_prefix("tenant:{org_a:jobs}:list:").unwrap();
            if identifier.starts_with('=') {
                prop_assert_eq!(identifier.len(), 65);
            } else {
                prop_assert_eq!(identifier.split(':').count(), texts.len());
            }
            prop_assert!(identifier.bytes().all(|b| b.is_ascii_graphic()));
            let is_contained = !identifier.contains(['{', '}', '!', '*', '?', '[']);
            prop_assert!(is_contained);
            prop_assert!(key.as_str().len() <= MAX_KEY_BYTES);
            let stored = |org: &str, operation| {
                scope(org).stored_key(Feature::Jobs, operation, key.as_str())
            };
            prop_assert_eq!(stored("org_b", "list"), None);
            prop_assert_eq!(stored("org_a", "item"), None);
            prop_assert_eq!(stored("org_a", "list"), Some(key.clone()));
        }

        #[test]
        fn tenants_never_meet(a in "org_[A-Za-z0-9]{1,63}", b in "org_[A-Za-z0-9]{1,64}", text in any::<String>()) {
            let parts = [Part::Optional(Some(text))];
            prop_assert_eq!(a == b, key_of(&a, &parts) == key_of(&b, &parts));
            let (key, longer) = (key_of(&a, &parts), format!("{a}x"));
            prop_assert!(key.is_of(&a.parse().unwrap()));
            prop_assert_eq!(key.is_of(&b.parse().unwrap()), a == b);
            prop_assert!(!key_of(&longer, &parts).is_of(&a.parse().unwrap()));
        }
    }

    #[test]
    fn keys_read_as_documented() {
        let key = scope("org_9f2cA1")
            .key(Feature::Jobs, "list")
            .part("all")
            .part("0")
            .part("20")
            .optional_part(None)
            .set_part(["paused", "draft", "paused"])
            .part("são paulo: a*")
            .build();
        assert_eq!(
            key.as_str(),
            "tenant:{org_9f2cA1:jobs}:list:all:0:20::draft,paused:s%C3%A3o%20paulo%3A%20a%2A"
        );
        assert_eq!(
            scope("org_a").tag_generation_key(Feature::Jobs, &Tag::entity("job", Uuid::nil())),
            "tenant:{org_a:jobs}:!t:job-00000000000000000000000000000000"
        );
    }

    #[test]
    fn none_the_empty_text_and_the_word_none_differ() {
        let key = |value: Option<&str>| {
            scope("org_a").key(Feature::Search, "facets").optional_part(value).build()
        };
        let keys = BTreeSet::from([key(None), key(Some("")), key(Some("None")), key(Some("~"))]);
        assert_eq!(keys.len(), 4);
    }
}
