//! How often somebody may ask, counted over all instances.
//!
//! Each rule gives each of its subjects (an address, a person, an organization, an API key) a
//! minute's requests at once, which come back evenly. What an instance admits it counts by itself,
//! so that a limit costs a request nothing, and tells the others of it in batches; what it is
//! answered then is what all of them have admitted. Between two batches the instances know nothing of each
//! other, so a little more than the limit may pass: at most a twentieth of it for each instance,
//! and what arrives within [`Rates::sync_interval`].
//!
//! Where a little more is too much (sign-ins, dropping the cache), [`RateLimits::admit_exactly`]
//! asks first. Without an answer every instance counts by itself: no outage, and no limit undone.

mod bucket;
mod headers;
mod requests;
mod shared;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenancy::Clock;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use bucket::Bucket;
pub(crate) use headers::Quotas;
pub(crate) use requests::{
    admit_arrival, admit_caller, admit_operator, digest_of, network_of, take, too_many,
};
pub use shared::{Charge, SharedCounts};

/// What limits are for: requests in such a time.
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
const QUARTER_HOUR: Duration = Duration::from_mins(15);
const TEN_SECONDS: Duration = Duration::from_secs(10);

/// Parts of the memory that are locked by themselves.
const SHARDS: usize = 16;

/// Most subjects that one batch tells of; the rest waits for the next one.
const MAX_BATCH: usize = 1_000;

/// An instance tells of what it admitted once it is this part of the limit.
const REPORTED_PART: u32 = 20;

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $name:literal, $rate:ident, $window:expr;)+) => {
        /// What is limited.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Rule {
            $($(#[$doc])* $rule,)+
        }

        impl Rule {
            /// The name in headers, keys and the trail.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$rule => $name,)+ }
            }

            const fn count(self, rates: &Rates) -> u32 {
                match self { $(Self::$rule => rates.$rate,)+ }
            }

            const fn window(self) -> Duration {
                match self { $(Self::$rule => $window,)+ }
            }
        }
    };
}

rules! {
    /// Requests from an address; of IPv6 from a network of 64 bits.
    Address = "address", address_per_minute, MINUTE;
    /// Sign-ins begun or completed from an address.
    SignIn = "sign-in", sign_in_per_minute, MINUTE;
    /// Requests of a person, in all their sessions.
    User = "user", user_per_minute, MINUTE;
    /// Requests with an API key, or of a client of the identity provider.
    ApiKey = "api-key", api_key_per_minute, MINUTE;
    /// Requests of all people and machines of an organization.
    Tenant = "tenant", tenant_per_minute, MINUTE;
    /// Looks into an organization's cache.
    CacheReads = "cache-reads", cache_reads_per_minute, MINUTE;
    /// Changes of an organization's cache.
    CacheWrites = "cache-writes", cache_writes_per_minute, MINUTE;
    /// Calls of either kind that are refused anyhow: they do not use up the admins' own.
    CacheRefused = "cache-refused", cache_writes_per_minute, MINUTE;
    /// Applications from an address.
    ApplyAddress = "apply-address", apply_address_per_quarter_hour, QUARTER_HOUR;
    /// Applications of a person to an employer.
    ApplyPerson = "apply-person", apply_person_per_quarter_hour, QUARTER_HOUR;
    /// Applications to an employer; who comes in a rush waits for a turn.
    ApplyBoard = "apply-board", apply_board_per_ten_seconds, TEN_SECONDS;
    /// Views of jobs from an address.
    ViewAddress = "view-address", view_address_per_minute, MINUTE;
}

/// How often.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Whether anything is limited.
    pub enabled: bool,
    /// Requests from an address.
    pub address_per_minute: u32,
    /// Sign-ins begun or completed from an address.
    pub sign_in_per_minute: u32,
    /// Requests of a person.
    pub user_per_minute: u32,
    /// Requests with an API key.
    pub api_key_per_minute: u32,
    /// Requests of an organization.
    pub tenant_per_minute: u32,
    /// Looks into an organization's cache.
    pub cache_reads_per_minute: u32,
    /// Changes of an organization's cache.
    pub cache_writes_per_minute: u32,
    /// Applications from an address.
    pub apply_address_per_quarter_hour: u32,
    /// Applications of a person to an employer.
    pub apply_person_per_quarter_hour: u32,
    /// Applications to an employer.
    pub apply_board_per_ten_seconds: u32,
    /// Views of jobs from an address.
    pub view_address_per_minute: u32,
    /// Pause between two batches.
    pub sync_interval: Duration,
    /// Subjects that an instance remembers; those who have asked least are forgotten first.
    pub tracked_max: usize,
}

/// Whoever a rule counts for: the bits of an address or of an id.
pub(crate) type Subject = u128;

/// What a rule says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) rule: Rule,
    /// Requests of a window.
    pub(crate) quota: u32,
    /// The time that the quota is for.
    pub(crate) window: Duration,
    /// Those that are left.
    pub(crate) remaining: u32,
    /// When all of them are there again.
    pub(crate) reset: Duration,
    pub(crate) refusal: Option<TooMany>,
}

/// So many requests in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) count: u32,
    pub(crate) window: Duration,
}

impl Rate {
    /// The time that it takes to pay one request back.
    pub(crate) fn cost(self) -> Duration {
        self.window / self.count.max(1)
    }
}

/// A request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) retry_after: Duration,
    /// Whether it is the first since a request was admitted.
    pub(crate) is_first: bool,
}

/// The limits of this instance. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct RateLimits(Arc<Inner>);

struct Inner {
    rates: Rates,
    shards: Vec<Mutex<Shard>>,
    shared: Arc<dyn SharedCounts>,
    clock: Arc<dyn Clock>,
}

type Shard = HashMap<(Rule, Subject), Bucket>;

impl fmt::Debug for RateLimits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RateLimits").field("rates", &self.0.rates).finish_non_exhaustive()
    }
}

impl RateLimits {
    /// Nobody has asked yet.
    pub fn new(rates: Rates, shared: Arc<dyn SharedCounts>, clock: Arc<dyn Clock>) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self(Arc::new(Inner { rates, shards, shared, clock }))
    }

    /// Takes one request of `subject`, by what this instance knows; `None` where nothing is
    /// limited.
    pub(crate) fn admit(&self, rule: Rule, subject: Subject) -> Option<Verdict> {
        let rate = self.rate(rule)?;
        let now = Instant::now();
        Some(
            self.with_bucket(rule, subject, now, |bucket| bucket.admit(rate, now))
                .verdict(rule, rate),
        )
    }

    /// The same by what all instances have admitted. It asks them, unless this one knows enough to
    /// refuse; where nobody answers, it goes by what it knows.
    pub(crate) async fn admit_exactly(&self, rule: Rule, subject: Subject) -> Option<Verdict> {
        let rate = self.rate(rule)?;
        let now = Instant::now();
        let refused = self.with_bucket(rule, subject, now, |bucket| bucket.refuse(rate, now));
        if let Some(refused) = refused {
            return Some(refused.verdict(rule, rate));
        }
        let charge = self.charge(rule, subject, 1, false);
        let answers = self.0.shared.charge(vec![charge]).await;
        let now = Instant::now();
        let outcome = self.with_bucket(rule, subject, now, |bucket| {
            match answers.into_iter().flatten().next() {
                Some(debt) => bucket.settle(rate, now, debt),
                None => bucket.admit(rate, now),
            }
        });
        Some(outcome.verdict(rule, rate))
    }

    /// Tells the other instances of what this one admits until `stop` is cancelled.
    pub async fn run_until_stopped(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.0.rates.sync_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => self.synchronize().await,
            }
        }
    }

    async fn synchronize(&self) {
        let mut due = self.take_due();
        while !due.is_empty() {
            let rest = due.split_off(due.len().min(MAX_BATCH));
            let charges = due
                .iter()
                .map(|(rule, subject, count)| self.charge(*rule, *subject, *count, true))
                .collect();
            let answers = self.0.shared.charge(charges).await;
            let now = Instant::now();
            for (index, (rule, subject, count)) in due.into_iter().enumerate() {
                let debt = answers.get(index).copied().flatten();
                let Some(rate) = self.rate(rule) else { continue };
                self.with_bucket(rule, subject, now, |bucket| match debt {
                    Some(debt) => bucket.learn(rate, now, debt),
                    None => bucket.give_back(rate, count),
                });
            }
            due = rest;
        }
    }

    /// What has been admitted since others were told, where it is enough to tell them.
    fn take_due(&self) -> Vec<(Rule, Subject, u32)> {
        let now = Instant::now();
        let mut due = Vec::new();
        for shard in &self.0.shards {
            let mut shard = lock(shard);
            shard.retain(|(rule, subject), bucket| {
                let least = self.rate(*rule).map_or(u32::MAX, |rate| rate.count / REPORTED_PART);
                if let Some(count) = bucket.take_unreported(least) {
                    due.push((*rule, *subject, count));
                    return true;
                }
                !bucket.is_full(now)
            });
        }
        due
    }

    fn charge(&self, rule: Rule, subject: Subject, count: u32, is_due: bool) -> Charge {
        let rate = self.rate_of(rule);
        Charge {
            key: format!("limit:{}:{subject:032x}", rule.as_str()),
            now: self.0.clock.now(),
            amount: rate.cost() * count,
            most: rate.window,
            is_due,
        }
    }

    /// `None` where nothing is limited.
    fn rate(&self, rule: Rule) -> Option<Rate> {
        self.0.rates.enabled.then(|| self.rate_of(rule))
    }

    fn rate_of(&self, rule: Rule) -> Rate {
        Rate { count: rule.count(&self.0.rates).max(1), window: rule.window() }
    }

    fn with_bucket<T>(
        &self,
        rule: Rule,
        subject: Subject,
        now: Instant,
        work: impl FnOnce(&mut Bucket) -> T,
    ) -> T {
        let index = (subject ^ (subject >> 64)) % 16;
        let shard = usize::try_from(index).ok().and_then(|index| self.0.shards.get(index));
        let Some(shard) = shard else {
            // Cannot be: the remainder names a shard.
            return work(&mut Bucket::new(now));
        };
        let mut shard = lock(shard);
        let most = (self.0.rates.tracked_max / SHARDS).max(1);
        if shard.len() >= most && !shard.contains_key(&(rule, subject)) {
            make_room(&mut shard, now, most);
        }
        work(shard.entry((rule, subject)).or_insert_with(|| Bucket::new(now)))
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets whoever has all requests again; where that is not enough, the eighth that has asked
/// least, so that a flood of addresses does not wash away those that are refused.
fn make_room(shard: &mut Shard, now: Instant, most: usize) {
    shard.retain(|_, bucket| !bucket.is_full(now));
    if shard.len() < most {
        return;
    }
    let mut ends: Vec<Instant> = shard.values().map(Bucket::full_at).collect();
    let eighth = ends.len() / 8;
    let (_, end, _) = ends.select_nth_unstable(eighth);
    let end = *end;
    shard.retain(|_, bucket| bucket.full_at() > end);
}

#[cfg(test)]
mod tests;
