//! Whether the figures about jobs and applications are sound.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use employer_store::analytics::Audited;

use super::page::Page;

/// What came of the last comparison of figures with the log, by whichever instance. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FigureAudits(Arc<Mutex<Option<Audited>>>);

impl FigureAudits {
    /// This is the last one.
    pub fn set(&self, audited: Option<Audited>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = audited;
    }

    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = last else { return Ok(()) };
        let mut one = |name, help, value: i64| {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and counts small")]
            page.gauge(name, help, value as f64)
        };
        one(
            "rollup_drift",
            "Sums that are not what the log of events comes to, at the last audit; must be 0",
            last.drifting,
        )?;
        one("rollup_compared", "Sums that were compared then", last.compared)?;
        let at = last.finished_at.unix_timestamp();
        one("rollup_audit_timestamp_seconds", "When that audit ended", at)
    }
}
