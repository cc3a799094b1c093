//! From the feed to a stream: what it missed, a page at a time, no faster than it is read.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::client::{Client, Offered};
use super::truth::{Head, Page, Sight, Standing, TruthUnavailable};
use super::{Inner, Resume, watch};
use crate::stream::{self, Cursor, Hello, Why, WhyReset};

/// Pauses between attempts while Postgres is away.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Reads the feed for a stream until it is at the end. With `begin` it is a new one: where its
/// client wants to go on, and how long it lives at most.
///
/// The stream is registered before the first page is read, so whatever is committed after the
/// reading is spoken of to it, and whatever was committed before is in the page.
pub(super) async fn read(
    inner: Arc<Inner>,
    client: Arc<Client>,
    mut begin: Option<(Resume, Duration)>,
) {
    let mut pause = FIRST_PAUSE;
    while !client.is_closing() {
        if begin.is_none() && !is_emptied(&client, inner.settings.stall).await {
            return inner.close(&client, Why::Slow);
        }
        let (at, wanted) = client.place();
        let after = match begin {
            Some((Resume::After(cursor), _)) => Some(cursor.seq),
            Some((Resume::AtHead | Resume::Unreadable, _)) => None,
            None => Some(at.seq),
        };
        let is_new = begin.is_some();
        let (mut page, sight) = match page(&inner, &client, after).await {
            Read::Page(page, sight) => (page, sight),
            Read::Ended => return inner.close(&client, Why::Revoked),
            Read::Unavailable => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
        };
        pause = FIRST_PAUSE;
        let why = match begin.take() {
            Some((resume, age)) => greet(&inner, &client, resume, age, page.head),
            None => lost(at, page.head.at),
        };
        if let Some(why) = why {
            inner.figures.resets.one(why);
            client.begin(page.head.at, page.head);
            client.push(stream::reset(page.head.at, page.head.unread, why));
            page.notices.clear();
        }
        let is_last = page.notices.len() < usize::from(inner.settings.page);
        for (seq, notice) in &page.notices {
            match client.append(*seq, &mut notice.write(), &sight) {
                Offered::Full => return inner.close(&client, Why::Slow),
                Offered::Taken => inner.figures.replayed.one(),
                Offered::Passed | Offered::Behind => {}
            }
        }
        if is_new {
            show_first(&inner, &client).await;
        }
        if is_last && client.settle(page.head.at.seq, wanted) {
            return;
        }
    }
}

/// Waits until everything was taken for writing; `false` where the client does not read.
async fn is_emptied(client: &Client, patience: Duration) -> bool {
    loop {
        let mut emptied = std::pin::pin!(client.emptied.notified());
        emptied.as_mut().enable();
        if client.is_empty() || client.is_closing() {
            return true;
        }
        if timeout(patience, emptied).await.is_err() {
            return false;
        }
    }
}

/// What came of a question.
enum Read {
    /// A page, and what the viewer may see of it.
    Page(Page, Sight),
    Ended,
    Unavailable,
}

/// One page; few streams read at a time, whatever happens to all of them at once.
///
/// Whether the stream still may be and what it may see is asked after the page, never taken from
/// the last look: whoever was given more since then would be passed over by what they may see now.
/// The stream is registered, so no change after this passes it by.
async fn page(inner: &Inner, client: &Client, after: Option<i64>) -> Read {
    let Ok(_turn) = inner.reads.acquire().await else { return Read::Unavailable };
    inner.figures.reads.one();
    let viewer = &client.viewer;
    let questions = async {
        let page = inner.truth.page(viewer, after, inner.settings.page).await?;
        let standings = inner.truth.standings(std::slice::from_ref(viewer)).await?;
        Ok(match standings.into_iter().next() {
            Some(Standing::Stands { sight, .. }) => {
                client.sees(sight.clone());
                Read::Page(page, sight)
            }
            Some(Standing::Ended) | None => Read::Ended,
        })
    };
    let answer: Result<Result<Read, TruthUnavailable>, _> =
        timeout(inner.settings.deadline, questions).await;
    match answer {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => {
            inner.figures.failures.one();
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "a feed could not be read");
            Read::Unavailable
        }
        Err(_elapsed) => {
            inner.figures.failures.one();
            Read::Unavailable
        }
    }
}

/// Says where the stream begins; answers why it cannot go on where the client was.
fn greet(
    inner: &Inner,
    client: &Client,
    resume: Resume,
    age: Duration,
    head: Head,
) -> Option<WhyReset> {
    let (from, why) = match resume {
        Resume::AtHead => (head.at, None),
        Resume::Unreadable => (head.at, Some(WhyReset::Unknown)),
        Resume::After(cursor) => match lost(cursor, head.at) {
            Some(why) => (head.at, Some(why)),
            None if head.at.seq - cursor.seq > i64::from(inner.settings.replay_max) => {
                (head.at, Some(WhyReset::TooFar))
            }
            None => (cursor, None),
        },
    };
    client.begin(from, head);
    client.push(stream::hello(Hello {
        from: why.is_none().then_some(from),
        head: head.at,
        unread: head.unread,
        now: inner.clock.now(),
        max_age_seconds: age.as_secs(),
    }));
    why
}

/// Why there is no way from `at` to `head`.
fn lost(at: Cursor, head: Cursor) -> Option<WhyReset> {
    if at.epoch != head.epoch {
        return Some(WhyReset::Epoch);
    }
    (at.seq > head.seq).then_some(WhyReset::Ahead)
}

/// The figures as they are, before any change of them.
async fn show_first(inner: &Inner, client: &Client) {
    let subjects = client.subjects();
    if subjects.is_empty() || inner.source.is_none() {
        return;
    }
    match watch::snapshots(inner, &client.viewer.scope, &subjects).await {
        Some(found) => found
            .iter()
            .for_each(|(subject, snapshot)| client.show(*subject, snapshot.frame(*subject))),
        // With the next ones, then.
        None => inner.shows_again(client.viewer.scope.tenant(), subjects),
    }
}
