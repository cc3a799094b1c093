//! What is done again and again beside everything else, until the portal stops.

use std::error::Error;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

/// Something that comes round. What fails is told of in the log and tried again the next time.
pub(crate) trait Chore: Send + Sync + Sized {
    /// What the log calls it.
    const NAME: &'static str;

    /// How often it is looked whether there is something to do.
    const EVERY: Duration;

    /// Longest time for one look with what it leads to.
    const DEADLINE: Duration;

    /// Why a look fails.
    type Failure: Error + Send + 'static;

    /// Looks, and does what is due.
    fn look(&self) -> impl Future<Output = Result<(), Self::Failure>> + Send;

    /// Looks at once, and then time and again; what is under way when `stop` is cancelled is dropped.
    fn run_until_stopped(self, stop: CancellationToken) -> impl Future<Output = ()> + Send {
        let rounds = async move {
            let mut ticks = tokio::time::interval(Self::EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                match timeout(Self::DEADLINE, self.look()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        let error = &error as &dyn Error;
                        tracing::warn!(error, chore = Self::NAME, "a chore could not be done");
                    }
                    Err(_elapsed) => tracing::warn!(chore = Self::NAME, "a chore took too long"),
                }
            }
        };
        async move {
            stop.run_until_cancelled(rounds).await;
        }
    }
}
