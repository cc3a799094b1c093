//! The figures of live streams.

use std::fmt;

use event_notifier::{Hub, Refused, Why, WhyReset};

use super::page::Page;

pub(super) fn write(page: &mut Page<'_>, hub: &Hub) -> fmt::Result {
    let all = hub.figures();
    let open = u32::try_from(hub.count()).unwrap_or(u32::MAX);
    page.gauge("streams_open", "Streams of events that are open", open.into())?;
    let is_heard = f64::from(u8::from(hub.is_heard()));
    page.gauge("streams_heard", "Whether messages between instances arrive", is_heard)?;
    page.counter("streams_opened", "Streams that were opened", all.opened())?;
    let left = [("client", all.left())];
    let closed = Why::ALL.map(|why| (why.as_str(), all.closed(why)));
    page.counters(
        "streams_closed",
        "Streams that ended: by the client, or by us and why",
        left.into_iter().chain(closed).map(|(why, count)| (vec![("why", why)], count)),
    )?;
    page.counters(
        "streams_refused",
        "Streams that were not opened, by whose there were too many",
        Refused::ALL.map(|why| (vec![("why", why.as_str())], all.refused(why))),
    )?;
    page.counters(
        "streams_resets",
        "Streams that could not go on where the client was",
        WhyReset::ALL.map(|why| (vec![("why", why.as_str())], all.resets(why))),
    )?;
    let mut one = |name, help, count| page.counter(name, help, count);
    one(
        "streams_delivered",
        "Notifications put on streams as they were published",
        all.delivered(),
    )?;
    one("streams_lag_milliseconds", "Time from the event to that, in all", all.lag_ms())?;
    one("streams_replayed", "Notifications put on streams from inboxes", all.replayed())?;
    one("streams_inbox_reads", "Pages of inboxes read for streams", all.reads())?;
    one("streams_caught_up", "Streams to which a message had not come", all.caught_up())?;
    one("streams_looks", "Questions whether streams may stay open", all.looks())?;
    one("streams_failures", "Questions to Postgres that failed", all.failures())?;
    one("streams_messages", "Messages of committed events that were heard", all.messages())?;
    one("streams_gaps", "How often such messages may have been lost", all.gaps())?;
    one("streams_unreadable", "Such messages that could not be read", all.unreadable())?;
    one("streams_unpublished", "Such messages that could not be sent", all.unpublished())
}
