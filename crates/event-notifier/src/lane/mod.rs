//! The wake-up lane: what was committed is told to all instances, at most once and without a memory.
//!
//! A few fixed partitions, by tenant, over the process's one subscription. Nobody relies on it: what
//! it loses is in the feed, and every stream knows the number that comes next to it.

mod message;

use std::time::Duration;

use bytes::Bytes;
use employer_store::feed::Published;
use futures_util::{StreamExt as _, stream};
use redis_provider::{Backplane, Incoming, RedisError, Subscription};
use tenancy::TenantId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::message::{Message, UnreadableMessage};
use crate::fan_out::Listener;
use crate::hub::Hub;

/// The partitions, as topics.
const FIRST: &str = "feed:0";
const TOPICS: [&str; 8] =
    [FIRST, "feed:1", "feed:2", "feed:3", "feed:4", "feed:5", "feed:6", "feed:7"];

/// What says only that messages get through.
const TICK: &[u8] = b"tick";

/// Most recipients of one message; an event with more is told in several.
const MOST_RECIPIENTS: usize = 500;

/// Messages that wait to be sent; what does not fit is found in the feed.
const QUEUE: usize = 4_096;

/// Most messages that are under way at a time.
const AT_ONCE: usize = 64;

/// Longest time for one message to be taken by the service.
const DEADLINE: Duration = Duration::from_secs(2);

/// The lane of this process. Clones share it.
#[derive(Clone, Debug)]
pub struct Lane {
    hub: Hub,
    queue: mpsc::Sender<Message>,
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
        let (queue, waiting) = mpsc::channel(QUEUE);
        let sender = Sender { backplane, partitions: topics.len(), hub: hub.clone() };
        let sending = sender.clone().send_all(waiting);
        tasks.spawn(stop.clone().run_until_cancelled_owned(sending));
        tasks.spawn(stop.clone().run_until_cancelled_owned(sender.keep_ticking(tick)));
        Ok(Self { hub, queue })
    }
}

/// The way out.
#[derive(Clone, Debug)]
struct Sender {
    backplane: Backplane,
    partitions: usize,
    hub: Hub,
}

impl Sender {
    fn topic(&self, tenant: TenantId) -> &'static str {
        let place = tenant.as_uuid().as_u128() % self.partitions.max(1) as u128;
        let place = usize::try_from(place).unwrap_or_default();
        TOPICS.get(place).copied().unwrap_or(FIRST)
    }

    /// Several are under way at a time, begun in their order.
    async fn send_all(self, waiting: mpsc::Receiver<Message>) {
        let messages = stream::unfold(waiting, async |mut waiting| {
            waiting.recv().await.map(|message| (message, waiting))
        });
        let sent = messages.map(|message| self.send(message)).buffered(AT_ONCE);
        sent.for_each(async |()| {}).await;
    }

    async fn send(&self, message: Message) {
        let topic = self.topic(message.tenant);
        if message.recipients.len() <= MOST_RECIPIENTS {
            return self.send_one(topic, message.encode()).await;
        }
        for part in message.recipients.chunks(MOST_RECIPIENTS) {
            self.send_one(topic, message.clone().for_these(part).encode()).await;
        }
    }

    async fn send_one(&self, topic: &str, payload: Option<Bytes>) {
        let Some(payload) = payload else { return self.hub.misses_publishing() };
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
                self.send_one(FIRST, Some(Bytes::from_static(TICK))).await;
            }
        }
    }
}

impl Listener for Lane {
    /// The streams of this instance at once; the other instances by a message each. This one hears
    /// its own messages as well, which every stream knows by their numbers.
    fn told(&self, events: Vec<Published>) {
        for event in events {
            let message = Message::from(event);
            self.hub.deliver(&message);
            if self.queue.try_send(message).is_err() {
                self.hub.misses_publishing();
            }
        }
    }
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
