//! Subscriptions: a stream of events on a connection of its own, replaced at the first doubt.
//!
//! Whether the service sends anything on a quiet stream is not documented, so silence is not taken
//! for a loss. A stream that was silent for too long is tried: a message goes out to a topic that
//! only this stream listens to. If nothing arrives, the stream is dead.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Client, Response};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use super::document::{self, Body};
use super::encode;
use super::errors::{Access, Fault, from_status, retry_after};
use super::request;
use super::sse::{Event, Parser};
use super::wire::Broken;
use crate::backoff::Backoff;
use crate::error::RedisError;
use crate::port::{Incoming, Subscription};

/// Messages handed over ahead of the reader; beyond them the stream waits in the connection.
const AHEAD: usize = 1024;
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A refusal's text is not longer; what comes after it is not read.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// How streams are made.
pub(super) struct Streams {
    pub(super) core: Arc<Core>,
    pub(super) client: Client,
    pub(super) base: String,
    /// The longest that it may take until a subscription is in force.
    pub(super) open_limit: Duration,
    pub(super) silence_limit: Duration,
    /// The longest that a message may take to come round.
    pub(super) echo_limit: Duration,
}

/// A stream that is subscribed.
pub(super) struct Feed {
    streams: Arc<Streams>,
    topics: Arc<[String]>,
    /// The topic that the stream is tried by.
    trial: String,
    response: Response,
    parser: Parser,
    /// What came together with the announcements.
    early: Vec<Incoming>,
}

impl Feed {
    pub(super) async fn open(
        streams: &Arc<Streams>,
        topics: Arc<[String]>,
    ) -> Result<Self, RedisError> {
        let opened = Self::open_now(streams, topics);
        match tokio::time::timeout(streams.open_limit, opened).await {
            Ok(feed) => feed,
            Err(_) => Err(Access::Read.timeout()),
        }
    }

    async fn open_now(streams: &Arc<Streams>, topics: Arc<[String]>) -> Result<Self, RedisError> {
        let trial = format!("portal:trial:{:032x}", rand::random::<u128>());
        let mut words = vec!["subscribe"];
        words.extend(topics.iter().map(String::as_str));
        words.push(&trial);
        let path = encode::path(&words)?;
        let sent = streams.client.post(format!("{}{path}", streams.base)).send().await;
        let response = sent.map_err(broken)?;
        let mut feed = Self {
            streams: Arc::clone(streams),
            topics,
            trial,
            response: accept(response).await?,
            parser: Parser::default(),
            early: Vec::new(),
        };
        feed.wait_until_in_force().await?;
        Ok(feed)
    }

    async fn wait_until_in_force(&mut self) -> Result<(), RedisError> {
        let mut awaited: HashSet<String> = self.topics.iter().cloned().collect();
        awaited.insert(self.trial.clone());
        while !awaited.is_empty() {
            let Some(piece) = self.response.chunk().await.map_err(broken)? else {
                return Err(RedisError::Unavailable("the stream of events ended".to_owned()));
            };
            for event in self.parser.push(&piece) {
                if let Event::Subscribed(topic) = &event {
                    awaited.remove(topic);
                }
                let incoming = self.incoming(event);
                self.early.extend(incoming);
            }
        }
        Ok(())
    }

    /// The stream for the reader, and the task that feeds it until the reader is gone or all stops.
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
            let Err(Lost(reason)) = self.hand_over(&sender).await else { return };
            let address = self.streams.core.wire.health.address().to_owned();
            tracing::warn!(address, reason, "a subscription over REST was lost");
            if sender.send(Incoming::Gap).await.is_err() {
                return;
            }
            let Some(next) = self.reopen(&sender).await else { return };
            self = next;
            tracing::info!(address, "a subscription over REST is back");
            if sender.send(Incoming::Gap).await.is_err() {
                return;
            }
        }
    }

    /// Ends well when the reader has gone.
    async fn hand_over(&mut self, sender: &mpsc::Sender<Incoming>) -> Result<(), Lost> {
        for incoming in std::mem::take(&mut self.early) {
            if sender.send(incoming).await.is_err() {
                return Ok(());
            }
        }
        let mut heard = Instant::now();
        let mut is_tried = false;
        loop {
            let patience =
                if is_tried { self.streams.echo_limit } else { self.streams.silence_limit };
            tokio::select! {
                () = sender.closed() => return Ok(()),
                piece = self.response.chunk() => {
                    let Ok(Some(piece)) = piece else { return Err(Lost("the stream ended")) };
                    (heard, is_tried) = (Instant::now(), false);
                    for event in self.parser.push(&piece) {
                        let Some(incoming) = self.incoming(event) else { continue };
                        if sender.send(incoming).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                () = tokio::time::sleep_until(heard + patience) => {
                    if is_tried {
                        return Err(Lost("a message did not come round"));
                    }
                    self.try_out().await?;
                    (heard, is_tried) = (Instant::now(), true);
                }
            }
        }
    }

    /// Sends a message to this stream alone.
    async fn try_out(&self) -> Result<(), Lost> {
        let core = &self.streams.core;
        let sent = match request::publish(&self.trial, &Bytes::new()) {
            Ok(command) => core.call(command).await,
            Err(error) => Err(error),
        };
        sent.map(drop).map_err(|_| Lost("silence, and the service does not take a message"))
    }

    fn incoming(&self, event: Event) -> Option<Incoming> {
        match event {
            Event::Message { topic, payload } if topic != self.trial => {
                Some(Incoming::Message { topic, payload })
            }
            Event::Foreign => {
                tracing::debug!("a message that no portal sent was left out");
                None
            }
            Event::Message { .. } | Event::Subscribed(_) => None,
        }
    }

    async fn reopen(&self, sender: &mpsc::Sender<Incoming>) -> Option<Self> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            tokio::select! {
                () = sender.closed() => return None,
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
            match Self::open(&self.streams, Arc::clone(&self.topics)).await {
                Ok(next) => return Some(next),
                Err(error) => tracing::debug!(%error, "cannot subscribe yet"),
            }
        }
    }
}

/// Why a stream was given up.
struct Lost(&'static str);

fn broken(error: reqwest::Error) -> RedisError {
    Broken::Http(error).into_fault().into_error(Access::Read)
}

/// The response, if it is a stream of events.
async fn accept(mut response: Response) -> Result<Response, RedisError> {
    let kind = response.headers().get(reqwest::header::CONTENT_TYPE);
    let is_stream = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    if response.status().is_success() && is_stream {
        return Ok(response);
    }
    let (status, pause) =
        (response.status(), retry_after(response.headers().get(reqwest::header::RETRY_AFTER)));
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(broken)? {
        body.extend_from_slice(&piece);
        if body.len() > LONGEST_REFUSAL {
            break;
        }
    }
    let text = match document::parse(&body) {
        Some(Body::One(Err(text))) => Some(text),
        _ => None,
    };
    let fault = if status.is_success() && text.is_none() {
        Fault::Lost("an answer that is not a stream of events".to_owned())
    } else {
        from_status(status, text.as_deref(), pause)
    };
    Err(fault.into_error(Access::Read))
}
