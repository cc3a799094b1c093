use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tenancy::ManualClock;
use time::OffsetDateTime;
use tokio::time::advance;

use super::*;

const SOMEBODY: Subject = 7;

/// Counts as Redis does, and can be away.
#[derive(Debug, Default)]
struct Counts {
    owed_until: Mutex<HashMap<String, Instant>>,
    is_away: AtomicBool,
    charges: AtomicUsize,
}

impl SharedCounts for Counts {
    fn charge(&self, charges: Vec<Charge>) -> BoxFuture<'_, Vec<Option<i64>>> {
        self.charges.fetch_add(charges.len(), Ordering::Relaxed);
        if self.is_away.load(Ordering::Relaxed) {
            return async { Vec::new() }.boxed();
        }
        let now = Instant::now();
        let mut owed_until = self.owed_until.lock().unwrap();
        let answers = charges.into_iter().map(|charge| {
            let end = owed_until.entry(charge.key).or_insert(now);
            let new = (*end).max(now) + charge.amount;
            let over = (new - now).saturating_sub(charge.most);
            if !over.is_zero() && !charge.is_due {
                return Some(-i64::try_from(over.as_micros()).unwrap());
            }
            *end = new.min(now + charge.most);
            Some(i64::try_from((*end - now).as_micros()).unwrap())
        });
        let answers = answers.collect();
        async { answers }.boxed()
    }
}

fn rates() -> Rates {
    Rates {
        enabled: true,
        address_per_minute: 60,
        sign_in_per_minute: 6,
        user_per_minute: 60,
        api_key_per_minute: 60,
        tenant_per_minute: 600,
        cache_reads_per_minute: 6,
        cache_writes_per_minute: 2,
        apply_address_per_quarter_hour: 5,
        apply_person_per_quarter_hour: 5,
        apply_board_per_ten_seconds: 20,
        view_address_per_minute: 60,
        sync_interval: Duration::from_secs(1),
        tracked_max: 1_600,
    }
}

fn instances(rates: Rates) -> (Arc<Counts>, RateLimits, RateLimits) {
    let counts = Arc::new(Counts::default());
    let instance = || {
        let clock = Arc::new(ManualClock::at(OffsetDateTime::UNIX_EPOCH));
        RateLimits::new(rates, counts.clone(), clock)
    };
    let (one, two) = (instance(), instance());
    (counts, one, two)
}

/// How many of `asked` requests are admitted.
fn admitted(limits: &RateLimits, rule: Rule, asked: usize) -> usize {
    let verdicts = (0..asked).filter_map(|_| limits.admit(rule, SOMEBODY));
    verdicts.filter(|verdict| verdict.refusal.is_none()).count()
}

#[tokio::test(start_paused = true)]
async fn requests_come_back_evenly_and_the_wait_is_told() {
    let (_, limits, _) = instances(rates());
    let first = limits.admit(Rule::CacheReads, SOMEBODY).unwrap();
    assert_eq!((first.quota, first.remaining), (6, 5));
    assert_eq!(first.reset, Duration::from_secs(10));
    assert_eq!(admitted(&limits, Rule::CacheReads, 5), 5);
    let refused = limits.admit(Rule::CacheReads, SOMEBODY).unwrap();
    let retry_after = Duration::from_secs(10);
    assert_eq!(refused.refusal, Some(TooMany { retry_after, is_first: true }));
    assert_eq!(refused.remaining, 0);
    let again = limits.admit(Rule::CacheReads, SOMEBODY).unwrap();
    assert_eq!(again.refusal, Some(TooMany { retry_after, is_first: false }));
    advance(Duration::from_secs(10)).await;
    assert_eq!(admitted(&limits, Rule::CacheReads, 2), 1);
    // Other rules and other people have requests of their own.
    assert_eq!(admitted(&limits, Rule::CacheWrites, 9), 2);
    assert!(limits.admit(Rule::CacheReads, 8).unwrap().refusal.is_none());
}

#[tokio::test(start_paused = true)]
async fn instances_share_what_they_admit() {
    let (counts, one, two) = instances(rates());
    assert_eq!(admitted(&one, Rule::User, 60), 60);
    one.synchronize().await;
    // The other one learns of it with its own first report, after a twentieth of the limit.
    assert_eq!(admitted(&two, Rule::User, 3), 3);
    two.synchronize().await;
    assert_eq!(admitted(&two, Rule::User, 60), 0);
    assert_eq!(counts.charges.load(Ordering::Relaxed), 2, "a command a report");
    advance(Duration::from_secs(30)).await;
    let both = admitted(&one, Rule::User, 60) + admitted(&two, Rule::User, 60);
    assert!((30..=60).contains(&both), "{both}");
}

#[tokio::test(start_paused = true)]
async fn who_asks_little_is_told_to_nobody() {
    let (counts, one, _) = instances(rates());
    for _ in 0..5 {
        assert_eq!(admitted(&one, Rule::User, 2), 2);
        one.synchronize().await;
        advance(Duration::from_secs(2)).await;
        one.synchronize().await;
    }
    assert_eq!(counts.charges.load(Ordering::Relaxed), 0);
    assert!(one.0.shards.iter().all(|shard| lock(shard).is_empty()), "and forgotten");
}

#[tokio::test(start_paused = true)]
async fn exact_limits_hold_over_all_instances() {
    let (counts, one, two) = instances(rates());
    let mut admitted = 0;
    for index in 0..20 {
        let limits = if index % 2 == 0 { &one } else { &two };
        let verdict = limits.admit_exactly(Rule::SignIn, SOMEBODY).await.unwrap();
        admitted += usize::from(verdict.refusal.is_none());
    }
    assert_eq!(admitted, 6);
    // Six, and one for the instance that did not admit the last; then both know by themselves.
    assert_eq!(counts.charges.load(Ordering::Relaxed), 7);
    advance(Duration::from_secs(10)).await;
    assert!(two.admit_exactly(Rule::SignIn, SOMEBODY).await.unwrap().refusal.is_none());
    assert!(one.admit_exactly(Rule::SignIn, SOMEBODY).await.unwrap().refusal.is_some());
}

#[tokio::test(start_paused = true)]
async fn without_the_others_each_counts_by_itself() {
    let (counts, one, two) = instances(rates());
    counts.is_away.store(true, Ordering::Relaxed);
    for limits in [&one, &two] {
        let mut admitted = 0;
        for _ in 0..20 {
            let verdict = limits.admit_exactly(Rule::SignIn, SOMEBODY).await.unwrap();
            admitted += usize::from(verdict.refusal.is_none());
        }
        assert_eq!(admitted, 6, "never unlimited, and never an outage");
        limits.synchronize().await;
    }
    // What was admitted meanwhile is told when they are back.
    counts.is_away.store(false, Ordering::Relaxed);
    one.synchronize().await;
    advance(Duration::from_secs(10)).await;
    assert!(one.admit_exactly(Rule::SignIn, SOMEBODY).await.unwrap().refusal.is_none());
    assert!(two.admit_exactly(Rule::SignIn, SOMEBODY).await.unwrap().refusal.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded_and_keeps_who_is_refused() {
    let (_, limits, _) = instances(rates());
    assert_eq!(admitted(&limits, Rule::Address, 61), 60);
    for stranger in 1_000..20_000 {
        limits.admit(Rule::Address, stranger);
    }
    let kept: usize = limits.0.shards.iter().map(|shard| lock(shard).len()).sum();
    assert!(kept <= 1_600, "{kept}");
    assert_eq!(admitted(&limits, Rule::Address, 1), 0);
}

#[tokio::test]
async fn limits_can_be_turned_off() {
    let (_, limits, _) = instances(Rates { enabled: false, ..rates() });
    assert_eq!(limits.admit(Rule::Address, SOMEBODY), None);
    assert_eq!(limits.admit_exactly(Rule::SignIn, SOMEBODY).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_quarter_of_an_hour_has_its_five_at_once_and_then_one_in_three_minutes() {
    let (_, one, other) = instances(rates());
    let admits = async |limits: &RateLimits| {
        limits.admit_exactly(Rule::ApplyAddress, SOMEBODY).await.unwrap().refusal
    };
    for _ in 0..3 {
        assert_eq!(admits(&one).await, None);
    }
    for _ in 0..2 {
        assert_eq!(admits(&other).await, None);
    }
    for limits in [&one, &other] {
        let refusal = admits(limits).await.unwrap();
        assert_eq!(refusal.retry_after, Duration::from_mins(3));
    }
    advance(Duration::from_mins(3)).await;
    assert_eq!(admits(&one).await, None);
    assert!(admits(&other).await.is_some());
}
