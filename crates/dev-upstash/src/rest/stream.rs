//! Streams of server-sent events: subscriptions and the monitor.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep, sleep_until};

use super::access::Access;
use super::decode::{Words, segments};
use super::error::RestError;
use crate::faults::Fault;
use crate::front::Front;
use crate::redis::Connection;
use crate::resp::Reply;
use crate::statistics::{Counted, Form};

const CHANNELS_MAX: usize = 64;
/// Between the pieces of an event that `split-utf8` cuts, so that they travel apart.
const SPLIT_PAUSE: Duration = Duration::from_millis(5);

/// Opens a stream on a connection of its own.
pub(super) async fn open(
    front: &web::Data<Front>,
    access: Access,
    form: Form,
    path: &str,
) -> Result<HttpResponse, RestError> {
    let command = command(form, access, path)?;
    front.statistics.count_commands(1);
    let permit = front.streams.clone().try_acquire_owned().map_err(|_| RestError::Streams)?;
    let mut connection = front.pool.dedicated().await?;
    connection.send(&[command]).await?;
    let events = Events {
        connection,
        path: path.to_owned(),
        is_monitor: form == Form::Monitor,
        is_silent: false,
        is_over: false,
        pieces: VecDeque::new(),
        changes: front.faults.watch(),
        front: front.clone(),
        _permit: permit,
        _counted: front.statistics.streaming(),
    };
    let body = unfold(events, |mut events| async move {
        let piece = events.next_piece().await?;
        Some((Ok::<_, Infallible>(piece), events))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-cache"))
        .streaming(body))
}

fn command(form: Form, access: Access, path: &str) -> Result<Words, RestError> {
    let mut words = segments(path);
    let name = match form {
        Form::Subscribe => "subscribe",
        Form::PSubscribe => "psubscribe",
        _ => "monitor",
    };
    if form == Form::Monitor {
        if access == Access::ReadOnly {
            return Err(RestError::Refused(format!(
                "NOPERM this user has no permissions to run the '{name}' command or its subcommand"
            )));
        }
        words.truncate(1);
    } else if words.len() < 2 || words.iter().any(Bytes::is_empty) {
        return Err(RestError::Refused(format!(
            "ERR wrong number of arguments for '{name}' command"
        )));
    } else if words.len() > CHANNELS_MAX + 1 {
        return Err(RestError::Refused("ERR too many channels".to_owned()));
    }
    Ok(words)
}

/// A stream that is open.
struct Events {
    connection: Connection,
    path: String,
    is_monitor: bool,
    /// Struck by `silent-stream`: it stays open and says nothing any more.
    is_silent: bool,
    /// Nothing follows what is in `pieces`.
    is_over: bool,
    pieces: VecDeque<Bytes>,
    changes: watch::Receiver<()>,
    front: web::Data<Front>,
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Events {
    /// What is sent next; nothing at the end.
    async fn next_piece(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                if !self.pieces.is_empty() {
                    sleep(SPLIT_PAUSE).await;
                }
                return Some(piece);
            }
            if self.is_over {
                return None;
            }
            self.changes.mark_unchanged();
            match self.front.faults.take(&self.path, self.pending_faults()) {
                Some(Fault::CutStream) => {
                    // In the middle of an event, which nobody may take for a whole one.
                    self.pieces.push_back(Bytes::from_static(b"data: message,"));
                    self.is_over = true;
                    continue;
                }
                Some(_) => self.is_silent = true,
                None => {}
            }
            self.wait().await?;
        }
    }

    /// Waits for a message or a fault; nothing when the stream is to end.
    async fn wait(&mut self) -> Option<()> {
        let start = self.front.faults.next_start(&self.path, self.pending_faults());
        let fault_starts = async {
            match start {
                Some(start) => sleep_until(start).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.front.stop.cancelled() => return None,
            changed = self.changes.changed() => changed.ok()?,
            () = fault_starts => {}
            message = self.connection.receive() => {
                let message = message.ok()?;
                if !self.is_silent {
                    self.queue(&message);
                }
            }
        }
        Some(())
    }

    /// A stream that is silent already can only be cut.
    fn pending_faults(&self) -> &'static [Fault] {
        if self.is_silent { &[Fault::CutStream] } else { Fault::ON_STREAMS }
    }

    fn queue(&mut self, message: &Reply) {
        let event = event(&text(message, self.is_monitor));
        if self.front.faults.take(&self.path, &[Fault::SplitUtf8]).is_some() {
            self.pieces.extend(split_inside_characters(&event));
        } else {
            self.pieces.push_back(event);
        }
    }
}

/// `message,CHANNEL,PAYLOAD`, or a line of the monitor.
fn text(message: &Reply, is_monitor: bool) -> String {
    match message {
        Reply::Simple(line) if is_monitor && line == "OK" => "\"OK\"".to_owned(),
        Reply::Simple(text) | Reply::Error(text) | Reply::Bulk(Some(text)) => {
            String::from_utf8_lossy(text).into_owned()
        }
        Reply::Integer(number) => number.to_string(),
        Reply::Bulk(None) | Reply::Array(None) => String::new(),
        Reply::Array(Some(parts)) => {
            parts.iter().map(|part| text(part, false)).collect::<Vec<_>>().join(",")
        }
    }
}

/// A line for each line of the text, as the format of events wants it.
fn event(text: &str) -> Bytes {
    let mut event = String::with_capacity(text.len() + 16);
    for line in text.split(['\n', '\r']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event.into()
}

/// The event cut after the first byte of each character that has several.
fn split_inside_characters(event: &Bytes) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut rest = event.clone();
    while let Some(place) = rest.iter().position(|byte| *byte >= 0xc0) {
        pieces.push(rest.split_to(place + 1));
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_cut_only_inside_characters() {
        let event = event("message,c,é€x");
        let pieces = split_inside_characters(&event);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.concat(), event);
        assert!(pieces[..2].iter().all(|piece| std::str::from_utf8(piece).is_err()));
        assert_eq!(split_inside_characters(&Bytes::from_static(b"data: x\n\n")).len(), 1);
    }

    #[test]
    fn each_line_of_a_payload_is_a_line_of_the_event() {
        assert_eq!(event("message,c,a\nb"), "data: message,c,a\ndata: b\n\n");
    }

    #[test]
    fn a_stream_names_its_channels() {
        let words =
            |path| command(Form::Subscribe, Access::ReadOnly, path).map(|words| words.len());
        assert_eq!(words("/subscribe/a/b").unwrap(), 3);
        assert!(words("/subscribe").is_err());
        assert!(words("/subscribe/").is_err());
        assert!(words(&format!("/subscribe{}", "/c".repeat(65))).is_err());
        assert!(command(Form::Monitor, Access::ReadOnly, "/monitor").is_err());
    }
}
