//! One subscription a process, shared out by topic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::error::RedisError;
use crate::port::{Incoming, RedisProvider, Subscription};

const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Messages that one listener may be behind before it loses some and gets a gap.
const LISTENER_CAPACITY: usize = 1024;

/// The process's share of the message lane: one subscription at the service, any number of
/// listeners in the process.
///
/// Clones share the subscription. It ends with [`shut_down`](Self::shut_down), or when the last
/// clone is dropped; listeners' streams end then, and only then.
#[derive(Clone, Debug)]
pub struct Backplane {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    provider: Arc<dyn RedisProvider>,
    tracker: TaskTracker,
    live: watch::Receiver<bool>,
    lanes: Lanes,
    stop: CancellationToken,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The senders, which the task owns, and the handles from which listeners come. The task's end
/// closes the channels.
type Lanes = BTreeMap<String, broadcast::WeakSender<Incoming>>;

impl Backplane {
    /// Subscribes to the topics in the background and stays subscribed: a failed subscription is
    /// tried again with jittered waits of at most 5 s.
    ///
    /// Must be called within a tokio runtime.
    pub fn spawn(provider: Arc<dyn RedisProvider>, topics: &[&str]) -> Self {
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let (is_live, live) = watch::channel(false);
        let senders: BTreeMap<String, broadcast::Sender<Incoming>> = topics
            .iter()
            .map(|topic| ((*topic).to_owned(), broadcast::Sender::new(LISTENER_CAPACITY)))
            .collect();
        let lanes =
            senders.iter().map(|(topic, sender)| (topic.clone(), sender.downgrade())).collect();
        let pump = Pump { provider: Arc::clone(&provider), senders, is_live };
        tracker.spawn(pump.run(stop.clone()));
        tracker.close();
        Self { shared: Arc::new(Shared { provider, tracker, live, lanes, stop }) }
    }

    /// What arrives on a topic from now on.
    ///
    /// A gap comes whenever messages may have been lost: at the service, on the way, or because
    /// this listener fell 1,024 messages behind. The first one comes when the subscription comes
    /// into force, if that is after this call. Unknown topics are [`RedisError::Rejected`].
    pub fn listen(&self, topic: &str) -> Result<Subscription, RedisError> {
        let lane = self.shared.lanes.get(topic).ok_or_else(|| {
            RedisError::Rejected(format!("no subscription to the topic {topic:?}"))
        })?;
        let Some(sender) = lane.upgrade() else {
            return Ok(Box::pin(stream::empty()));
        };
        Ok(Box::pin(stream::unfold(sender.subscribe(), async |mut inbox| {
            match inbox.recv().await {
                Ok(incoming) => Some((incoming, inbox)),
                Err(RecvError::Lagged(_)) => Some((Incoming::Gap, inbox)),
                Err(RecvError::Closed) => None,
            }
        })))
    }

    /// Sends a message to every process, this one included.
    pub async fn publish(&self, topic: &str, payload: Bytes) -> Result<(), RedisError> {
        self.shared.provider.publish(topic, payload).await
    }

    /// Whether the subscription is in force right now, as far as is known.
    pub fn is_live(&self) -> bool {
        *self.shared.live.borrow()
    }

    /// Waits until the subscription is in force; `false` if the backplane shut down first.
    pub async fn wait_until_live(&self) -> bool {
        self.shared.live.clone().wait_for(|is_live| *is_live).await.is_ok()
    }

    /// Ends the subscription and waits for its task.
    pub async fn shut_down(&self) {
        self.shared.stop.cancel();
        self.shared.tracker.wait().await;
    }
}

struct Pump {
    provider: Arc<dyn RedisProvider>,
    senders: BTreeMap<String, broadcast::Sender<Incoming>>,
    is_live: watch::Sender<bool>,
}

impl Pump {
    async fn run(self, stop: CancellationToken) {
        // Only the wait for what is next is cut short; handing on does not wait.
        stop.run_until_cancelled(self.pump()).await;
        self.is_live.send_replace(false);
    }

    async fn pump(&self) {
        let topics: Vec<&str> = self.senders.keys().map(String::as_str).collect();
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            match self.provider.subscribe(&topics).await {
                Ok(subscription) => {
                    self.is_live.send_replace(true);
                    self.open_gap();
                    if self.hand_on(subscription).await {
                        backoff.reset();
                    }
                    self.is_live.send_replace(false);
                    self.open_gap();
                    tracing::warn!("the subscription ended; subscribing again");
                }
                Err(error) => {
                    tracing::warn!(kind = error.kind(), %error, "cannot subscribe; trying again");
                }
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Answers whether anything arrived.
    async fn hand_on(&self, mut subscription: Subscription) -> bool {
        let mut has_arrived = false;
        while let Some(incoming) = subscription.next().await {
            has_arrived = true;
            match &incoming {
                Incoming::Gap => self.open_gap(),
                Incoming::Message { topic, .. } => {
                    if let Some(sender) = self.senders.get(topic) {
                        // An error means that nobody listens to this topic.
                        let _nobody_listens = sender.send(incoming);
                    }
                }
            }
        }
        has_arrived
    }

    fn open_gap(&self) {
        for sender in self.senders.values() {
            let _nobody_listens = sender.send(Incoming::Gap);
        }
    }
}
