//! From the outbox to whoever must hear of it.
//!
//! Truth is in Postgres: the transaction that causes an event writes it as an outbox row, which goes
//! through two lanes. What it changes is acted on by the request that caused it, at once, which then
//! says so ([`RelayHandle::handled`]); whatever a crash or an outage left undone, the [`Relay`]
//! repeats. Whom it concerns is told by [`FanOut`]: inboxes, log and figures in one statement, and
//! after it whoever shows them live ([`Listener`]): the [`Lane`] to all instances, each of which
//! has a [`Hub`] with the streams that are open there. The binary wires them together; the HTTP surface
//! holds a [`RelayHandle`].
//!
//! Invariants:
//! - An event's row is deleted only after both lanes have finished with it. It is acted on at least
//!   once, in no promised order, so handlers must bear repetition; it is told exactly once.
//! - Several relays may run beside each other; a row is in one hand at a time.
//! - An event that cannot be told is given up after some attempts, and keeps no other waiting; nor
//!   does one that takes too long.
//! - Losing all of Redis, or this process, loses no event.
//!
//! ```no_run
//! # async fn example(db: employer_store::WorkerDb, handler: std::sync::Arc<dyn event_notifier::EventHandler>) {
//! use event_notifier::{Relay, RelaySettings};
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
//! let relay = Relay::spawn(db, handler, RelaySettings::default(), stop.clone(), &tasks);
//! relay.handled(&[41, 42]); // the request path has done these itself
//! stop.cancel();
//! tasks.close();
//! tasks.wait().await;
//! # }
//! ```

mod fan_out;
mod hub;
mod lane;
pub mod mail;
mod pace;
mod relay;
mod stored;
mod stream;
pub mod webhooks;

pub use fan_out::{FanOut, FanOutSettings, FanOutStatistics, Listener};
pub use hub::{
    Concern, Figures, Head, Hub, HubFigures, HubSettings, InvalidSubject, LiveStream, Page,
    Refused, Resume, Sight, Snapshot, Standing, Subject, Truth, TruthUnavailable, Viewer,
};
pub use lane::{Lane, Message, UnreadableMessage};
pub use relay::{EventHandler, HandlerError, Relay, RelayHandle, RelaySettings, RelayStatistics};
pub use stored::{StoredFigures, StoredTruth};
pub use stream::{Cursor, InvalidCursor, Notice, Why, WhyReset};
