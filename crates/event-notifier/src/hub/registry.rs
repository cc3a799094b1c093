//! Who has streams open here, and how many more may.

use std::collections::HashMap;
use std::sync::Arc;

use tenancy::{TenantId, UserId};

use super::client::Client;
use super::settings::HubSettings;

/// Why a stream is not opened. Those that are open stay: putting the oldest out would let two
/// browsers push each other out for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// The instance stops.
    #[error("the instance stops")]
    Draining,
    /// The session has as many as it may.
    #[error("the session has too many streams")]
    Session,
    /// The person has as many as they may.
    #[error("the person has too many streams")]
    User,
    /// The tenant has as many as it may.
    #[error("the tenant has too many streams")]
    Tenant,
    /// The instance has as many as it can bear.
    #[error("the instance has too many streams")]
    Instance,
}

impl Refused {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Draining, Self::Session, Self::User, Self::Tenant, Self::Instance];

    /// The word in figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Session => "session",
            Self::User => "user",
            Self::Tenant => "tenant",
            Self::Instance => "instance",
        }
    }
}

/// The streams of this instance.
#[derive(Debug, Default)]
pub(super) struct Registry {
    desks: HashMap<(TenantId, UserId), Vec<Arc<Client>>>,
    by_tenant: HashMap<TenantId, usize>,
    count: usize,
    is_draining: bool,
}

impl Registry {
    pub(super) fn admit(
        &mut self,
        client: &Arc<Client>,
        settings: &HubSettings,
    ) -> Result<(), Refused> {
        let (viewer, (tenant, user)) = (&client.viewer, client.viewer.desk());
        let of_user = self.desks.get(&(tenant, user)).map_or(&[][..], Vec::as_slice);
        let of_session =
            of_user.iter().filter(|other| other.viewer.session == viewer.session).count();
        let of_tenant = self.by_tenant.get(&tenant).copied().unwrap_or_default();
        let refused = if self.is_draining {
            Refused::Draining
        } else if self.count >= settings.in_all {
            Refused::Instance
        } else if of_session >= settings.per_session {
            Refused::Session
        } else if of_user.len() >= settings.per_user {
            Refused::User
        } else if of_tenant >= settings.per_tenant {
            Refused::Tenant
        } else {
            self.desks.entry((tenant, user)).or_default().push(Arc::clone(client));
            *self.by_tenant.entry(tenant).or_default() += 1;
            self.count += 1;
            return Ok(());
        };
        Err(refused)
    }

    pub(super) fn remove(&mut self, client: &Arc<Client>) {
        let (tenant, user) = client.viewer.desk();
        let Some(desk) = self.desks.get_mut(&(tenant, user)) else { return };
        let before = desk.len();
        desk.retain(|other| !Arc::ptr_eq(other, client));
        let removed = before - desk.len();
        if desk.is_empty() {
            self.desks.remove(&(tenant, user));
        }
        self.count -= removed;
        if let Some(of_tenant) = self.by_tenant.get_mut(&tenant) {
            *of_tenant -= removed;
            if *of_tenant == 0 {
                self.by_tenant.remove(&tenant);
            }
        }
    }

    pub(super) fn drains(&mut self) {
        self.is_draining = true;
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.is_draining
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    pub(super) fn has_any_of(&self, tenant: TenantId) -> bool {
        self.by_tenant.contains_key(&tenant)
    }

    pub(super) fn of(&self, tenant: TenantId, user: UserId) -> &[Arc<Client>] {
        self.desks.get(&(tenant, user)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.desks.values().flatten()
    }
}
