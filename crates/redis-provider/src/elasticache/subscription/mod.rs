//! Subscriptions: each has connections of its own, replaced at the first doubt.
//!
//! ```text
//! mod        the stream, and the lines that feed it
//! line       one connection, until it is lost
//! presence   whether a line is where it has to be, and subscribed
//! ```
//!
//! Classic messages reach every node of a cluster, so one line to any node will do, for as long as
//! that belongs to the cluster. Sharded ones reach the shard that owns the topic's slot: there is a
//! line to each owner, and whatever moves is subscribed to anew where it went.

mod line;
mod presence;

use std::sync::Arc;
use std::time::Duration;

use fred::types::Message;
use futures_util::future::try_join_all;
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::line::{Line, Reader};
use self::presence::{Topics, groups};
use super::router::Router;
use super::values::optional_bytes;
use crate::backoff::Backoff;
use crate::error::RedisError;
use crate::port::{Incoming, Subscription};

/// Messages handed over ahead of the reader; the library's own buffer comes before.
const AHEAD: usize = 256;
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Lines that together carry all topics.
pub(super) struct Feed {
    router: Arc<Router>,
    lines: Vec<Line>,
}

impl Feed {
    /// Subscribes where it is to be done; all of it is in force with the answer.
    pub(super) async fn open(router: Arc<Router>, topics: Vec<String>) -> Result<Self, RedisError> {
        let lines = groups(&router, &topics).into_iter().map(|topics| Line::open(&router, topics));
        let lines = try_join_all(lines).await?;
        Ok(Self { router, lines })
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

    async fn feed(self, sender: mpsc::Sender<Incoming>) {
        let Self { router, lines } = self;
        let (router, sender) = (&*router, &sender);
        let tend = |start| Box::pin(tend(router, start, sender));
        let mut tended: FuturesUnordered<_> =
            lines.into_iter().map(|line| tend(Start::With(Box::new(line)))).collect();
        while let Some(ended) = tended.next().await {
            let Some(topics) = ended else { continue };
            for group in groups(router, &topics) {
                tended.push(tend(Start::Without(group)));
            }
        }
    }
}

/// What there is of a line.
enum Start {
    With(Box<Line>),
    Without(Topics),
}

/// Keeps topics subscribed for as long as one line can carry them. Answers them when they belong
/// to several nodes now, and nothing when the reader is gone.
async fn tend(router: &Router, start: Start, sender: &mpsc::Sender<Incoming>) -> Option<Topics> {
    let mut current = start;
    loop {
        let topics = match current {
            Start::With(mut line) => {
                if Box::pin(line.hand_over(router, sender)).await == Reader::Gone {
                    line.ends().await;
                    return None;
                }
                tracing::warn!(address = %line.address(), "a Redis subscription was lost");
                sender.send(Incoming::Gap).await.ok()?;
                line.topics()
            }
            Start::Without(topics) => topics,
        };
        let line = match Box::pin(reopen(router, topics, sender)).await? {
            Reopened::Line(line) => line,
            Reopened::Apart(topics) => return Some(topics),
        };
        tracing::info!(address = %line.address(), "a Redis subscription is in force again");
        sender.send(Incoming::Gap).await.ok()?;
        current = Start::With(line);
    }
}

/// What became of topics that had no line.
enum Reopened {
    Line(Box<Line>),
    /// They need several.
    Apart(Topics),
}

async fn reopen(
    router: &Router,
    topics: Topics,
    sender: &mpsc::Sender<Incoming>,
) -> Option<Reopened> {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        tokio::select! {
            () = sender.closed() => return None,
            () = tokio::time::sleep(backoff.next_wait()) => {}
        }
        if groups(router, &topics).len() > 1 {
            return Some(Reopened::Apart(topics));
        }
        match Line::open(router, Arc::clone(&topics)).await {
            Ok(line) => return Some(Reopened::Line(Box::new(line))),
            Err(error) => tracing::debug!(%error, "cannot subscribe yet"),
        }
    }
}

fn understand(message: Message) -> Option<Incoming> {
    let payload = optional_bytes(message.value, "SUBSCRIBE").ok()??;
    Some(Incoming::Message { topic: message.channel.to_string(), payload })
}
