//! Messages inside the process.

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::port::{Incoming, Subscription};

#[derive(Clone, Debug)]
struct Message {
    topic: String,
    payload: Bytes,
}

/// One channel for all topics; a subscriber that falls behind learns so by a gap.
#[derive(Debug)]
pub(super) struct Bus(broadcast::Sender<Message>);

impl Bus {
    pub(super) fn new(capacity: usize) -> Self {
        Self(broadcast::Sender::new(capacity.max(1)))
    }

    pub(super) fn publish(&self, topic: &str, payload: Bytes) {
        // An error means that nobody is subscribed, which is the publisher's business in no way.
        let _nobody_listens = self.0.send(Message { topic: topic.to_owned(), payload });
    }

    pub(super) fn subscribe(&self, topics: &[&str]) -> Subscription {
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let messages = stream::unfold((self.0.subscribe(), topics), async |(mut inbox, topics)| {
            loop {
                let incoming = match inbox.recv().await {
                    Ok(Message { topic, .. }) if !topics.contains(&topic) => continue,
                    Ok(Message { topic, payload }) => Incoming::Message { topic, payload },
                    Err(RecvError::Lagged(_)) => Incoming::Gap,
                    Err(RecvError::Closed) => return None,
                };
                return Some((incoming, (inbox, topics)));
            }
        });
        Box::pin(messages)
    }
}
