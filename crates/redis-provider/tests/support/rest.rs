//! The contract over a REST service that variables name.

use std::sync::Arc;
use std::time::Duration;

use redis_provider::testing::contract::{self, TimeControl};
use redis_provider::{RedisError, RedisProvider, Topology, UpstashProvider, UpstashSettings};
use url::Url;

/// The database that the variables name, if they are set.
#[expect(clippy::disallowed_methods, reason = "the test runner tells its servers this way")]
pub(crate) fn named(url: &str, token: &str) -> Option<UpstashSettings> {
    let read = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let url = Url::parse(&read(url)?).expect("a URL");
    Some(UpstashSettings::new(url, read(token)?.into()))
}

pub(crate) async fn keeps_the_contract(settings: UpstashSettings) {
    // Thousands of calls at once on a busy machine take longer than one call may.
    let patient = UpstashSettings {
        connect_timeout: Duration::from_secs(10),
        command_timeout: Duration::from_secs(30),
        ..settings
    };
    let provider = Arc::new(UpstashProvider::connect(&patient).await.expect("settings"));
    contract::run_all(Arc::clone(&provider) as Arc<dyn RedisProvider>, TimeControl::Real).await;
    assert_eq!(provider.info().await.expect("info").topology, Topology::Rest);
    provider.close().await;
    let answer = provider.get("key").await;
    assert!(
        matches!(answer, Err(RedisError::Unavailable(_) | RedisError::Timeout { .. })),
        "a closed provider answers"
    );
}
