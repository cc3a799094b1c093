//! Subscriptions: each has a connection of its own to any node, replaced at the first doubt.
//!
//! Messages reach every node of a cluster, so any will do, for as long as it belongs to the
//! cluster: one that left may answer as before and hear of nothing any more.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::SubscriberClient;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::Server;
use fred::types::{Key, Message};
use futures_util::stream;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Running, connect, renew, say_goodbye};
use super::errors::{Access, from_client};
use super::router::Router;
use super::settings::{Address, Plan};
use super::values::optional_bytes;
use crate::backoff::Backoff;
use crate::error::RedisError;
use crate::port::{Incoming, Subscription};

/// How often a quiet connection is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Messages handed over ahead of the reader; the library's own buffer comes before.
const AHEAD: usize = 256;
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A connection that is subscribed.
pub(super) struct Feed {
    router: Arc<Router>,
    topics: Arc<[String]>,
    address: Address,
    client: SubscriberClient,
    running: Running,
    renew_after: Option<Duration>,
    messages: broadcast::Receiver<Message>,
}

impl Feed {
    /// Subscribes at any node that answers.
    pub(super) async fn open(
        router: Arc<Router>,
        topics: Arc<[String]>,
    ) -> Result<Self, RedisError> {
        let node = router.usable().into_iter().next();
        let address = node.map(|node| node.address().clone());
        let address = address.ok_or_else(|| router.unreachable())?;
        let subscribed = subscribe(router.plan(), &address, &topics).await;
        let (connection, messages) =
            subscribed.map_err(|error| from_client(&error, Access::Read))?;
        let Connection { client, running, renew_after } = connection;
        Ok(Self { router, topics, address, client, running, renew_after, messages })
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
            if self.hand_over(&sender).await == Reader::Gone {
                say_goodbye(&self.client).await;
                return;
            }
            self.running.abort();
            tracing::warn!(address = %self.address, "a Redis subscription was lost");
            if sender.send(Incoming::Gap).await.is_err() {
                return;
            }
            let Some(next) = self.reopen(&sender).await else { return };
            self = next;
            tracing::info!(address = %self.address, "a Redis subscription is in force again");
            if sender.send(Incoming::Gap).await.is_err() {
                return;
            }
        }
    }

    async fn hand_over(&mut self, sender: &mpsc::Sender<Incoming>) -> Reader {
        let mut views = self.router.watch();
        let plan = self.router.plan();
        let mut renewal = std::pin::pin!(renew(&self.client, plan, self.renew_after));
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let incoming = tokio::select! {
                () = sender.closed() => return Reader::Gone,
                _ended = &mut self.running => return Reader::Waits,
                () = &mut renewal => continue,
                _changed = views.changed() => {
                    if views.borrow_and_update().find(&self.address).is_none() {
                        return Reader::Waits;
                    }
                    continue;
                }
                message = self.messages.recv() => match message.map(understand) {
                    Ok(Some(incoming)) => incoming,
                    Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => Incoming::Gap,
                    Err(broadcast::error::RecvError::Closed) => return Reader::Waits,
                },
                _tick = heartbeat.tick() => {
                    if ask(&self.client, plan).await.is_err() {
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
            match Self::open(Arc::clone(&self.router), Arc::clone(&self.topics)).await {
                Ok(next) => return Some(next),
                Err(error) => tracing::debug!(%error, "cannot subscribe yet"),
            }
        }
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

async fn subscribe(
    plan: &Plan,
    address: &Address,
    topics: &[String],
) -> Result<(Connection<SubscriberClient>, broadcast::Receiver<Message>), Error> {
    let new = |config| {
        let (performance, connection) = (Some(plan.performance()), Some(plan.connection()));
        SubscriberClient::new(config, performance, connection, None)
    };
    let server = Server::new(&*address.host, address.port);
    let connection = connect(plan, server, new).await?;
    let client = &connection.client;
    let messages = client.message_rx();
    let channels: Vec<Key> = topics.iter().map(|topic| Key::from(topic.as_str())).collect();
    client.subscribe(channels).await?;
    // The library does not wait for the server's word. The server answers in order, so after
    // this answer the subscription is in force; a refusal arrives as the answer.
    ask(client, plan).await?;
    Ok((connection, messages))
}

async fn ask(client: &SubscriberClient, plan: &Plan) -> Result<(), Error> {
    // Twice the calls' limit: a connection for messages is not given up for one slow moment.
    match tokio::time::timeout(plan.command_timeout * 2, client.ping::<()>(None)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::new(ErrorKind::Timeout, "the subscription does not answer")),
    }
}
