//! The outages that a test asks for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

const ACTIVE_MAX: usize = 32;
const PATH_MAX: usize = 256;
const DELAY_MAX_MS: u64 = 600_000;
const LAG_DEFAULT_MS: u64 = 1_000;

/// One kind of trouble; README.md has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    #[serde(rename = "status-500")]
    Status500,
    #[serde(rename = "status-429")]
    Status429,
    QuotaDaily,
    QuotaMonthly,
    #[serde(rename = "html-502")]
    Html502,
    Hang,
    DbCapacity,
    SlowDrip,
    CutStream,
    SilentStream,
    StaleReads,
    DropReply,
    Garbage,
    #[serde(rename = "split-utf8")]
    SplitUtf8,
    #[serde(rename = "noscript")]
    NoScript,
}

impl Fault {
    /// Those that answer in place of the service.
    pub(crate) const AT_THE_DOOR: &[Self] = &[
        Self::Status500,
        Self::Status429,
        Self::QuotaDaily,
        Self::QuotaMonthly,
        Self::Html502,
        Self::Hang,
    ];
    /// Those that spoil the answer to a request that was carried out.
    pub(crate) const ON_ANSWERS: &[Self] =
        &[Self::SlowDrip, Self::CutStream, Self::DropReply, Self::Garbage];
    /// Those that spoil streams, the ones that are open already too.
    pub(crate) const ON_STREAMS: &[Self] = &[Self::CutStream, Self::SilentStream];
}

/// The body of `PUT /dev/faults`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultOrder {
    pub(crate) fault: Fault,
    /// How often it strikes; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    /// It starts this much later.
    #[serde(default)]
    after_ms: u64,
    /// It strikes only requests whose path starts with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// How far the replica of `stale-reads` is behind.
    #[serde(default = "default_lag")]
    lag_ms: u64,
}

fn default_lag() -> u64 {
    LAG_DEFAULT_MS
}

impl FaultOrder {
    /// How far the replica is behind.
    pub(crate) fn lag(&self) -> Duration {
        Duration::from_millis(self.lag_ms)
    }

    /// Refuses what could not be honoured.
    pub(crate) fn check(&self) -> Result<(), FaultsError> {
        if self.after_ms > DELAY_MAX_MS || self.lag_ms > DELAY_MAX_MS {
            return Err(FaultsError::Delay);
        }
        if self.times == Some(0) {
            return Err(FaultsError::Times);
        }
        let path = self.path.as_deref().unwrap_or("/");
        if !path.starts_with('/') || path.len() > PATH_MAX {
            return Err(FaultsError::Path);
        }
        Ok(())
    }

    fn strikes(&self, path: &str, wanted: &[Fault]) -> bool {
        wanted.contains(&self.fault)
            && self.path.as_deref().is_none_or(|prefix| path.starts_with(prefix))
    }
}

/// Why an order is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FaultsError {
    #[error("after_ms and lag_ms are at most {DELAY_MAX_MS}")]
    Delay,
    #[error("times is at least 1")]
    Times,
    #[error("path starts with a slash and has at most {PATH_MAX} bytes")]
    Path,
    #[error("too many faults are active")]
    Full,
}

#[derive(Debug)]
struct Active {
    order: FaultOrder,
    since: Instant,
}

/// All active faults.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: Mutex<Vec<Active>>,
    changes: watch::Sender<()>,
}

impl Faults {
    /// Adds a fault, in place of the one with the same name and path.
    pub(crate) fn put(&self, order: FaultOrder) -> Result<(), FaultsError> {
        order.check()?;
        let since = Instant::now() + Duration::from_millis(order.after_ms);
        let mut active = self.lock();
        active.retain(|other| (other.order.fault, &other.order.path) != (order.fault, &order.path));
        if active.len() >= ACTIVE_MAX {
            return Err(FaultsError::Full);
        }
        active.push(Active { order, since });
        drop(active);
        self.changes.send_replace(());
        Ok(())
    }

    /// Ends all faults.
    pub(crate) fn clear(&self) {
        self.lock().clear();
        self.changes.send_replace(());
    }

    /// What is active, with the number of times that are left.
    pub(crate) fn list(&self) -> Vec<FaultOrder> {
        self.lock().iter().map(|active| active.order.clone()).collect()
    }

    /// The first of the wanted faults that strikes a request with this path now; uses it up by one.
    pub(crate) fn take(&self, path: &str, wanted: &[Fault]) -> Option<Fault> {
        let mut all = self.lock();
        let now = Instant::now();
        let index = all
            .iter()
            .position(|active| active.since <= now && active.order.strikes(path, wanted))?;
        let order = &mut all.get_mut(index)?.order;
        let fault = order.fault;
        if let Some(times) = &mut order.times {
            *times -= 1;
            if *times == 0 {
                all.remove(index);
            }
        }
        Some(fault)
    }

    /// When the first of the wanted faults strikes, if none does yet.
    pub(crate) fn next_start(&self, path: &str, wanted: &[Fault]) -> Option<Instant> {
        let all = self.lock();
        all.iter()
            .filter(|active| active.order.strikes(path, wanted))
            .map(|active| active.since)
            .min()
    }

    /// Tells when faults were added or ended.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(orders: &[&str]) -> Faults {
        let faults = Faults::default();
        for order in orders {
            faults.put(serde_json::from_str(order).unwrap()).unwrap();
        }
        faults
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_strikes_its_path_so_often_and_from_then_on() {
        let faults =
            faults(&[r#"{"fault":"status-500","times":2,"after_ms":100,"path":"/pipeline"}"#]);
        assert_eq!(faults.take("/pipeline", Fault::AT_THE_DOOR), None, "not yet");
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(faults.take("/", Fault::AT_THE_DOOR), None, "another path");
        assert_eq!(faults.take("/pipeline", Fault::ON_ANSWERS), None, "another kind");
        assert_eq!(faults.take("/pipeline", Fault::AT_THE_DOOR), Some(Fault::Status500));
        assert_eq!(faults.take("/pipeline", Fault::AT_THE_DOOR), Some(Fault::Status500));
        assert_eq!(faults.take("/pipeline", Fault::AT_THE_DOOR), None, "used up");
        assert!(faults.list().is_empty());
    }

    #[tokio::test]
    async fn one_name_and_path_is_one_fault() {
        let faults = faults(&[
            r#"{"fault":"hang"}"#,
            r#"{"fault":"hang","times":3}"#,
            r#"{"fault":"hang","path":"/get"}"#,
        ]);
        assert_eq!(faults.list().len(), 2);
        faults.clear();
        assert_eq!(faults.take("/", Fault::AT_THE_DOOR), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for (order, error) in [
            (r#"{"fault":"hang","times":0}"#, FaultsError::Times),
            (r#"{"fault":"hang","after_ms":600001}"#, FaultsError::Delay),
            (r#"{"fault":"hang","path":"get"}"#, FaultsError::Path),
        ] {
            let order: FaultOrder = serde_json::from_str(order).unwrap();
            assert_eq!(order.check(), Err(error));
        }
        assert!(serde_json::from_str::<FaultOrder>(r#"{"fault":"no-such"}"#).is_err());
        assert!(serde_json::from_str::<FaultOrder>(r#"{"fault":"hang","time":1}"#).is_err());
    }
}
