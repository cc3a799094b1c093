//! A decorator that fails on demand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast;

use crate::error::RedisError;
use crate::port::{
    Command, Incoming, RedisProvider, Reply, ScanCursor, ScanPage, Script, ScriptReply, ServerInfo,
    SetOptions, Subscription,
};
use crate::report::ProviderReport;

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not applied and answers this error at once.
    Fail(RedisError),
    /// It is applied after this long.
    Delay(Duration),
    /// It is not applied; the deadline passes, then it is a timeout.
    Hang(Duration),
    /// It is applied, but the answer is lost: a timeout that may have been applied.
    LoseReply,
}

/// Breaks the calls of a provider as told, until [`heal`](Self::heal)ed.
///
/// Rules are tried in the order of injection; the first that matches a call decides.
#[derive(Debug)]
pub struct FaultyRedis {
    inner: Arc<dyn RedisProvider>,
    rules: Mutex<Vec<Rule>>,
    messages: Arc<Mutex<MessageFaults>>,
    gaps: broadcast::Sender<()>,
    tells_every_interruption: bool,
}

#[derive(Debug)]
struct Rule {
    method: Option<&'static str>,
    fault: Fault,
    remaining: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct MessageFaults {
    is_dropping: bool,
    is_duplicating: bool,
}

impl FaultyRedis {
    /// Wraps a provider; nothing is broken yet.
    pub fn new(inner: Arc<dyn RedisProvider>) -> Self {
        Self {
            inner,
            rules: Mutex::default(),
            messages: Arc::default(),
            gaps: broadcast::Sender::new(16),
            tells_every_interruption: false,
        }
    }

    /// Poses as a service that knows of every interruption; there are none.
    #[must_use]
    pub fn telling_every_interruption(mut self) -> Self {
        self.tells_every_interruption = true;
        self
    }

    /// Breaks every call from now on.
    pub fn inject(&self, fault: Fault) {
        self.rules().push(Rule { method: None, fault, remaining: None });
    }

    /// Breaks every call of one method, such as `get` or `publish`.
    pub fn inject_on(&self, method: &'static str, fault: Fault) {
        self.rules().push(Rule { method: Some(method), fault, remaining: None });
    }

    /// Breaks the next calls of one method.
    pub fn inject_times(&self, method: &'static str, fault: Fault, times: u32) {
        self.rules().push(Rule { method: Some(method), fault, remaining: Some(times) });
    }

    /// Swallows what subscriptions would yield, without a gap: the loss that nobody notices.
    pub fn drop_messages(&self, is_dropping: bool) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).is_dropping = is_dropping;
    }

    /// Delivers every message twice.
    pub fn duplicate_messages(&self, is_duplicating: bool) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).is_duplicating =
            is_duplicating;
    }

    /// Makes every open subscription yield a gap.
    pub fn open_gap(&self) {
        // An error means that there is no subscription.
        let _nobody_listens = self.gaps.send(());
    }

    /// Ends every fault.
    pub fn heal(&self) {
        self.rules().clear();
        *self.messages.lock().unwrap_or_else(PoisonError::into_inner) = MessageFaults::default();
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, method: &'static str) -> Option<Fault> {
        let mut rules = self.rules();
        let position = rules.iter().position(|rule| {
            rule.method.is_none_or(|of| of == method) && rule.remaining != Some(0)
        })?;
        let rule = rules.get_mut(position)?;
        if let Some(remaining) = &mut rule.remaining {
            *remaining -= 1;
        }
        Some(rule.fault.clone())
    }

    async fn around<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        match self.fault(method) {
            None => call.await,
            Some(Fault::Fail(error)) => Err(error),
            Some(Fault::Delay(duration)) => {
                tokio::time::sleep(duration).await;
                call.await
            }
            Some(Fault::Hang(deadline)) => {
                tokio::time::sleep(deadline).await;
                Err(RedisError::Timeout { maybe_applied: false })
            }
            Some(Fault::LoseReply) => {
                call.await?;
                Err(RedisError::Timeout { maybe_applied: true })
            }
        }
    }
}

fn broken(messages: Subscription, faults: Arc<Mutex<MessageFaults>>) -> Subscription {
    Box::pin(messages.flat_map(move |incoming| {
        let faults = *faults.lock().unwrap_or_else(PoisonError::into_inner);
        let copies = match incoming {
            _ if faults.is_dropping => 0,
            Incoming::Message { .. } if faults.is_duplicating => 2,
            _ => 1,
        };
        stream::iter(vec![incoming; copies])
    }))
}

#[async_trait]
impl RedisProvider for FaultyRedis {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, RedisError> {
        self.around("get", self.inner.get(key)).await
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, RedisError> {
        self.around("get_many", self.inner.get_many(keys)).await
    }

    async fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Result<bool, RedisError> {
        self.around("set", self.inner.set(key, value, options)).await
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64, RedisError> {
        self.around("delete_many", self.inner.delete_many(keys)).await
    }

    async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, RedisError> {
        self.around("expire", self.inner.expire(key, ttl)).await
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, RedisError> {
        self.around("increment", self.inner.increment(key, by, ttl)).await
    }

    async fn scan(&self, prefix: &str, cursor: ScanCursor) -> Result<ScanPage, RedisError> {
        self.around("scan", self.inner.scan(prefix, cursor)).await
    }

    async fn evaluate(
        &self,
        script: Script,
        keys: &[&str],
        arguments: &[Bytes],
    ) -> Result<ScriptReply, RedisError> {
        self.around("evaluate", self.inner.evaluate(script, keys, arguments)).await
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError> {
        self.around("publish", self.inner.publish(topic, payload)).await
    }

    async fn subscribe(&self, topics: &[&str]) -> Result<Subscription, RedisError> {
        let messages = self.around("subscribe", self.inner.subscribe(topics)).await?;
        let messages = broken(messages, Arc::clone(&self.messages)).map(Some);
        // `None` ends the whole when the provider's own stream ends, whatever the gaps do.
        let messages = messages.chain(stream::iter([None]));
        let gaps =
            stream::unfold(self.gaps.subscribe(), async |mut gaps| match gaps.recv().await {
                Ok(()) | Err(broadcast::error::RecvError::Lagged(_)) => {
                    Some((Some(Incoming::Gap), gaps))
                }
                Err(broadcast::error::RecvError::Closed) => None,
            });
        let both = stream::select(Box::pin(messages), Box::pin(gaps));
        Ok(Box::pin(
            both.take_while(|item| std::future::ready(item.is_some()))
                .filter_map(std::future::ready),
        ))
    }

    async fn ping(&self) -> Result<Duration, RedisError> {
        self.around("ping", self.inner.ping()).await
    }

    async fn info(&self) -> Result<ServerInfo, RedisError> {
        self.around("info", self.inner.info()).await
    }

    async fn pipeline(
        &self,
        commands: Vec<Command>,
    ) -> Result<Vec<Result<Reply, RedisError>>, RedisError> {
        self.around("pipeline", self.inner.pipeline(commands)).await
    }

    fn interruptions(&self) -> u64 {
        self.inner.interruptions()
    }

    fn tells_every_interruption(&self) -> bool {
        self.tells_every_interruption
    }

    fn report(&self) -> ProviderReport {
        self.inner.report()
    }
}
