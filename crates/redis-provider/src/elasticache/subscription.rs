//! Subscriptions: a connection of their own, replaced at the first doubt.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::SubscriberClient;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::{Key, Message};
use futures_util::stream;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::link::{establish, no_credentials, say_goodbye};
use super::settings::Plan;
use super::values::optional_bytes;
use crate::backoff::Backoff;
use crate::port::{Incoming, Subscription};

/// How often a quiet connection is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Messages handed over ahead of the reader; the library's own buffer comes before.
const AHEAD: usize = 256;
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A connection that is subscribed.
pub(super) struct Feed {
    plan: Plan,
    topics: Arc<[String]>,
    client: SubscriberClient,
    connection: AbortOnDropHandle<Result<(), Error>>,
    messages: broadcast::Receiver<Message>,
}

impl Feed {
    pub(super) async fn open(plan: &Plan, topics: Arc<[String]>) -> Result<Self, Error> {
        let login = plan.credentials.fetch().await.map_err(|error| no_credentials(&error))?;
        let client = SubscriberClient::new(
            plan.config(plan.server(), login.as_ref()),
            Some(plan.performance()),
            Some(plan.connection()),
            None,
        );
        let messages = client.message_rx();
        let connection = establish(&client, plan.connect_timeout).await?;
        let channels: Vec<Key> = topics.iter().map(|topic| Key::from(topic.as_str())).collect();
        client.subscribe(channels).await?;
        // The library does not wait for the server's word. The server answers in order, so after
        // this answer the subscription is in force; a refusal arrives as the answer.
        ask(&client, plan).await?;
        Ok(Self { plan: plan.clone(), topics, client, connection, messages })
    }

    /// The stream, and the task that feeds it until the reader is gone or all stops.
    pub(super) fn into_stream(
        self,
        stop: CancellationToken,
    ) -> (Subscription, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let stream = stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|incoming| (incoming, receiver))
        });
        let task = async move {
            stop.run_until_cancelled(Box::pin(self.feed(sender))).await;
        };
        (Box::pin(stream), task)
    }

    async fn feed(mut self, sender: mpsc::Sender<Incoming>) {
        loop {
            let reader = self.hand_over(&sender).await;
            self.close().await;
            if reader == Reader::Gone || sender.send(Incoming::Gap).await.is_err() {
                return;
            }
            tracing::warn!(address = %self.plan.address(), "a subscription was lost");
            let Some(next) = self.reopen(&sender).await else { return };
            self = next;
            if sender.send(Incoming::Gap).await.is_err() {
                return;
            }
        }
    }

    async fn hand_over(&mut self, sender: &mpsc::Sender<Incoming>) -> Reader {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let incoming = tokio::select! {
                () = sender.closed() => return Reader::Gone,
                _ended = &mut self.connection => return Reader::Waits,
                message = self.messages.recv() => match message.map(understand) {
                    Ok(Some(incoming)) => incoming,
                    Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => Incoming::Gap,
                    Err(broadcast::error::RecvError::Closed) => return Reader::Waits,
                },
                _tick = heartbeat.tick() => {
                    if ask(&self.client, &self.plan).await.is_err() {
                        return Reader::Waits;
                    }
                    continue;
                }
            };
            if sender.send(incoming).await.is_err() {
                return Reader::Gone;
            }
        }
    }

    async fn reopen(&self, sender: &mpsc::Sender<Incoming>) -> Option<Self> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            tokio::select! {
                () = sender.closed() => return None,
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
            match Self::open(&self.plan, Arc::clone(&self.topics)).await {
                Ok(next) => return Some(next),
                Err(error) => tracing::debug!(%error, "cannot subscribe yet"),
            }
        }
    }

    async fn close(&self) {
        say_goodbye(&self.client).await;
        self.connection.abort();
    }
}

/// Whether somebody still reads the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Gone,
    Waits,
}

fn understand(message: Message) -> Option<Incoming> {
    let payload = optional_bytes(message.value, "SUBSCRIBE").ok()??;
    Some(Incoming::Message { topic: message.channel.to_string(), payload })
}

async fn ask(client: &SubscriberClient, plan: &Plan) -> Result<(), Error> {
    // Twice the calls' limit: a connection for messages is not given up for one slow moment.
    match tokio::time::timeout(plan.command_timeout * 2, client.ping::<()>(None)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::new(ErrorKind::Timeout, "the subscription does not answer")),
    }
}
