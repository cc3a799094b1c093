//! Who has how much, and whose entry goes when there is no room.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tenancy::OrgId;

use super::ShelfSettings;
use super::queues::{Card, Queues};
use super::replica::Shelved;

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Values.
    pub entries: usize,
    /// Bytes of these, with what it takes to keep them.
    pub bytes: usize,
}

/// Values dropped for want of room, by what was full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evictions {
    /// The share of their tenant.
    pub(crate) of_tenant: u64,
    /// The whole; they were of the tenant that had most.
    pub(crate) of_all: u64,
}

#[derive(Debug)]
pub(super) struct Accounts {
    max_bytes: usize,
    max_tenant_bytes: usize,
    tenants: HashMap<Arc<OrgId>, Queues>,
    /// The same tenants, the largest last.
    by_bytes: BTreeSet<(usize, Arc<OrgId>)>,
    total: Usage,
    evictions: Evictions,
}

impl Accounts {
    pub(super) fn new(settings: ShelfSettings) -> Self {
        Self {
            max_bytes: settings.max_bytes,
            max_tenant_bytes: share(settings),
            tenants: HashMap::new(),
            by_bytes: BTreeSet::new(),
            total: Usage::default(),
            evictions: Evictions::default(),
        }
    }

    pub(super) fn total(&self) -> Usage {
        self.total
    }

    pub(super) fn evictions(&self) -> Evictions {
        self.evictions
    }

    #[cfg(test)]
    pub(super) fn usage(&self) -> Vec<(OrgId, Usage)> {
        self.tenants.iter().map(|(org, queues)| (OrgId::clone(org), usage(queues))).collect()
    }

    pub(super) fn usage_of(&self, org: &OrgId) -> Usage {
        self.tenants.get(org).map(usage).unwrap_or_default()
    }

    /// Cards that are held, those of struck entries included.
    #[cfg(test)]
    pub(super) fn cards(&self) -> usize {
        self.tenants.values().map(Queues::cards).sum()
    }

    /// Whether a tenant may have an entry of so many bytes at all.
    pub(super) fn may_hold(&self, bytes: usize) -> bool {
        bytes <= self.max_tenant_bytes
    }

    /// Takes out the entry that goes next, if one has to for `org` to get so many bytes more.
    pub(super) fn choose_for(
        &mut self,
        org: &OrgId,
        bytes: usize,
        take_use: impl FnMut(&Card) -> bool,
    ) -> Option<Arc<Card>> {
        let is_own = self.usage_of(org).bytes + bytes > self.max_tenant_bytes;
        let card = if is_own {
            self.change(org, |queues| queues.pop(take_use))
        } else if self.total.bytes + bytes > self.max_bytes {
            let (_, largest) = self.by_bytes.last()?;
            let largest = Arc::clone(largest);
            self.change(&largest, |queues| queues.pop(take_use))
        } else {
            None
        };
        let card = card.flatten()?;
        if is_own {
            self.evictions.of_tenant += 1;
        } else {
            self.evictions.of_all += 1;
        }
        Some(card)
    }

    /// Opens an entry, for which there is room.
    pub(super) fn open(
        &mut self,
        org: &OrgId,
        Shelved { hash, key }: Shelved<'_>,
        bytes: usize,
        is_known: bool,
    ) -> Arc<Card> {
        let org = match self.tenants.get_key_value(org) {
            Some((org, _)) => Arc::clone(org),
            None => Arc::new(org.clone()),
        };
        self.tenants.entry(Arc::clone(&org)).or_default();
        let card = Arc::new(Card::new(hash, key, Arc::clone(&org), bytes));
        self.change(&org, |queues| queues.push(Arc::clone(&card), is_known));
        card
    }

    /// Strikes an entry off; answers whether it had been found to be used.
    pub(super) fn strike(&mut self, card: &Card) -> bool {
        let org = Arc::clone(&card.org);
        self.change(&org, |queues| queues.strike(card)).is_some_and(|was_there| was_there)
            && card.is_in_main()
    }

    /// Takes out so many entries of a tenant, whichever they are.
    #[cfg(test)]
    pub(super) fn close_some(&mut self, org: &OrgId, entries: usize) -> Vec<Arc<Card>> {
        let close =
            |queues: &mut Queues| (0..entries).map_while(|_| queues.pop(|_| false)).collect();
        self.change(org, close).unwrap_or_default()
    }

    /// Changes what a tenant has, if it has anything, and keeps the sums.
    fn change<R>(&mut self, org: &OrgId, change: impl FnOnce(&mut Queues) -> R) -> Option<R> {
        let (org, _) = self.tenants.get_key_value(org)?;
        let org = Arc::clone(org);
        let queues = self.tenants.get_mut(&org)?;
        let before = usage(queues);
        let changed = change(queues);
        let after = usage(queues);
        self.total.entries = self.total.entries + after.entries - before.entries;
        self.total.bytes = self.total.bytes + after.bytes - before.bytes;
        self.by_bytes.remove(&(before.bytes, Arc::clone(&org)));
        if after.entries == 0 {
            self.tenants.remove(&org);
        } else {
            self.by_bytes.insert((after.bytes, org));
        }
        Some(changed)
    }
}

fn usage(queues: &Queues) -> Usage {
    Usage { entries: queues.entries(), bytes: queues.bytes() }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a number of bytes, between none and all"
)]
fn share(ShelfSettings { max_bytes, max_tenant_share }: ShelfSettings) -> usize {
    (max_bytes as f64 * max_tenant_share.clamp(0.0, 1.0)) as usize
}
