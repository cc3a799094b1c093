//! The cluster's own account of itself: which node owns which slot.

use std::collections::HashSet;

use fred::types::Value;

use super::settings::Address;
use super::values::optional_bytes;
use crate::error::RedisError;

/// Slots of a cluster.
pub(super) const SLOTS: usize = 16384;
/// The owner of a slot that has none.
pub(super) const NOBODY: u16 = u16::MAX;
/// More nodes than any cluster may have.
const MOST_MEMBERS: usize = 2000;

/// A node as the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// By its host name where it has one.
    pub(super) address: Address,
    /// What else it goes by: redirections may use another of its names.
    pub(super) aliases: Vec<Address>,
    /// The member that it follows, if it is a replica.
    pub(super) primary: Option<u16>,
}

/// An answer of `CLUSTER SLOTS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topology {
    pub(super) members: Vec<Member>,
    /// For each slot the position of its owner among the members, or [`NOBODY`].
    pub(super) owners: Vec<u16>,
}

impl Topology {
    /// Reads an answer strictly. A node without a name of its own is the one that was asked.
    pub(super) fn parse(answer: Value, asked: &Address) -> Result<Self, RedisError> {
        let mut topology = Self { members: Vec::new(), owners: vec![NOBODY; SLOTS] };
        for range in array(answer)? {
            topology.add_range(array(range)?, asked)?;
        }
        Ok(topology)
    }

    /// Slots that somebody owns.
    pub(super) fn coverage(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NOBODY).count()
    }

    /// Whether both say the same of every slot, whatever the order in which they say it.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let mut known: HashSet<(u16, u16)> = HashSet::new();
        self.owners.iter().zip(&other.owners).all(|(mine, theirs)| {
            !known.insert((*mine, *theirs)) || self.address(*mine) == other.address(*theirs)
        })
    }

    fn address(&self, member: u16) -> Option<&Address> {
        self.members.get(usize::from(member)).map(|member| &member.address)
    }

    fn add_range(&mut self, range: Vec<Value>, asked: &Address) -> Result<(), RedisError> {
        let mut parts = range.into_iter();
        let (first, last) = (slot(parts.next().as_ref())?, slot(parts.next().as_ref())?);
        let primary = parts.next().ok_or_else(|| malformed("a range without an owner"))?;
        let owner = self.add_member(primary, None, asked)?;
        for replica in parts {
            self.add_member(replica, Some(owner), asked)?;
        }
        let slots = (first <= last).then(|| usize::from(first)..=usize::from(last));
        let owners = slots.and_then(|slots| self.owners.get_mut(slots));
        let owners = owners.ok_or_else(|| malformed("a range that ends before it begins"))?;
        if owners.iter().any(|owner| *owner != NOBODY) {
            return Err(malformed("a slot with two owners"));
        }
        owners.fill(owner);
        Ok(())
    }

    fn add_member(
        &mut self,
        node: Value,
        primary: Option<u16>,
        asked: &Address,
    ) -> Result<u16, RedisError> {
        let (address, aliases) = endpoint(node, asked)?;
        let known = self.members.iter().position(|member| member.address == address);
        let position = known.unwrap_or(self.members.len());
        let index = u16::try_from(position).ok().filter(|_| position < MOST_MEMBERS);
        let index = index.ok_or_else(|| malformed("too many nodes"))?;
        match self.members.get_mut(position) {
            None => self.members.push(Member { address, aliases, primary }),
            // Whoever owns a slot is a primary, whatever another range says of it.
            Some(member) if primary.is_none() => member.primary = None,
            Some(_) => {}
        }
        Ok(index)
    }
}

fn malformed(what: &str) -> RedisError {
    RedisError::Protocol(format!("a malformed answer of CLUSTER SLOTS: {what}"))
}

fn array(value: Value) -> Result<Vec<Value>, RedisError> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(malformed(&format!("{} instead of a list", other.kind()))),
    }
}

fn slot(value: Option<&Value>) -> Result<u16, RedisError> {
    match value {
        Some(Value::Integer(slot)) => u16::try_from(*slot).ok(),
        _ => None,
    }
    .filter(|slot| usize::from(*slot) < SLOTS)
    .ok_or_else(|| malformed("no such slot"))
}

/// A name, unless it is one of the ways of saying that there is none.
fn name(value: Value) -> Option<String> {
    let bytes = optional_bytes(value, "CLUSTER SLOTS").ok()??;
    let text = String::from_utf8(bytes.into()).ok()?;
    let is_name = !text.is_empty() && text != "?" && !text.contains(char::is_whitespace);
    is_name.then_some(text)
}

/// Where a node listens, and the other names under which it does.
fn endpoint(node: Value, asked: &Address) -> Result<(Address, Vec<Address>), RedisError> {
    let mut parts = array(node)?.into_iter();
    let preferred = parts.next().unwrap_or(Value::Null);
    // `?` is a name that is not known yet; nothing at all means the host that was asked.
    let is_unknown = preferred.as_str().as_deref() == Some("?");
    let preferred = name(preferred);
    let port = match parts.next() {
        Some(Value::Integer(port)) => u16::try_from(port).ok().filter(|port| *port != 0),
        _ => None,
    };
    let port = port.ok_or_else(|| malformed("a node without a port"))?;
    // The id comes next; then, from Redis 7 on, what else there is to tell.
    let (hostname, ip) = parts.nth(1).map(metadata).unwrap_or_default();
    let stand_in = if is_unknown { None } else { Some(asked.host.to_string()) };
    let host = [&hostname, &preferred, &stand_in, &ip].into_iter().flatten().next().cloned();
    let host = host.unwrap_or_else(|| asked.host.to_string());
    let names = [hostname, preferred, ip].into_iter().flatten();
    let aliases = names.filter(|name| *name != host).map(|name| Address::new(&name, port));
    let aliases = aliases.collect();
    Ok((Address::new(&host, port), aliases))
}

/// The host name and the address, as pairs in a list or in a map.
fn metadata(value: Value) -> (Option<String>, Option<String>) {
    let pairs: Vec<(Option<String>, Value)> = match value {
        Value::Array(items) => {
            let mut items = items.into_iter();
            std::iter::from_fn(|| Some((name(items.next()?), items.next()?))).collect()
        }
        Value::Map(map) => {
            map.inner().into_iter().map(|(key, value)| (key.into_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    let (mut hostname, mut ip) = (None, None);
    for (key, value) in pairs {
        match key.as_deref() {
            Some("hostname") => hostname = name(value),
            Some("ip") => ip = name(value),
            _ => {}
        }
    }
    (hostname, ip)
}

#[cfg(test)]
mod tests;
