//! From what an admin names, a key, a prefix or a tag, to the smallest group that holds it.
//!
//! A purge replaces the generation of a group, at any size with one command; there is no pattern
//! in it anywhere. So what an admin types is compared and never matched: a name that this cache
//! does not make is refused, and one that it makes leads to a group of the admin's own tenant.

use std::collections::BTreeSet;
use std::fmt;

use tenancy::{Feature, Tag, TenantScope};
use uuid::Uuid;

use crate::coherence::Target;
use crate::registry::Operation;

/// Longest key, as [`tenancy::KeyBuilder`] makes them.
const MAX_KEY_BYTES: usize = 250;
/// An id with its hyphens.
const ID_BYTES: usize = 36;

/// A group of one tenant's values that share a generation. Which tenant is the scope's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PurgeTarget {
    /// Everything of the tenant.
    Everything,
    /// All operations of a feature.
    Feature(Feature),
    /// All values of an operation.
    Operation(Operation),
    /// The values of an operation that show one entity.
    Entity(Operation, Uuid),
}

/// Why a name leads to no group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAGroup {
    /// It holds what no name of ours holds, or is too long.
    #[error("not a name that the cache makes: 1 to 250 letters, digits and -_.%:,=~")]
    Malformed,
    /// It does not begin as the tenant's keys do.
    #[error("not in your namespace: begin with a feature, as in jobs:list, or with tenant:{{ORG:")]
    OtherNamespace,
    /// The feature has no such operation.
    #[error("the feature has no operation of that name")]
    UnknownOperation,
    /// The operation makes no such key.
    #[error("the operation makes no key like that")]
    UnknownKey,
    /// There is no such tag.
    #[error("there is no such tag; one is an operation's name or a kind of thing with its id")]
    UnknownTag,
}

impl PurgeTarget {
    /// The smallest group that holds a key: in full (`tenant:{org_…:jobs}:list:…`), or from its
    /// feature on (`jobs:list:…`).
    ///
    /// # Errors
    ///
    /// Why it is no key of this tenant; another tenant's keys and nobody's read the same.
    pub fn of_key(scope: &TenantScope, key: &str) -> Result<Self, NotAGroup> {
        if key.len() > MAX_KEY_BYTES {
            return Err(NotAGroup::Malformed);
        }
        let in_feature = |feature: Feature| {
            let rest = key.strip_prefix(&scope.feature_prefix(feature)).or_else(|| {
                let rest = key.strip_prefix(feature.as_str())?;
                rest.strip_prefix(':')
            })?;
            Some((feature, rest))
        };
        let (feature, identifier) =
            Feature::ALL.into_iter().find_map(in_feature).ok_or(NotAGroup::OtherNamespace)?;
        check(identifier)?;
        let (name, parts) = identifier.split_once(':').unwrap_or((identifier, ""));
        let operation = Operation::named(feature, name).ok_or(NotAGroup::UnknownOperation)?;
        if operation.entity_part().is_none() {
            return Ok(Self::of_operation(operation));
        }
        let entity = entity_of(operation, parts).ok_or(NotAGroup::UnknownKey)?;
        Ok(Self::Entity(operation, entity))
    }

    /// The smallest groups that hold all keys of a feature whose identifier begins with `prefix`.
    ///
    /// # Errors
    ///
    /// Why no key begins so.
    pub fn of_prefix(feature: Feature, prefix: &str) -> Result<BTreeSet<Self>, NotAGroup> {
        check(prefix)?;
        let Some((name, parts)) = prefix.split_once(':') else {
            let operations = Operation::ALL.into_iter().filter(|operation| {
                operation.feature() == feature && operation.name().starts_with(prefix)
            });
            let groups: BTreeSet<Self> = operations.map(Self::of_operation).collect();
            return if groups.is_empty() { Err(NotAGroup::UnknownOperation) } else { Ok(groups) };
        };
        let operation = Operation::named(feature, name).ok_or(NotAGroup::UnknownOperation)?;
        let group = match (operation.entity_part(), entity_of(operation, parts)) {
            (_, Some(entity)) => Self::Entity(operation, entity),
            (Some(place), None) if !may_go_on(parts, place) => return Err(NotAGroup::UnknownKey),
            _ => Self::of_operation(operation),
        };
        Ok(BTreeSet::from([group]))
    }

    /// The groups that carry a tag: an operation's name, or a kind of entity with an id, such as
    /// `job-<uuid>`.
    ///
    /// # Errors
    ///
    /// [`NotAGroup::UnknownTag`].
    pub fn of_tag(tag: &str) -> Result<BTreeSet<Self>, NotAGroup> {
        let of = |operation: Operation| {
            if operation.own_tag().is_some_and(|own| own.as_str() == tag) {
                return Some(Self::Operation(operation));
            }
            let id = tag.strip_prefix(operation.entity_kind()?)?.strip_prefix('-')?;
            let is_simple = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
            let id = read_id(id).or_else(|| Uuid::parse_str(id).ok().filter(|_| is_simple))?;
            Some(Self::Entity(operation, id))
        };
        let groups: BTreeSet<Self> = Operation::ALL.into_iter().filter_map(of).collect();
        if groups.is_empty() { Err(NotAGroup::UnknownTag) } else { Ok(groups) }
    }

    /// The same groups without those that others of them hold.
    pub fn without_parts(targets: &BTreeSet<Self>) -> BTreeSet<Self> {
        let is_held = |target: &Self| targets.iter().any(|other| other.holds(target));
        targets.iter().filter(|target| !is_held(target)).copied().collect()
    }

    /// The features whose slots the values live in.
    pub fn features(self) -> Vec<Feature> {
        self.feature().map_or_else(|| Feature::ALL.to_vec(), |feature| vec![feature])
    }

    /// Whether the value at `identifier`, the part of its key behind the feature, is in this group.
    pub(crate) fn covers(self, feature: Feature, identifier: &str) -> bool {
        let (name, parts) = identifier.split_once(':').unwrap_or((identifier, ""));
        let is_of = |operation: Operation| Operation::named(feature, name) == Some(operation);
        match self {
            Self::Everything => true,
            Self::Feature(own) => own == feature,
            Self::Operation(operation) => is_of(operation),
            Self::Entity(operation, entity) => {
                is_of(operation) && entity_of(operation, parts) == Some(entity)
            }
        }
    }

    /// The generation to replace.
    pub(crate) fn generation(self, scope: &TenantScope) -> Target {
        let tag = match self {
            Self::Everything => return Target::whole_tenant(scope),
            Self::Feature(_) => None,
            Self::Operation(operation) => operation.own_tag(),
            Self::Entity(operation, entity) => {
                operation.entity_kind().map(|kind| Tag::entity(kind, entity))
            }
        };
        match (self.feature(), tag) {
            (None, _) => Target::whole_tenant(scope),
            (Some(feature), None) => {
                Target { key: scope.feature_generation_key(feature), expires: false }
            }
            (Some(feature), Some(tag)) => {
                Target { key: scope.tag_generation_key(feature, &tag), expires: true }
            }
        }
    }

    /// All of an operation, which is the whole feature where the operation has no tag of its own.
    fn of_operation(operation: Operation) -> Self {
        match operation.own_tag() {
            Some(_) => Self::Operation(operation),
            None => Self::Feature(operation.feature()),
        }
    }

    fn feature(self) -> Option<Feature> {
        match self {
            Self::Everything => None,
            Self::Feature(feature) => Some(feature),
            Self::Operation(operation) | Self::Entity(operation, _) => Some(operation.feature()),
        }
    }

    /// Whether `other` is a part of this group, and not the same.
    fn holds(self, other: &Self) -> bool {
        match (self, *other) {
            (Self::Everything, other) => other != Self::Everything,
            (Self::Feature(feature), Self::Operation(part) | Self::Entity(part, _)) => {
                part.feature() == feature
            }
            (Self::Operation(operation), Self::Entity(part, _)) => part == operation,
            _ => false,
        }
    }
}

/// As answers and the audit trail write it: `everything`, `jobs`, `jobs:list`, `jobs:job-<uuid>`.
impl fmt::Display for PurgeTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => formatter.write_str("everything"),
            Self::Feature(feature) => feature.fmt(formatter),
            Self::Operation(operation) => operation.fmt(formatter),
            Self::Entity(operation, id) => {
                let kind = operation.entity_kind().unwrap_or_else(|| operation.name());
                write!(formatter, "{}:{kind}-{id}", operation.feature())
            }
        }
    }
}

/// Refuses what no identifier of ours holds: patterns, braces, generations, spaces, controls.
fn check(identifier: &str) -> Result<(), NotAGroup> {
    let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.%:,=~".contains(&byte);
    let is_bounded = (1..=MAX_KEY_BYTES).contains(&identifier.len());
    if is_bounded && identifier.bytes().all(is_ours) { Ok(()) } else { Err(NotAGroup::Malformed) }
}

/// The entity of a whole key, from its parts behind the operation's name.
fn entity_of(operation: Operation, parts: &str) -> Option<Uuid> {
    let mut behind = parts.split(':').skip(operation.entity_part()?);
    let entity = read_id(behind.next()?)?;
    behind.next().is_none().then_some(entity)
}

/// An id as keys print it; its other spellings are in no key.
fn read_id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|id| id.to_string() == text)
}

/// Whether a key may begin with these parts, of which the one at `place` is an id.
fn may_go_on(parts: &str, place: usize) -> bool {
    let mut behind = parts.split(':').skip(place);
    let id = behind.next().unwrap_or_default();
    let is_ours = |byte: u8| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    behind.next().is_none() && id.len() < ID_BYTES && id.bytes().all(is_ours)
}

#[cfg(test)]
mod tests;
