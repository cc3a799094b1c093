//! What the time says of a value: served as it is, loaded anew early, served stale, over.

use std::time::Duration;

use time::OffsetDateTime;

use crate::envelope::Envelope;
use crate::registry::Operation;

/// How eagerly a value is loaded anew before its time is over: 1 is what minimizes the chance that
/// two readers find it over (Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache
/// Stampede Prevention", VLDB 2015).
const BETA: f64 = 1.0;

/// Load costs before the end of its time at which a value can be due at all: less likely than one
/// read in ten thousand before.
const EARLIEST: f64 = 10.0;

/// Part of its time to live for which a value is served stale while it is loaded anew.
const STALE_SHARE: f64 = 0.25;

/// How a value may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Fresh,
    /// Served as it is, and loaded anew meanwhile: its time is nearly over.
    Due,
    /// Served although its time is over, and loaded anew meanwhile.
    Stale,
    /// Served only where nothing newer can be had.
    Spare,
    Over,
}

/// How a value may be used now; `draw` is uniform in 0..1.
pub(crate) fn freshness(
    envelope: &Envelope,
    operation: Operation,
    now: OffsetDateTime,
    draw: f64,
) -> Freshness {
    if now < envelope.expires_at {
        let left = span(now, envelope.expires_at);
        let early = envelope.load_cost.as_secs_f64() * BETA * -(1.0 - draw).ln();
        return if early >= left.as_secs_f64() { Freshness::Due } else { Freshness::Fresh };
    }
    if now >= envelope.stale_until || !operation.policy().class.may_be_stale() {
        return Freshness::Over;
    }
    let ttl = span(envelope.created_at, envelope.expires_at);
    if now < envelope.expires_at + ttl.mul_f64(STALE_SHARE) {
        Freshness::Stale
    } else {
        Freshness::Spare
    }
}

/// How long nobody needs to think of loading it anew.
pub(crate) fn until_aging(envelope: &Envelope, now: OffsetDateTime) -> Duration {
    span(now, envelope.expires_at).saturating_sub(envelope.load_cost.mul_f64(EARLIEST))
}

/// Time since it was loaded.
pub(crate) fn age(envelope: &Envelope, now: OffsetDateTime) -> Duration {
    span(envelope.created_at, now)
}

/// When values end that were loaded at `created_at`: served as they are until the first, stale at
/// most until the second. None lives past `not_after`.
pub(crate) fn ends(
    operation: Operation,
    created_at: OffsetDateTime,
    ttl: Duration,
    not_after: Option<OffsetDateTime>,
) -> (OffsetDateTime, OffsetDateTime) {
    let expires_at = created_at + ttl;
    let stale_until =
        if operation.policy().class.may_be_stale() { expires_at + ttl } else { expires_at };
    let cap = |end: OffsetDateTime| not_after.map_or(end, |last| last.min(end));
    (cap(expires_at), cap(stale_until))
}

fn span(from: OffsetDateTime, to: OffsetDateTime) -> Duration {
    Duration::try_from(to - from).unwrap_or_default()
}
