//! Writes the rows, however long Postgres takes.

use std::time::Duration;

use employer_store::audit::{Finding, SecurityEvent, write_findings};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::{AuditWriter, Sighting};

/// Most rows of one statement.
const BATCH: usize = 500;

/// Pause after a failure; doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Pause between two looks whether a minute is over.
const TICK: Duration = Duration::from_secs(1);

/// Longest time for what is left at the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl AuditWriter {
    /// Writes until `stop` is cancelled, and then what is left.
    pub async fn run_until_stopped(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        let mut told_lost = 0;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => {
                    self.trail.close_minute(Instant::now(), false);
                    told_lost = self.tell_lost(told_lost);
                }
                _ = self.rows.recv_many(&mut batch, BATCH) => {
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = self.write_for_sure(&batch) => batch.clear(),
                    }
                }
            }
        }
        self.trail.close_minute(Instant::now(), true);
        self.tell_lost(told_lost);
        if timeout(LAST_WORDS, self.write_the_rest(batch)).await.is_err() {
            tracing::warn!("rows of the audit trail were left unwritten at the end");
        }
    }

    async fn write_the_rest(&mut self, mut batch: Vec<Finding>) {
        self.rows.close();
        loop {
            if !batch.is_empty() {
                self.write_for_sure(&batch).await;
                batch.clear();
            }
            if self.rows.recv_many(&mut batch, BATCH).await == 0 {
                return;
            }
        }
    }

    /// Tries until the rows are there, or will never be.
    async fn write_for_sure(&self, batch: &[Finding]) {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let mut pause = FIRST_PAUSE;
        loop {
            match write_findings(&self.db, batch).await {
                Ok(()) => {
                    self.trail.0.written.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
                    return;
                }
                Err(error) if error.is_unavailable() => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        error,
                        rows = count,
                        "rows of the audit trail wait for Postgres"
                    );
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, rows = count, "rows of the audit trail were refused");
                    self.trail.lose(count);
                    return;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tells of rows that were lost since `told`, where the trail is read; answers how many there
    /// are in all.
    fn tell_lost(&self, told: u64) -> u64 {
        let lost = self.trail.lost();
        let more = lost.saturating_sub(told);
        // While the queue is full this row would be lost as well.
        if more == 0 || self.trail.0.rows.capacity() == 0 {
            return told;
        }
        tracing::error!(rows = more, "rows of the audit trail were lost");
        let sighting = Sighting {
            event: SecurityEvent::SysMonitorDisabled,
            tenant: None,
            actor: "system:audit".to_owned(),
            resource: "audit_log".to_owned(),
            result: "failed",
            request_id: None,
            ip: None,
            detail: json!({ "lost_rows": more }),
        };
        self.trail.send(sighting, 1);
        lost
    }
}
