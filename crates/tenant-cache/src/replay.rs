//! Repeats what failed, until the provider has it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use redis_provider::Script;
use tokio::time::{Instant, MissedTickBehavior};

use crate::cache::{Inner, TenantCache};
use crate::invalidation;

/// How often the journal is looked at, and so the shortest pause between two attempts.
const TICK: Duration = Duration::from_millis(50);

/// Longest pause between two attempts, unless the provider answers somebody meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Generations replaced in one round trip.
const BATCH: usize = 500;

/// When to try again.
#[derive(Debug)]
struct Pace {
    pause: Duration,
    next: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { pause: TICK, next: Instant::now() }
    }

    fn failed(&mut self) {
        // Instances that lost the same provider do not return to it in step.
        let jitter = 0.5 + rand::random::<f64>() / 2.0;
        self.next = Instant::now() + self.pause.mul_f64(jitter);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

/// Looks after the journal and the gutter until the cache is drained or gone.
pub(crate) async fn run(cache: Weak<Inner>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pace = Pace::new();
    while let Some(inner) = cache.upgrade() {
        let stop = inner.stop.clone();
        let turn = async {
            look_after(TenantCache::from(inner), &mut pace).await;
            ticks.tick().await;
        };
        if stop.run_until_cancelled(turn).await.is_none() {
            return;
        }
    }
}

async fn look_after(cache: TenantCache, pace: &mut Pace) {
    let Inner { coherence, gutter, .. } = &**cache.shared();
    let journal = &coherence.journal;
    gutter.drop_if_over();
    cache.sweep_at_times();
    journal.notice_interruptions();
    journal.forget_durable();
    if !journal.has_pending() {
        *pace = Pace::new();
        return;
    }
    if !journal.take_due() && Instant::now() < pace.next {
        return;
    }
    if cache.replay().await {
        *pace = Pace::new();
    } else {
        pace.failed();
    }
}

impl TenantCache {
    /// Tries to replace every pending generation once; answers whether all of them were.
    ///
    /// A batch that fails does not keep the others from being tried: they may be in parts of the
    /// provider that are well.
    async fn replay(&self) -> bool {
        let Inner { provider, clock, coherence, .. } = &**self.shared();
        let mut is_done = true;
        for lines in coherence.journal.pending().chunks(BATCH) {
            let replay = coherence.begin_replay(lines);
            let targets = replay.targets.clone();
            // Hard, also where a soft purge failed: it may have been applied, and replacing its
            // stamp softly would revive what was dropped before.
            let script = Script::AdvanceStamp;
            let (provider, clock) = (provider.as_ref(), clock.as_ref());
            let progress = invalidation::replace(provider, clock, targets, script).await;
            coherence.replayed(lines, &replay, &progress.done);
            self.tells(&progress.done).await;
            if let Some(error) = progress.error {
                self.provider_failed("replay", &error);
                is_done = false;
            }
        }
        is_done
    }

    /// Starts the task that replays; at the first need of it, because it needs a runtime.
    pub(crate) fn look_after(&self) {
        let inner = self.shared();
        inner.looked_after.get_or_init(|| {
            inner.tasks.spawn(run(Arc::downgrade(inner)));
        });
    }
}
