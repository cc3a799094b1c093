//! The body of an answer that goes on.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use event_notifier::LiveStream;

/// Writes a stream as fast as the client reads it.
#[derive(Debug)]
pub(super) struct EventBody(LiveStream);

impl EventBody {
    pub(super) fn new(stream: LiveStream) -> Self {
        Self(stream)
    }
}

impl MessageBody for EventBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.0.poll_bytes(context).map(|bytes| bytes.map(Ok))
    }
}
