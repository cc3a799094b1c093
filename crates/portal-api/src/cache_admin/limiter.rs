//! How often a tenant's admins may call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tenancy::TenantId;
use tokio::time::Instant;

/// Tenants that are remembered; those who have not called for longest are forgotten first.
const MAX_TENANTS: usize = 10_000;

/// Calls of one tenant that an instance takes in a minute.
#[derive(Clone, Copy, Debug)]
pub struct LimiterSettings {
    /// Status and keys.
    pub reads_per_minute: u32,
    /// Invalidations and warm-ups.
    pub writes_per_minute: u32,
}

/// What a call counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// It looks.
    Read,
    /// It drops or fills.
    Write,
    /// It is refused anyhow: members without the permission do not use up the admins' calls.
    Refused,
}

/// A call too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany {
    pub(super) retry_after: Duration,
    /// Whether it is the first since a call was admitted: one row in the audit trail is enough.
    pub(super) is_first: bool,
}

/// Counts the calls of tenants in this process. A tenant begins with a minute's calls and gets
/// them back evenly.
#[derive(Debug)]
pub struct Limiter {
    settings: LimiterSettings,
    buckets: Mutex<HashMap<(TenantId, Kind), Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When all calls are there again.
    full_at: Instant,
    is_refusing: bool,
}

impl Limiter {
    /// Nobody has called yet.
    pub fn new(settings: LimiterSettings) -> Self {
        Self { settings, buckets: Mutex::default() }
    }

    /// Takes one call, or says when there will be one.
    pub(super) fn admit(&self, tenant: TenantId, kind: Kind) -> Result<(), TooMany> {
        let per_minute = match kind {
            Kind::Read => self.settings.reads_per_minute,
            Kind::Write | Kind::Refused => self.settings.writes_per_minute,
        };
        let (minute, now) = (Duration::from_mins(1), Instant::now());
        let call = minute / per_minute.max(1);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_TENANTS && !buckets.contains_key(&(tenant, kind)) {
            make_room(&mut buckets, now);
        }
        let bucket = buckets
            .entry((tenant, kind))
            .or_insert_with(|| Bucket { full_at: now, is_refusing: false });
        let full_at = bucket.full_at.max(now) + call;
        let wait = full_at.saturating_duration_since(now).saturating_sub(minute);
        if wait.is_zero() {
            *bucket = Bucket { full_at, is_refusing: false };
            return Ok(());
        }
        let is_first = !std::mem::replace(&mut bucket.is_refusing, true);
        Err(TooMany { retry_after: wait, is_first })
    }
}

fn make_room(buckets: &mut HashMap<(TenantId, Kind), Bucket>, now: Instant) {
    buckets.retain(|_, bucket| bucket.full_at > now);
    if buckets.len() < MAX_TENANTS {
        return;
    }
    let longest = buckets.iter().min_by_key(|(_, bucket)| bucket.full_at).map(|(key, _)| *key);
    if let Some(key) = longest {
        buckets.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn limiter() -> Limiter {
        Limiter::new(LimiterSettings { reads_per_minute: 6, writes_per_minute: 2 })
    }

    #[tokio::test(start_paused = true)]
    async fn calls_come_back_evenly_and_the_wait_is_told() {
        let limiter = limiter();
        for _ in 0..6 {
            assert_eq!(limiter.admit(tenant(1), Kind::Read), Ok(()));
        }
        let retry_after = Duration::from_secs(10);
        let first = TooMany { retry_after, is_first: true };
        assert_eq!(limiter.admit(tenant(1), Kind::Read), Err(first));
        let second = TooMany { retry_after, is_first: false };
        assert_eq!(limiter.admit(tenant(1), Kind::Read), Err(second));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(limiter.admit(tenant(1), Kind::Read), Ok(()));
        assert_eq!(limiter.admit(tenant(1), Kind::Read), Err(first));
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_and_kinds_have_calls_of_their_own() {
        let limiter = limiter();
        for number in 1..=3 {
            for kind in [Kind::Write, Kind::Refused] {
                assert_eq!(limiter.admit(tenant(number), kind), Ok(()));
                assert_eq!(limiter.admit(tenant(number), kind), Ok(()));
                assert!(limiter.admit(tenant(number), kind).is_err());
            }
            assert_eq!(limiter.admit(tenant(number), Kind::Read), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let limiter = limiter();
        let limit = u128::try_from(MAX_TENANTS).unwrap();
        for number in 0..limit + 10 {
            limiter.admit(tenant(number), Kind::Write).unwrap();
        }
        assert_eq!(limiter.buckets.lock().unwrap().len(), MAX_TENANTS);
        tokio::time::advance(Duration::from_mins(1)).await;
        limiter.admit(tenant(limit + 10), Kind::Write).unwrap();
        assert_eq!(limiter.buckets.lock().unwrap().len(), 1);
    }
}
