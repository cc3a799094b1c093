//! The suite that every adapter passes, over memory and over real servers.
//!
//! Each case uses keys and topics of its own, so the suite may run against a shared server, many
//! times at once. A case panics where the contract is broken.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the suite is a test; it reports by panicking"
)]

mod counters;
mod expiry;
mod load;
mod messages;
mod pipelines;
mod scans;
mod scripts;
mod values;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::RedisError;
use crate::port::RedisProvider;

/// The longest that a case may take.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// How the suite lets time pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeControl {
    /// Time is real, and elsewhere: short times to live, and polling until a limit.
    Real,
    /// The adapter lives by tokio's clock, which the test has paused: expiry is exact.
    Paused,
}

/// Runs every case.
///
/// # Panics
///
/// Where the provider breaks the contract.
pub async fn run_all(provider: Arc<dyn RedisProvider>, clock: TimeControl) {
    let bench = Bench { provider, clock };
    run("any byte in a value", values::any_byte(&bench)).await;
    run("values that look like protocol", values::words_of_the_protocol(&bench)).await;
    run("values that look like subscriptions", values::words_of_subscriptions(&bench)).await;
    run("empty value and absence", values::empty_is_not_absent(&bench)).await;
    run("large values", values::large(&bench)).await;
    run("get_many", values::many(&bench)).await;
    run("delete_many", values::deletion_counts(&bench)).await;
    run("conditions", values::conditions(&bench)).await;
    run("refused inputs", values::refused_inputs(&bench)).await;
    run("expiry", expiry::expires(&bench)).await;
    run("expired is absent", expiry::expired_is_absent(&bench)).await;
    run("keeping the time to live", expiry::keeps(&bench)).await;
    run("shortest and longest time to live", expiry::extremes(&bench)).await;
    run("counters", counters::count(&bench)).await;
    run("counters that are none", counters::refuses(&bench)).await;
    run("a counter's time to live", counters::expire(&bench)).await;
    run("scan", scans::finds_all(&bench)).await;
    run("scan by a literal prefix", scans::prefix_is_literal(&bench)).await;
    run("stamps", scripts::stamps_as_the_twin(&bench)).await;
    run("stamps expire", scripts::stamps_expire(&bench)).await;
    run("deletion of an expected value", scripts::deletes_as_the_twin(&bench)).await;
    run("charges of an account", scripts::charges_as_the_twin(&bench)).await;
    run("messages", messages::delivers(&bench)).await;
    run("topics", messages::keeps_topics_apart(&bench)).await;
    run("pipelines", pipelines::mixed(&bench)).await;
    run("failures within pipelines", pipelines::failures_stay_apart(&bench)).await;
    run("failures across slots", pipelines::failures_across_slots(&bench)).await;
    run("calls that are given up", load::cancelled_calls(&bench)).await;
    run("10,000 calls at once", load::ten_thousand_calls(&bench)).await;
    run("racing writers", load::racing_writers(&bench)).await;
    run("ping and info", load::ping_and_info(&bench)).await;
}

async fn run(case: &str, test: impl Future<Output = ()>) {
    tracing::info!(case, "contract");
    assert!(tokio::time::timeout(CASE_LIMIT, test).await.is_ok(), "{case}: did not end in time");
}

/// The provider on the bench, and short ways of using it.
struct Bench {
    provider: Arc<dyn RedisProvider>,
    clock: TimeControl,
}

impl Bench {
    /// A time to live that is over soon: long enough to see the key alive on a busy machine.
    const fn short_ttl(&self) -> Duration {
        match self.clock {
            TimeControl::Real => Duration::from_millis(700),
            TimeControl::Paused => Duration::from_secs(5),
        }
    }

    /// Waits until a key that lives for `ttl` from now on is gone, and not before its time.
    async fn sees_it_expire(&self, key: &str, ttl: Duration) {
        match self.clock {
            TimeControl::Paused => {
                tokio::time::advance(ttl.saturating_sub(Duration::from_millis(1))).await;
                assert!(self.get(key).await.is_some(), "expired too early");
                tokio::time::advance(Duration::from_millis(1)).await;
                assert_eq!(self.get(key).await, None, "outlived its time");
            }
            TimeControl::Real => {
                let give_up = tokio::time::Instant::now() + ttl + Duration::from_secs(10);
                while self.get(key).await.is_some() {
                    assert!(tokio::time::Instant::now() < give_up, "outlived its time");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    async fn get(&self, key: &str) -> Option<Bytes> {
        self.provider.get(key).await.expect("get")
    }

    async fn put(&self, key: &str, value: impl Into<Bytes>) {
        let minute = crate::port::SetOptions::with_ttl(Duration::from_secs(600));
        assert!(self.provider.set(key, value.into(), minute).await.expect("set"));
    }
}

/// A prefix of keys or topics that no other run uses.
fn unique_prefix(case: &str) -> String {
    format!("contract:{:032x}:{case}:", rand::random::<u128>())
}

fn assert_rejected<T>(result: Result<T, RedisError>, what: &str) {
    let error = result.err();
    assert!(matches!(error, Some(RedisError::Rejected(_))), "{what}: {error:?}");
}
