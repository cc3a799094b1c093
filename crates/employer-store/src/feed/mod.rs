//! What members are told: inboxes, who hears of what, and the statement that tells them.
//!
//! Truth stands here. [`fan_out`] takes events from the outbox and writes them, all or nothing, into
//! the inboxes of whoever should hear of them, the log of events and the figures; whoever shows
//! them live reads [`head`] and [`since`].

mod audience;
mod fan_out;
mod kind;
mod log;
mod mail;
mod mark;
mod purge;
mod read;

pub use fan_out::{FannedOut, Published, TellingSettings, fan_out, next_waiting, note_failure};
pub use kind::{NotificationKind, UnknownNotificationKind};
pub use log::{Forgotten, LEAST_LOG_DAYS, forget_log};
pub(crate) use mail::withdraw_mail;
pub use mail::{
    Addressee, Digest, DueMail, MailItem, MailWishes, claim_mail, find_addressee, job_titles,
    settle_mail, turn_mail_off,
};
pub use mark::{Mark, mark, recount};
pub use purge::purge;
pub use read::{FeedFilter, FeedPage, Head, Notification, head, list_notifications, since};

use serde_json::json;
use tenancy::EventKind;

use crate::error::StoreError;
use crate::tenant_db::TenantTx;

/// Tells the tenant's owners and admins that a part of its cached answers was dropped by the
/// transaction's actor. `mode` is our own word for how.
pub async fn tell_cache_invalidated(
    tx: &mut TenantTx,
    mode: &'static str,
    groups: usize,
) -> Result<(), StoreError> {
    let payload = json!({ "v": 1, "mode": mode, "groups": groups });
    tx.emit(EventKind::CacheInvalidated, None, payload).await
}
