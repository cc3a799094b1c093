//! Webhooks: telling a tenant's own systems, in the form of Standard Webhooks.
//!
//! The [`WebhookWorker`] takes deliveries that are due from Postgres, sends each as one signed
//! request and writes down what came of it. The queue is the truth: a process that dies loses
//! nothing, and a message may arrive twice, with the same `webhook-id`, never not at all while the
//! schedule lasts.
//!
//! Invariants:
//! - **No request leaves for a place that only we can reach.** Every address that a name resolves
//!   to is checked, and the one that was checked is the one that is connected to; redirects are not
//!   followed, and no proxy of the environment is asked. See [`AddressRules`].
//! - **One receiver costs the others nothing.** It has few deliveries in hand at a time, one when
//!   it fails, and none while it rests; every attempt ends in bounded time and bounded memory.
//! - **Secrets are sealed** wherever they are kept, and neither they nor addresses are logged.

mod address;
mod attempt;
mod client;
mod schedule;
mod signature;
mod statistics;
mod upkeep;
mod vault;
mod worker;

pub use address::{AddressRules, RefusedUrl};
pub use attempt::message_id;
pub use schedule::{InvalidSchedule, Schedule};
pub use signature::{Secret, sign};
pub use statistics::WebhookStatistics;
pub use vault::{SecretUnreadable, WebhookVault};
pub use worker::{UnusableClient, WebhookHandle, WebhookSettings, WebhookWorker};
