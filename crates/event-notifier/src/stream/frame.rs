//! Frames: a few lines of text and an empty one, each written whole or not at all.
//!
//! All of them are put together from numbers, words of ours and JSON, which writes line breaks as
//! `\n` and `\r`: nothing in them can end a line early.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use employer_store::feed::NotificationKind;
use serde::Serialize;
use tenancy::Permission;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::Cursor;

/// Why a stream ends; the last thing that is said on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The instance stops.
    Drain,
    /// The client does not read what it is sent.
    Slow,
    /// The session ended, or what it may see did.
    Revoked,
    /// It has been open for long enough.
    MaxAge,
    /// Nobody can tell any more whether the session still holds.
    Unverified,
}

impl Why {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::Drain, Self::Slow, Self::Revoked, Self::MaxAge, Self::Unverified];

    /// The word on the wire and in figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Slow => "slow",
            Self::Revoked => "revoked",
            Self::MaxAge => "max_age",
            Self::Unverified => "unverified",
        }
    }

    /// Between how many milliseconds the client should wait before it comes back. An instance that
    /// stops sends away many at once.
    const fn pause_ms(self) -> std::ops::RangeInclusive<u64> {
        match self {
            Self::Drain => 1_000..=15_000,
            Self::Slow | Self::Unverified => 1_000..=5_000,
            Self::Revoked | Self::MaxAge => 100..=3_000,
        }
    }
}

/// Why a stream could not go on where the client was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhyReset {
    /// The cursor is no text of ours.
    Unknown,
    /// The feed has begun a new numbering since.
    Epoch,
    /// The cursor is ahead of the feed.
    Ahead,
    /// More has happened since than is repeated.
    TooFar,
}

impl WhyReset {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Epoch, Self::Ahead, Self::TooFar];

    /// The word on the wire and in figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::TooFar => "too_far",
        }
    }
}

/// Something that happened, as those see it who are told of it. Ids only: who may know more looks it
/// up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The event.
    pub event: Uuid,
    /// What kind of notification it is.
    pub kind: NotificationKind,
    /// The job that it is about.
    pub job: Option<Uuid>,
    /// The application that it is about.
    pub application: Option<Uuid>,
    /// The export that it is about.
    pub export: Option<Uuid>,
    /// Whoever did it, where that is a person.
    pub actor: Option<Uuid>,
    /// When.
    pub occurred_at: OffsetDateTime,
}

#[derive(Serialize)]
struct NoticeBody {
    event_id: Uuid,
    kind: &'static str,
    job: Option<Uuid>,
    application: Option<Uuid>,
    /// Only where there is one: most notices are of other things.
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<Uuid>,
    actor: Option<Uuid>,
    occurred_at: String,
}

/// A notice in the form that is the same for all who get it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// What somebody must be allowed to who is to see it.
    pub(crate) needs: Option<Permission>,
    pub(crate) job: Option<Uuid>,
    /// From after the brace that opens the JSON to the end of the frame.
    tail: String,
    /// The frame that was asked for last: a person's streams are all given the same.
    last: Option<(Cursor, Bytes)>,
}

impl Notice {
    pub(crate) fn write(&self) -> Written {
        let body = NoticeBody {
            event_id: self.event,
            kind: self.kind.as_str(),
            job: self.job,
            application: self.application,
            export: self.export,
            actor: self.actor,
            occurred_at: instant(self.occurred_at),
        };
        let json = json(&body);
        let tail = format!("{}\n\n", json.strip_prefix('{').unwrap_or("}"));
        Written { needs: self.kind.needs(), job: self.job, tail, last: None }
    }
}

impl Written {
    /// The frame of whoever has this number for it.
    pub(crate) fn frame(&mut self, at: Cursor) -> Bytes {
        if let Some((known, frame)) = &self.last
            && *known == at
        {
            return frame.clone();
        }
        let mut text = BytesMut::with_capacity(MOST_OPENING + self.tail.len());
        // Writing to memory does not fail.
        let _ = write!(text, "id: {at}\nevent: notification\ndata: {{\"seq\":{},", at.seq);
        text.extend_from_slice(self.tail.as_bytes());
        let frame = text.freeze();
        self.last = Some((at, frame.clone()));
        frame
    }
}

/// Most bytes of a notification's frame before what is the same for all.
const MOST_OPENING: usize = 112;

/// What a stream begins with, before anybody was asked anything: proxies pass on what they have.
pub(crate) fn first_bytes(retry_ms: u64) -> Bytes {
    format!(": ok\nretry: {retry_ms}\n\n").into()
}

/// A sign of life.
pub(crate) const fn beat() -> Bytes {
    Bytes::from_static(b": hb\n\n")
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hello {
    /// What the client has already. It is the frame's id, so that a client whose stream breaks
    /// before the first notification goes on from here. None where a reset follows, which moves
    /// the client itself: otherwise one whose stream breaks between the two would miss it.
    pub from: Option<Cursor>,
    /// The end of the feed.
    pub head: Cursor,
    /// How many notifications are unread.
    pub unread: i64,
    /// The server's clock.
    pub now: OffsetDateTime,
    /// For how many seconds the stream is open at most.
    pub max_age_seconds: u64,
}

#[derive(Serialize)]
struct HelloBody {
    head: String,
    unread: i64,
    server_time: String,
    max_age_s: u64,
}

pub(crate) fn hello(hello: Hello) -> Bytes {
    let body = HelloBody {
        head: hello.head.to_string(),
        unread: hello.unread,
        server_time: instant(hello.now),
        max_age_s: hello.max_age_seconds,
    };
    let id = hello.from.map(|from| format!("id: {from}\n")).unwrap_or_default();
    format!("{id}event: hello\ndata: {}\n\n", json(&body)).into()
}

#[derive(Serialize)]
struct StateBody {
    head: String,
    unread: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

/// The client has to load the feed anew. The id is the feed's end, so that what is impossible once
/// is not tried again with every reconnection.
pub(crate) fn reset(head: Cursor, unread: i64, why: WhyReset) -> Bytes {
    let body = StateBody { head: head.to_string(), unread, why: Some(why.as_str()) };
    format!("id: {head}\nevent: reset\ndata: {}\n\n", json(&body)).into()
}

/// How much is unread, whichever device changed it.
pub(crate) fn feed_state(head: Cursor, unread: i64) -> Bytes {
    let body = StateBody { head: head.to_string(), unread, why: None };
    format!("event: feed_state\ndata: {}\n\n", json(&body)).into()
}

/// A snapshot of figures; `body` is one JSON object.
pub(crate) fn metrics(body: &impl Serialize) -> Bytes {
    format!("event: metrics\ndata: {}\n\n", json(body)).into()
}

#[derive(Serialize)]
struct ByeBody {
    why: &'static str,
    retry_ms: u64,
}

/// The last frame.
pub(crate) fn bye(why: Why) -> Bytes {
    let retry_ms = retry_after(why);
    let body = ByeBody { why: why.as_str(), retry_ms };
    format!("retry: {retry_ms}\nevent: bye\ndata: {}\n\n", json(&body)).into()
}

/// How long a client should stay away, in milliseconds.
pub(crate) fn retry_after(why: Why) -> u64 {
    rand::random_range(why.pause_ms())
}

/// Values of ours always have JSON; where one had none, the frame would be empty and not wrong.
fn json(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_else(|_| "{}".to_owned())
}

pub(crate) fn instant(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn text(frame: &Bytes) -> String {
        String::from_utf8(frame.to_vec()).unwrap()
    }

    #[test]
    fn a_notification_has_its_number_in_its_id_and_in_its_data() {
        let notice = Notice {
            event: Uuid::from_u128(1),
            kind: NotificationKind::ApplicationSubmitted,
            job: Some(Uuid::from_u128(2)),
            application: None,
            export: None,
            actor: None,
            occurred_at: datetime!(2026-11-22 10:00 UTC),
        };
        let frame = text(&notice.write().frame(Cursor { epoch: 0x7f, seq: 1842 }));
        let (head, data) = frame.split_once("data: ").unwrap();
        assert_eq!(head, "id: 7f.1842\nevent: notification\n");
        assert!(data.ends_with("\n\n"));
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["seq"], 1842);
        assert_eq!(data["event_id"], Uuid::from_u128(1).to_string());
        assert_eq!(data["occurred_at"], "2026-11-22T10:00:00Z");
    }

    #[test]
    fn only_those_with_the_same_place_are_given_the_same_frame() {
        let notice = Notice {
            event: Uuid::from_u128(1),
            kind: NotificationKind::ApplicationSubmitted,
            job: None,
            application: None,
            export: None,
            actor: None,
            occurred_at: datetime!(2026-11-22 10:00 UTC),
        };
        let mut written = notice.write();
        let first = written.frame(Cursor { epoch: 1, seq: 5 });
        assert_eq!(written.frame(Cursor { epoch: 1, seq: 5 }), first);
        let far = Cursor { epoch: i64::MAX, seq: i64::MAX };
        for other in [Cursor { epoch: 2, seq: 5 }, Cursor { epoch: 1, seq: 6 }, far] {
            let frame = text(&written.frame(other));
            assert!(frame.starts_with(&format!("id: {other}\nevent: ")), "{frame}");
            assert!(frame.contains(&format!("{{\"seq\":{},", other.seq)), "{frame}");
        }
        let opening = "id: 7fffffffffffffff.9223372036854775807\nevent: notification\ndata: {\"seq\":9223372036854775807,";
        assert!(opening.len() <= MOST_OPENING);
    }

    #[test]
    fn no_text_ends_a_line_early() {
        let frame = text(&metrics(&"a\r\nb\ndata: {}\rid: 9"));
        assert_eq!(frame.matches('\n').count(), 3, "{frame}");
        assert!(!frame.contains('\r'));
    }

    #[test]
    fn only_what_lasts_moves_the_place() {
        let at = Cursor { epoch: 1, seq: 5 };
        assert!(text(&reset(at, 0, WhyReset::Epoch)).starts_with("id: 1.5\nevent: reset\n"));
        for frame in [feed_state(at, 1), bye(Why::Drain), beat(), first_bytes(2_000)] {
            assert!(!text(&frame).contains("id: "), "{}", text(&frame));
            assert!(text(&frame).ends_with("\n\n"));
        }
    }
}
