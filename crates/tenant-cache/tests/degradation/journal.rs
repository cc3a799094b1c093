//! Invalidations that fail, are cut off, or are forgotten by the provider.

use std::sync::Arc;
use std::time::Duration;

use redis_provider::testing::{Fault, FaultyRedis, RecordingRedis};
use redis_provider::{RedisError, RedisProvider};
use tenancy::{EventKind, SystemClock};
use tenant_cache::{CacheSettings, Outcome, TenantCache};
use tokio::time::{advance, sleep};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::failover::Failover;
use crate::{A_TICK, Instance, an, away, reads, scope, told};

/// A stamp of the same instant is refused at the first attempt.
const AN_INSTANT: Duration = Duration::from_millis(1);

const CHANGED: EventKind = EventKind::JobUpdated;

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_failed_is_made_up_for_before_anything_is_believed() {
    let provider = Failover::new();
    let (here, there) = (Instance::on(&provider), Instance::on(&provider));
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    here.way.inject_on("pipeline", away());
    assert!(here.cache.invalidate(&scope, CHANGED, None).await.is_err());
    // Reads of the provider work, and what it says is old.
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Bypass, "new"));
    assert_eq!(there.reads(&scope, "new").await, an(Outcome::Hit, "old"));
    assert!(here.cache.health("memory").await.journaled > 0);

    here.way.heal();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(there.reads(&scope, "new").await, an(Outcome::Miss, "new"));
    assert_eq!(here.reads(&scope, "never").await, an(Outcome::Hit, "new"));
    let statistics = here.cache.statistics();
    assert_eq!((statistics.journal_length, statistics.journaled), (0, statistics.replayed));
    assert!(statistics.journaled > 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_under_way_while_an_invalidation_fails_is_not_believed() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    here.way.inject_on("get_many", Fault::Delay(Duration::from_millis(50)));
    here.way.inject_on("pipeline", away());
    let (read, failed) = tokio::join!(here.reads(&scope, "new"), async {
        sleep(Duration::from_millis(10)).await;
        here.cache.invalidate(&scope, CHANGED, None).await
    });
    assert!(failed.is_err());
    assert_eq!(read, an(Outcome::Bypass, "new"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_a_failure_and_its_stamp_is_never_written_again() {
    let provider = Failover::new();
    let (here, there) = (Instance::on(&provider), Instance::on(&provider));
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    sleep(AN_INSTANT).await;
    here.way.inject_times("pipeline", Fault::LoseReply, 1);
    let lost = here.cache.invalidate(&scope, CHANGED, None).await;
    assert_eq!(lost, Err(RedisError::Timeout { maybe_applied: true }));
    // It was applied: another instance loads under its stamp. A second write of the same stamp
    // would keep this value alive, whatever had changed since.
    assert_eq!(there.reads(&scope, "newer").await, an(Outcome::Miss, "newer"));
    sleep(A_TICK).await;
    assert_eq!(here.cache.statistics().journal_length, 0);
    assert_eq!(here.reads(&scope, "newest").await, an(Outcome::Miss, "newest"));
}

#[tokio::test(start_paused = true)]
async fn a_replay_does_not_clear_what_failed_after_it_began() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    sleep(AN_INSTANT).await;
    here.way.inject_times("pipeline", away(), 1);
    assert!(here.cache.invalidate(&scope, CHANGED, None).await.is_err());
    // The replay takes long; while it is under way the same thing changes once more.
    here.way.inject_times("pipeline", Fault::Delay(Duration::from_millis(500)), 1);
    sleep(Duration::from_millis(300)).await;
    here.way.inject_times("pipeline", away(), 1);
    assert!(here.cache.invalidate(&scope, CHANGED, None).await.is_err());
    let journaled = here.cache.statistics().journal_length;
    // The replay of the first is done now.
    here.way.inject_on("pipeline", away());
    sleep(Duration::from_millis(400)).await;
    assert_eq!(here.cache.statistics().journal_length, journaled);
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Bypass, "new"));
    here.way.heal();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(here.cache.statistics().journal_length, 0);
    assert_eq!(here.reads(&scope, "newer").await, an(Outcome::Miss, "newer"));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_whose_caller_goes_away_is_made_up_for() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    here.way.inject_times("pipeline", Fault::Hang(Duration::from_secs(9)), 1);
    let limit = Duration::from_millis(20);
    let cut_off = tokio::time::timeout(limit, here.cache.invalidate(&scope, CHANGED, None)).await;
    assert!(cut_off.is_err());
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Bypass, "new"));
    sleep(A_TICK).await;
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Miss, "new"));
}

#[tokio::test(start_paused = true)]
async fn a_failover_revives_nothing_on_any_instance() {
    let provider = Failover::new();
    let (here, there) = (Instance::on(&provider), Instance::on(&provider));
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    let behind = provider.snapshot().await;
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    sleep(Duration::from_secs(50)).await;
    provider.fails_over_to(&behind).await;
    // The old value and its stamps are back.
    assert_eq!(there.reads(&scope, "new").await, an(Outcome::Bypass, "new"));
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Bypass, "new"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Miss, "new"));
    assert_eq!(there.reads(&scope, "never").await, an(Outcome::Hit, "new"));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_nobody_reads_from_repeats_what_a_failover_lost() {
    let provider = Failover::new();
    let (here, there) = (Instance::on(&provider), Instance::on(&provider));
    let scope = scope("org_a");
    there.reads(&scope, "old").await;
    let behind = provider.snapshot().await;
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    provider.fails_over_to(&behind).await;
    // The other instance cannot know what it was. It believes nothing for a third of the lease.
    for _ in 0..10 {
        assert_eq!(there.reads(&scope, "new").await.1, "new");
        sleep(Duration::from_millis(15)).await;
    }
    assert_eq!(here.cache.statistics().journal_length, 0);
    sleep(Duration::from_millis(350)).await;
    assert_eq!(there.reads(&scope, "new").await, an(Outcome::Miss, "new"));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_outage_ends_the_pauses_of_instances_that_nobody_reads_from() {
    let provider = Failover::new();
    // One alone might happen to be at the end of its pause.
    let instances = [(); 5].map(|()| Instance::on(&provider));
    for instance in &instances {
        instance.loses_the_provider();
        assert!(instance.cache.invalidate(&scope("org_a"), CHANGED, None).await.is_err());
    }
    // By now the attempts are up to a second apart.
    sleep(Duration::from_secs(30)).await;
    for instance in &instances {
        instance.way.heal();
    }
    let state = provider.snapshot().await;
    provider.fails_over_to(&state).await;
    sleep(A_TICK).await;
    let pending = instances.map(|instance| instance.cache.statistics().journal_length);
    assert_eq!(pending, [0; 5]);
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_a_failover_overtook_is_not_called_finished() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    sleep(AN_INSTANT).await;
    let behind = provider.snapshot().await;
    // Applied at once, lost 20 ms later, acknowledged after 50 ms.
    provider.answers_after(Duration::ZERO, Duration::from_millis(50));
    let (invalidated, ()) = tokio::join!(here.cache.invalidate(&scope, CHANGED, None), async {
        sleep(Duration::from_millis(20)).await;
        provider.fails_over_to(&behind).await;
    });
    assert!(matches!(invalidated, Err(RedisError::Unavailable(_))), "{invalidated:?}");
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Bypass, "new"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(here.cache.statistics().journal_length, 0);
    assert_eq!(here.reads(&scope, "newer").await, an(Outcome::Miss, "newer"));
}

#[tokio::test(start_paused = true)]
async fn what_was_made_up_for_and_then_lost_is_made_up_for_again() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    let behind = provider.snapshot().await;
    here.way.inject_times("pipeline", away(), 1);
    assert!(here.cache.invalidate(&scope, CHANGED, None).await.is_err());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(here.cache.statistics().journal_length, 0);
    provider.fails_over_to(&behind).await;
    for _ in 0..3 {
        assert_eq!(here.reads(&scope, "new").await.1, "new");
        sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_a_failover_overtook_is_done_again() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    sleep(AN_INSTANT).await;
    let behind = provider.snapshot().await;
    here.way.inject_times("pipeline", away(), 1);
    assert!(here.cache.invalidate(&scope, CHANGED, None).await.is_err());
    // The replay is applied at once, lost, noticed to be by a reader, and acknowledged last.
    provider.answers_after(Duration::ZERO, Duration::from_millis(500));
    sleep(Duration::from_millis(200)).await;
    provider.fails_over_to(&behind).await;
    provider.answers_after(Duration::ZERO, Duration::ZERO);
    here.reads(&crate::scope("org_b"), "any").await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(here.cache.statistics().journal_length, 0);
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Miss, "new"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_took_longer_than_making_up_for_a_failover_is_not_believed() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    let behind = provider.snapshot().await;
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    provider.fails_over_to(&behind).await;
    // Asked for before anybody has noticed, answered from the revived state, and on its way until
    // the journal is empty and everything has settled.
    provider.answers_after(Duration::from_secs(9), Duration::ZERO);
    let (late, ()) = tokio::join!(here.reads(&scope, "new"), async {
        sleep(Duration::from_millis(10)).await;
        provider.answers_after(Duration::ZERO, Duration::ZERO);
        for _ in 0..3 {
            sleep(Duration::from_secs(2)).await;
            assert_eq!(here.reads(&scope, "new").await.1, "new");
        }
    });
    assert_eq!(late.1, "new");
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_before_a_long_outage_is_repeated_after_it() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let scope = scope("org_a");
    here.reads(&scope, "old").await;
    let behind = provider.snapshot().await;
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    here.loses_the_provider();
    for _ in 0..20 {
        here.reads(&scope, "new").await;
        sleep(Duration::from_secs(30)).await;
    }
    provider.fails_over_to(&behind).await;
    here.way.heal();
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Bypass, "new"));
    assert!(here.cache.statistics().journaled > 0);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(here.reads(&scope, "new").await, an(Outcome::Miss, "new"));
}

#[tokio::test(start_paused = true)]
async fn what_a_replica_must_have_by_now_is_not_repeated() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let scope = scope("org_a");
    here.cache.invalidate(&scope, CHANGED, None).await.unwrap();
    sleep(Duration::from_secs(61)).await;
    let behind = provider.snapshot().await;
    provider.fails_over_to(&behind).await;
    here.reads(&scope, "value").await;
    assert_eq!(here.cache.statistics().journaled, 0);
}

#[tokio::test(start_paused = true)]
async fn too_many_failures_drop_the_whole_tenant_and_no_other() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let (tenant, neighbour) = (scope("org_a"), scope("org_b"));
    let untouched = Uuid::now_v7();
    here.reads_job(&tenant, untouched, "kept").await;
    here.reads(&neighbour, "kept").await;
    here.way.inject_on("pipeline", away());
    for _ in 0..70 {
        assert!(here.cache.invalidate(&tenant, CHANGED, Some(Uuid::now_v7())).await.is_err());
    }
    let statistics = here.cache.statistics();
    assert_eq!((statistics.journal_length, statistics.journal_overflows), (1, 1));
    // Nobody can tell any more which jobs they were.
    assert_eq!(here.reads_job(&tenant, untouched, "again").await, Outcome::Bypass);
    assert_eq!(here.reads(&neighbour, "never").await, an(Outcome::Hit, "kept"));
    here.way.heal();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(here.reads_job(&tenant, untouched, "again").await, Outcome::Miss);
    assert_eq!(here.reads(&neighbour, "never").await, an(Outcome::Hit, "kept"));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_down_costs_its_own_tenants_only() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    let (down, up) = (scope("org_down"), scope("org_up"));
    here.reads(&down, "old").await;
    here.reads(&up, "old").await;
    here.way.inject_times("pipeline", away(), 2);
    assert!(here.cache.invalidate(&down, CHANGED, None).await.is_err());
    assert!(here.cache.invalidate(&up, CHANGED, None).await.is_err());
    provider.loses_part(Some("org_down"));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(here.reads(&up, "new").await, an(Outcome::Miss, "new"));
    assert_eq!(here.reads(&up, "never").await, an(Outcome::Hit, "new"));
    assert_eq!(here.reads(&down, "new").await, an(Outcome::Bypass, "new"));
    provider.loses_part(None);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(here.reads(&down, "newer").await, an(Outcome::Miss, "newer"));
}

#[tokio::test(start_paused = true)]
async fn what_is_pending_is_not_asked_for_and_the_end_of_the_outage_is_noticed_at_once() {
    let provider = Failover::new();
    let recording = Arc::new(RecordingRedis::new(Arc::clone(&provider) as Arc<dyn RedisProvider>));
    let faulty = Arc::new(FaultyRedis::new(Arc::clone(&recording) as Arc<dyn RedisProvider>));
    let cache = TenantCache::new(
        Arc::clone(&faulty) as _,
        Arc::new(SystemClock),
        CacheSettings::default().without_process_level(),
    );
    let (tenant, neighbour) = (scope("org_a"), scope("org_b"));
    reads(&cache, &tenant, "all", "old").await;
    recording.reset();
    assert_eq!(told(&reads(&cache, &tenant, "all", "never").await), an(Outcome::Hit, "old"));
    assert_eq!(recording.calls(), 1, "a hit is one round trip");

    faulty.inject_on("pipeline", away());
    assert!(cache.invalidate(&tenant, CHANGED, None).await.is_err());
    recording.reset();
    assert_eq!(told(&reads(&cache, &tenant, "all", "new").await), an(Outcome::Bypass, "new"));
    assert_eq!(recording.calls(), 0);

    // By now the replays are a second apart. An answer to somebody else ends the pause.
    sleep(Duration::from_secs(30)).await;
    faulty.heal();
    reads(&cache, &neighbour, "all", "theirs").await;
    advance(A_TICK).await;
    sleep(Duration::ZERO).await;
    assert_eq!(cache.statistics().journal_length, 0);
}

#[tokio::test(start_paused = true)]
async fn draining_ends_the_replays() {
    let provider = Failover::new();
    let here = Instance::on(&provider);
    here.loses_the_provider();
    assert!(here.cache.invalidate(&scope("org_a"), CHANGED, None).await.is_err());
    tokio::time::timeout(Duration::from_secs(1), here.cache.drain()).await.unwrap();
    let errors = here.cache.statistics().provider_errors;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(here.cache.statistics().provider_errors, errors, "nothing is tried any more");
}

#[tokio::test]
async fn many_writers_and_readers_under_faults_leave_nothing_behind() {
    let provider = Failover::new();
    let here = Arc::new(Instance::on(&provider));
    let tasks = TaskTracker::new();
    here.way.inject_times("pipeline", away(), 40);
    here.way.inject_times("get_many", Fault::LoseReply, 40);
    for number in 0..200_usize {
        let here = Arc::clone(&here);
        let scope = scope(&format!("org_{}", number % 7));
        tasks.spawn(async move {
            if number % 3 == 0 {
                // Some fail, which is what this is about.
                let _ = here.cache.invalidate(&scope, CHANGED, None).await;
            } else {
                here.reads(&scope, "value").await;
            }
        });
    }
    tasks.close();
    tokio::time::timeout(Duration::from_secs(10), tasks.wait()).await.unwrap();
    let emptied = async {
        while here.cache.statistics().journal_length > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), emptied).await.unwrap();
    assert_eq!(here.reads(&scope("org_0"), "value").await.1, "value");
}
