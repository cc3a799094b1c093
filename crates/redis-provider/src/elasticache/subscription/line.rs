//! One connection that is subscribed, for as long as nothing speaks against it.

use std::time::Duration;

use fred::clients::SubscriberClient;
use fred::error::Error;
use fred::interfaces::EventInterface;
use fred::types::Message;
use fred::types::config::Server;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};

use super::presence::{Presence, Topics};
use super::understand;
use crate::elasticache::connection::{Connection, Running, connect, renew, say_goodbye};
use crate::elasticache::errors::{Access, Failure};
use crate::elasticache::router::Router;
use crate::elasticache::settings::{Address, Plan};
use crate::error::RedisError;
use crate::port::Incoming;

/// How often it is asked whether all is in force.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The least time between two such questions, however many messages reach nobody.
const SPACING: Duration = Duration::from_millis(100);

/// Whether somebody still reads the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Gone,
    Waits,
}

/// A connection that is subscribed.
pub(super) struct Line {
    presence: Presence,
    client: SubscriberClient,
    running: Running,
    renew_after: Option<Duration>,
    messages: broadcast::Receiver<Message>,
}

impl Line {
    /// Connects to where these topics have to be subscribed to, and subscribes.
    pub(super) async fn open(router: &Router, topics: Topics) -> Result<Self, RedisError> {
        let presence = Presence::of(router, topics)?;
        let plan = router.plan();
        let opened = async {
            let Connection { client, running, renew_after } =
                connect_to(plan, presence.address()).await?;
            let messages = client.message_rx();
            presence.subscribe(&client, plan).await?;
            Ok((client, running, renew_after, messages))
        };
        let opened: Result<_, Error> = opened.await;
        match opened {
            Ok((client, running, renew_after, messages)) => {
                Ok(Self { presence, client, running, renew_after, messages })
            }
            Err(error) => Err(presence.refused(router, Failure::from_client(&error, Access::Read))),
        }
    }

    pub(super) fn address(&self) -> &Address {
        self.presence.address()
    }

    /// What it carried; it is given up.
    pub(super) fn topics(self) -> Topics {
        self.running.abort();
        self.presence.into_topics()
    }

    /// Ends it as a client does that has no more to ask.
    pub(super) async fn ends(&self) {
        say_goodbye(&self.client).await;
    }

    /// Hands over what arrives until the reader is gone or something speaks against the line.
    pub(super) async fn hand_over(
        &mut self,
        router: &Router,
        sender: &mpsc::Sender<Incoming>,
    ) -> Reader {
        let Self { presence, client, running, renew_after, messages } = self;
        let plan = router.plan();
        let mut views = router.watch();
        let mut unheard = router.signals().unheard();
        let mut renewal = std::pin::pin!(renew(client, plan, *renew_after));
        let mut asked = Instant::now();
        let mut due = asked + HEARTBEAT;
        if !presence.is_right(router, &views.borrow_and_update()) {
            return Reader::Waits;
        }
        loop {
            let incoming = tokio::select! {
                () = sender.closed() => return Reader::Gone,
                _ended = &mut *running => return Reader::Waits,
                () = &mut renewal => continue,
                _changed = views.changed() => {
                    if !presence.is_right(router, &views.borrow_and_update()) {
                        return Reader::Waits;
                    }
                    continue;
                }
                message = messages.recv() => match message.map(understand) {
                    Ok(Some(incoming)) => incoming,
                    Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => Incoming::Gap,
                    Err(broadcast::error::RecvError::Closed) => return Reader::Waits,
                },
                _told = unheard.changed() => {
                    if presence.concerns(*unheard.borrow_and_update()) {
                        due = due.min(asked + SPACING);
                    }
                    continue;
                }
                () = sleep_until(due) => {
                    asked = Instant::now();
                    due = asked + HEARTBEAT;
                    if !presence.is_in_force(client, router).await {
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
}

async fn connect_to(plan: &Plan, address: &Address) -> Result<Connection<SubscriberClient>, Error> {
    let new = |config| {
        let (performance, connection) = (Some(plan.performance()), Some(plan.connection()));
        SubscriberClient::new(config, performance, connection, None)
    };
    connect(plan, Server::new(&*address.host, address.port), new).await
}
