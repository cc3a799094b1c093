//! The wake-up lane: what was committed is told to all instances, at most once and without a memory.
//!
//! A few fixed partitions, by tenant, over the process's one subscription. Nobody relies on it: what
//! it loses is in the feed, and every stream knows the number that comes next to it.

mod message;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use redis_provider::{Backplane, Incoming, RedisError, Subscription};
use tenancy::TenantId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::message::{Message, UnreadableMessage};
use crate::hub::Hub;

/// The partitions, as topics.
const TOPICS: [&str; 8] =
    ["feed:0", "feed:1", "feed:2", "feed:3", "feed:4", "feed:5", "feed:6", "feed:7"];

/// What says only that messages get through.
const TICK: &[u8] = b"tick";

/// Most recipients of one message; an event with more is told in several.
const MOST_RECIPIENTS: usize = 500;

/// Longest time for one message to be taken by the service.
const DEADLINE: Duration = Duration::from_secs(2);

/// Takes what was committed to whoever is connected.
#[async_trait]
pub trait Publisher: Send + Sync + std::fmt::Debug {
    /// Tells all instances. What is lost is lost: streams find it in the feed.
    async fn publish(&self, messages: Vec<Message>);
}

/// The lane of this process. Clones share it.
#[derive(Clone, Debug)]
pub struct Lane {
    backplane: Backplane,
    partitions: usize,
    hub: Hub,
}

impl Lane {
    /// The topics that the process's backplane has to carry for so many partitions; at least one
    /// and at most eight.
    pub fn topics(partitions: usize) -> &'static [&'static str] {
        TOPICS.get(..partitions.clamp(1, TOPICS.len())).unwrap_or(&TOPICS)
    }

    /// Listens on all partitions on `tasks` until `stop`, for `hub`. Where nothing is heard for
    /// `tick`, it sends a word itself: silence then means that the way is closed.
    ///
    /// # Errors
    ///
    /// [`RedisError::Rejected`] where the backplane does not carry the topics.
    pub fn spawn(
        backplane: Backplane,
        partitions: usize,
        hub: Hub,
        tick: Duration,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<Self, RedisError> {
        let topics = Self::topics(partitions);
        for topic in topics {
            let listening = listen(backplane.listen(topic)?, hub.clone());
            tasks.spawn(stop.clone().run_until_cancelled_owned(listening));
        }
        let lane = Self { backplane, partitions: topics.len(), hub };
        let ticking = lane.clone().keep_ticking(tick);
        tasks.spawn(stop.clone().run_until_cancelled_owned(ticking));
        Ok(lane)
    }

    fn topic(&self, tenant: TenantId) -> &'static str {
        let low = tenant.as_uuid().as_u128() % self.partitions.max(1) as u128;
        let place = usize::try_from(low).unwrap_or_default();
        TOPICS.get(place).copied().unwrap_or("feed:0")
    }

    async fn send(&self, message: &Message) {
        let Some(payload) = message.encode() else { return self.hub.misses_publishing() };
        self.send_bytes(self.topic(message.tenant), payload).await;
    }

    async fn send_bytes(&self, topic: &str, payload: Bytes) {
        let sent = tokio::time::timeout(DEADLINE, self.backplane.publish(topic, payload)).await;
        if !matches!(sent, Ok(Ok(()))) {
            self.hub.misses_publishing();
            tracing::debug!(topic, "a message to live streams was not taken");
        }
    }

    /// One instance's word is heard by all, so that there is about one in each interval.
    async fn keep_ticking(self, tick: Duration) {
        loop {
            let share = rand::random_range(0.5..=1.0);
            tokio::time::sleep(tick.mul_f64(share)).await;
            if self.hub.silence() >= tick / 2 {
                self.send_bytes(
                    self.topic(TenantId::from_uuid(uuid::Uuid::nil())),
                    Bytes::from_static(TICK),
                )
                .await;
            }
        }
    }
}

#[async_trait]
impl Publisher for Lane {
    async fn publish(&self, messages: Vec<Message>) {
        for message in messages {
            if message.recipients.len() <= MOST_RECIPIENTS {
                self.send(&message).await;
                continue;
            }
            for part in message.recipients.chunks(MOST_RECIPIENTS) {
                self.send(&message.clone().for_these(part)).await;
            }
        }
    }
}

/// A lane without a service, for tests and for processes without streams.
#[derive(Debug)]
pub struct Nowhere;

#[async_trait]
impl Publisher for Nowhere {
    async fn publish(&self, _messages: Vec<Message>) {}
}

async fn listen(mut subscription: Subscription, hub: Hub) {
    while let Some(incoming) = subscription.next().await {
        match incoming {
            Incoming::Gap => hub.misses_messages(),
            Incoming::Message { payload, .. } => {
                hub.hears();
                if payload == TICK {
                    continue;
                }
                match Message::decode(&payload) {
                    Ok(message) => hub.deliver(&message),
                    // Of a later version, perhaps: what it says is in the feed.
                    Err(UnreadableMessage) => hub.misses_meaning(),
                }
            }
        }
    }
    hub.misses_messages();
}
