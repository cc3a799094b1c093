//! Webhooks: where a tenant's systems want to hear of its events, and what became of telling them.
//!
//! Members keep their endpoints in a [`TenantTx`](crate::TenantTx) ([`create`], [`update`], …); the
//! worker takes what is due from the [`queue`] over all tenants. A delivery is one event at one
//! endpoint, so no event is queued twice for the same one, and its row is the log of it afterwards.
//! Secrets pass through here sealed.

mod deliveries;
mod endpoints;
pub mod queue;
pub mod upkeep;

use tenancy::EventKind;

/// The kinds of events that receivers can be told of.
pub const KINDS: &[EventKind] = &[
    EventKind::JobCreated,
    EventKind::JobUpdated,
    EventKind::JobStatusChanged,
    EventKind::JobDeleted,
    EventKind::JobExpiring,
    EventKind::ApplicationSubmitted,
    EventKind::ApplicationResubmitted,
    EventKind::ApplicationStageChanged,
    EventKind::MemberJoined,
    EventKind::MemberRoleChanged,
    EventKind::MemberRemoved,
];

pub(crate) fn kind_names() -> Vec<String> {
    KINDS.iter().map(|kind| kind.as_str().to_owned()).collect()
}

pub use deliveries::{
    Attempt, Delivery, DeliveryFilter, DeliveryStatus, PING, Redelivery, UnknownDeliveryStatus,
    find_delivery, list_attempts, list_deliveries, ping, redeliver,
};
pub use endpoints::{
    Disabled, Endpoint, EndpointChanges, EndpointStatus, NewEndpoint, Updated, create, delete,
    find, list, rotate_secret, update,
};
