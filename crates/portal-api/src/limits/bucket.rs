//! One subject of one rule, as one instance knows it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Rate, Rule, TooMany, Verdict};

/// What is known of a subject. A request costs its part of the minute; what it costs is paid back
/// as time goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// When all is paid back.
    full_at: Instant,
    /// Requests that were admitted and that the other instances do not know of.
    unreported: u32,
    is_refusing: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    debt: Duration,
    refusal: Option<TooMany>,
}

impl Bucket {
    pub(super) const fn new(now: Instant) -> Self {
        Self { full_at: now, unreported: 0, is_refusing: false }
    }

    pub(super) const fn full_at(&self) -> Instant {
        self.full_at
    }

    /// Whether nothing is owed any more.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }

    /// Takes one request, or says when there will be one.
    pub(super) fn admit(&mut self, rate: Rate, now: Instant) -> Outcome {
        if let Some(refused) = self.refuse(rate, now) {
            return refused;
        }
        self.full_at = self.full_at.max(now) + rate.cost();
        self.unreported = self.unreported.saturating_add(1);
        self.is_refusing = false;
        self.outcome(now, None)
    }

    /// Refuses a request that is one too many by what is known here.
    pub(super) fn refuse(&mut self, rate: Rate, now: Instant) -> Option<Outcome> {
        let full_at = self.full_at.max(now) + rate.cost();
        let wait = full_at.saturating_duration_since(now).saturating_sub(rate.window);
        (!wait.is_zero()).then(|| self.refused(now, wait))
    }

    /// Takes what all instances together answer to one request: what is owed with it, or, below
    /// zero, how long it has to wait. In microseconds.
    pub(super) fn settle(&mut self, rate: Rate, now: Instant, debt: i64) -> Outcome {
        let amount = Duration::from_micros(debt.unsigned_abs());
        if debt < 0 {
            let owed = (amount + rate.window).saturating_sub(rate.cost());
            self.full_at = self.full_at.max(now + owed);
            return self.refused(now, amount);
        }
        self.full_at = now + amount + rate.cost() * self.unreported;
        self.is_refusing = false;
        self.outcome(now, None)
    }

    /// Takes over what all instances together have admitted.
    pub(super) fn learn(&mut self, rate: Rate, now: Instant, debt: i64) {
        let debt = Duration::from_micros(u64::try_from(debt).unwrap_or_default());
        self.full_at = now + debt + rate.cost() * self.unreported;
    }

    /// Requests to tell the others of, if there are at least `least`.
    pub(super) fn take_unreported(&mut self, least: u32) -> Option<u32> {
        let is_enough = self.unreported >= least.max(1);
        is_enough.then(|| std::mem::take(&mut self.unreported))
    }

    /// Nobody took the report. More than a minute's requests need not be told.
    pub(super) fn give_back(&mut self, rate: Rate, count: u32) {
        self.unreported = self.unreported.saturating_add(count).min(rate.count);
    }

    fn refused(&mut self, now: Instant, retry_after: Duration) -> Outcome {
        let is_first = !std::mem::replace(&mut self.is_refusing, true);
        self.outcome(now, Some(TooMany { retry_after, is_first }))
    }

    fn outcome(&self, now: Instant, refusal: Option<TooMany>) -> Outcome {
        Outcome { debt: self.full_at.saturating_duration_since(now), refusal }
    }
}

impl Outcome {
    pub(super) fn verdict(self, rule: Rule, rate: Rate) -> Verdict {
        let left = rate.window.saturating_sub(self.debt).as_nanos() / rate.cost().as_nanos().max(1);
        let remaining = if self.refusal.is_some() { 0 } else { left };
        Verdict {
            rule,
            quota: rate.count,
            window: rate.window,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX).min(rate.count),
            reset: self.debt,
            refusal: self.refusal,
        }
    }
}
