//! How long one request may wait for Redis in all.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static CURRENT: Budget;
}

/// The time that one request may wait for Redis, whatever the number of its calls.
///
/// It is measured on the wall: two calls at once that take 10 ms each have cost 10 ms. The
/// [`Deadline`](crate::Deadline) decorator keeps calls to what is left. Clones share the account,
/// so a task that goes on with a request's work can be given its budget:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use redis_provider::Budget;
///
/// let left = Budget::new(Duration::from_millis(300))
///     .scope(async { Budget::current().map(|budget| budget.remaining()) })
///     .await;
/// assert_eq!(left, Some(Duration::from_millis(300)));
/// assert!(Budget::current().is_none());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    limit: Duration,
    account: Arc<Mutex<Account>>,
}

#[derive(Debug, Default)]
struct Account {
    spent: Duration,
    /// Calls under way, and since when there has been at least one.
    waiting: usize,
    since: Option<Instant>,
}

impl Budget {
    /// A budget of which nothing is spent.
    pub fn new(limit: Duration) -> Self {
        Self { limit, account: Arc::default() }
    }

    /// The budget of the request that the current task works for.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Runs `work` on this budget.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// What was spent so far, waits that still go on included.
    pub fn spent(&self) -> Duration {
        let account = self.account();
        account.spent + account.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// What may still be spent.
    pub fn remaining(&self) -> Duration {
        self.limit.saturating_sub(self.spent())
    }

    /// Takes note that a wait begins; it ends when the answer is dropped.
    pub(crate) fn start_wait(&self) -> Wait {
        let mut account = self.account();
        account.waiting += 1;
        account.since.get_or_insert_with(Instant::now);
        Wait(self.clone())
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that goes on.
pub(crate) struct Wait(Budget);

impl Drop for Wait {
    fn drop(&mut self) {
        let mut account = self.0.account();
        account.waiting = account.waiting.saturating_sub(1);
        if account.waiting == 0
            && let Some(since) = account.since.take()
        {
            account.spent += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(300);

    #[tokio::test(start_paused = true)]
    async fn waits_at_once_count_once() {
        let budget = Budget::new(LIMIT);
        let first = budget.start_wait();
        tokio::time::advance(Duration::from_millis(10)).await;
        let second = budget.start_wait();
        tokio::time::advance(Duration::from_millis(10)).await;
        drop(first);
        assert_eq!(budget.spent(), Duration::from_millis(20), "a wait that goes on counts");
        drop(second);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(budget.spent(), Duration::from_millis(20), "time between waits does not");
        let _third = budget.start_wait();
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(budget.remaining(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_scope_is_that_of_its_task() {
        let budget = Budget::new(LIMIT);
        let inner = budget.clone().scope(async { Budget::current().is_some() }).await;
        assert!(inner && Budget::current().is_none());
    }
}
