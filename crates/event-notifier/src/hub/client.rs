//! One stream: what waits to be written to it, and where in the feed it is.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::snapshots::{Subject, Watched};
use super::truth::{Head, Sight, Viewer};
use crate::stream::{self, Cursor, Why, Written};

/// Most frames that wait for a client.
const MOST_FRAMES: usize = 256;

/// Most bytes that wait for a client.
const MOST_BYTES: usize = 256 * 1024;

/// Frames that wait are written together up to about this many bytes.
const TOGETHER: usize = 32 * 1024;

/// A stream.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) viewer: Viewer,
    state: Mutex<State>,
    /// Tells whoever reads the feed for it that the queue is empty, or that it is over.
    pub(crate) emptied: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Somebody reads the feed for it; what arrives meanwhile is only noted.
    Reading,
    /// It is at the feed's end; what arrives is passed on.
    Live,
    /// Nothing follows what waits.
    Closing,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Bytes>,
    bytes: usize,
    waker: Option<Waker>,
    phase: Phase,
    /// Everything up to here is in the queue or was.
    at: Cursor,
    /// The highest number that anybody spoke of.
    wanted: i64,
    sight: Sight,
    watched: Watched,
    /// The state of the feed as it was told last.
    told: (i64, i64),
    told_at: Instant,
    is_state_due: bool,
    /// Where the feed's end was when the stream was looked at the last time.
    seen_head: i64,
    checked_at: Instant,
    is_urgent: bool,
    beat_at: Instant,
    ends_at: Instant,
}

/// What became of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It waits to be written.
    Taken,
    /// It was written before, is not for these eyes, or is noted for whoever reads the feed.
    Passed,
    /// Something before it is missing, or more may be seen than is known: the feed has to be read.
    Behind,
    /// It does not fit any more.
    Full,
}

/// What follows from a look at a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// Nothing.
    Fine,
    /// The feed has to be read.
    Behind,
    /// It does not read.
    Full,
}

impl Client {
    pub(crate) fn new(viewer: Viewer, sight: Sight, watched: Watched, ends_at: Instant) -> Self {
        let now = Instant::now();
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            waker: None,
            phase: Phase::Reading,
            at: Cursor { epoch: 0, seq: 0 },
            wanted: 0,
            sight,
            watched,
            told: (0, 0),
            told_at: now,
            is_state_due: false,
            seen_head: 0,
            checked_at: now,
            is_urgent: false,
            beat_at: now,
            ends_at,
        };
        Self { viewer, state: Mutex::new(state), emptied: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be written next; `None` at the end.
    pub(crate) fn poll_bytes(&self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.state();
        if let Some(bytes) = state.take() {
            if state.queue.is_empty() {
                self.emptied.notify_waiters();
            }
            return Poll::Ready(Some(bytes));
        }
        if state.phase == Phase::Closing {
            return Poll::Ready(None);
        }
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// A frame that has nothing to do with the feed's numbers.
    pub(crate) fn push(&self, frame: Bytes) -> bool {
        let mut state = self.state();
        state.phase == Phase::Closing || state.push(frame)
    }

    /// A notice that has just been published.
    pub(crate) fn offer(&self, seq: i64, notice: &mut Written) -> Offered {
        let mut state = self.state();
        state.is_state_due = true;
        match state.phase {
            Phase::Closing => Offered::Passed,
            Phase::Reading => {
                state.wanted = state.wanted.max(seq);
                Offered::Passed
            }
            Phase::Live if seq <= state.at.seq => Offered::Passed,
            Phase::Live if seq > state.at.seq.saturating_add(1) => {
                state.wanted = state.wanted.max(seq);
                state.phase = Phase::Reading;
                Offered::Behind
            }
            // It is told to those who may see it. What this stream may see was found out at its
            // last look, so that may be what is behind, and the feed is to say.
            Phase::Live if !state.sight.shows(notice.needs, notice.job) => {
                state.wanted = state.wanted.max(seq);
                state.phase = Phase::Reading;
                Offered::Behind
            }
            Phase::Live => state.append(seq, notice),
        }
    }

    /// A notice that was read from the feed, for whoever had this `sight` afterwards.
    pub(crate) fn append(&self, seq: i64, notice: &mut Written, sight: &Sight) -> Offered {
        let mut state = self.state();
        if state.phase == Phase::Closing || seq <= state.at.seq {
            return Offered::Passed;
        }
        if !sight.shows(notice.needs, notice.job) {
            state.at.seq = seq;
            return Offered::Passed;
        }
        state.append(seq, notice)
    }

    /// What it may see is this from now on.
    pub(crate) fn sees(&self, sight: Sight) {
        self.state().sight = sight;
    }

    /// Begins at a place, with what is known of the feed.
    pub(crate) fn begin(&self, at: Cursor, head: Head) {
        let mut state = self.state();
        state.at = at;
        state.told = (head.at.seq, head.unread);
        state.told_at = Instant::now();
        state.seen_head = head.at.seq;
    }

    /// Where it is, and the highest number that was spoken of.
    pub(crate) fn place(&self) -> (Cursor, i64) {
        let state = self.state();
        (state.at, state.wanted)
    }

    /// Everything up to `head` has been read. Answers whether it is at the feed's end now; it is not
    /// where somebody spoke of more since `wanted` was asked for.
    pub(crate) fn settle(&self, head: i64, wanted: i64) -> bool {
        let mut state = self.state();
        state.at.seq = state.at.seq.max(head);
        if state.wanted > wanted && state.wanted > state.at.seq {
            return false;
        }
        if state.phase == Phase::Reading {
            state.phase = Phase::Live;
        }
        true
    }

    /// Ends it with a last word. What waits is written before, but for those who do not read.
    pub(crate) fn close(&self, why: Why) -> bool {
        let mut state = self.state();
        if state.phase == Phase::Closing {
            return false;
        }
        if matches!(why, Why::Slow | Why::Revoked | Why::Unverified) {
            state.queue.clear();
            state.bytes = 0;
        }
        state.phase = Phase::Closing;
        state.enqueue(stream::bye(why));
        state.wake();
        state.watched = Watched::default();
        drop(state);
        self.emptied.notify_waiters();
        true
    }

    /// The client is gone.
    pub(crate) fn leaves(&self) {
        let mut state = self.state();
        state.phase = Phase::Closing;
        state.queue = VecDeque::new();
        state.bytes = 0;
        drop(state);
        self.emptied.notify_waiters();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state().phase == Phase::Closing
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state().queue.is_empty()
    }

    /// Has it looked at with the next look.
    pub(crate) fn is_to_be_looked_at(&self) {
        self.state().is_urgent = true;
    }

    /// The state of its feed is to be told.
    pub(crate) fn feed_changed(&self) {
        self.state().is_state_due = true;
    }

    /// Whether it is time for a look: it was asked for, the last one is `period` ago, or the state
    /// of the feed changed, which is told at most once in `pause`. What asks for it during the look
    /// makes another one due.
    pub(crate) fn take_due(&self, now: Instant, period: Duration, pause: Duration) -> bool {
        let mut state = self.state();
        if !state.queue.is_empty() {
            // What was put in quietly has waited for company for long enough.
            state.wake();
        }
        let is_state_due = state.is_state_due && now.duration_since(state.told_at) >= pause;
        let is_due = state.phase != Phase::Closing
            && (state.is_urgent || is_state_due || now.duration_since(state.checked_at) >= period);
        if is_due {
            state.is_urgent = false;
            if is_state_due {
                state.is_state_due = false;
                state.told_at = now;
            }
        }
        is_due
    }

    /// When it ends however well it does, and when it was found to be in order.
    pub(crate) fn times(&self) -> (Instant, Instant) {
        let state = self.state();
        (state.ends_at, state.checked_at)
    }

    pub(crate) fn ends_at(&self, at: Instant) {
        self.state().ends_at = at;
    }

    /// It was looked at at `asked` and stands: only now a sign of life may be written.
    pub(crate) fn stands(
        &self,
        asked: Instant,
        sight: Sight,
        head: Head,
        beat: Duration,
        is_lane_sound: bool,
    ) -> Looked {
        let mut state = self.state();
        if state.phase == Phase::Closing {
            return Looked::Fine;
        }
        state.sight = sight;
        state.checked_at = asked;
        let mut fits = true;
        if asked.duration_since(state.beat_at) >= beat {
            state.beat_at = asked;
            fits &= state.push(stream::beat());
        }
        if state.phase == Phase::Reading {
            return if fits { Looked::Fine } else { Looked::Full };
        }
        let is_other = head.at.epoch != state.at.epoch;
        if !is_other && state.told != (head.at.seq, head.unread) {
            state.told = (head.at.seq, head.unread);
            fits &= state.push_quietly(stream::feed_state(head.at, head.unread));
        }
        // What was published a moment ago may still be on its way.
        let is_missing =
            state.seen_head > state.at.seq || (!is_lane_sound && head.at.seq > state.at.seq);
        state.seen_head = head.at.seq;
        if !fits {
            return Looked::Full;
        }
        if is_missing || is_other {
            state.wanted = state.wanted.max(head.at.seq);
            state.phase = Phase::Reading;
            return Looked::Behind;
        }
        Looked::Fine
    }

    /// Puts in the newest snapshot of a subject, in place of one that was not written yet.
    pub(crate) fn show(&self, subject: Subject, frame: Bytes) {
        let mut state = self.state();
        if state.phase != Phase::Closing && state.watched.put(subject, frame) {
            state.wake();
        }
    }

    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let state = self.state();
        // Who may see less than before sees no figures of it either.
        state.watched.subjects().filter(|subject| subject.is_within(&state.sight)).collect()
    }
}

impl State {
    fn append(&mut self, seq: i64, notice: &mut Written) -> Offered {
        let at = Cursor { seq, ..self.at };
        if !self.push(notice.frame(at)) {
            return Offered::Full;
        }
        self.at = at;
        Offered::Taken
    }

    fn push(&mut self, frame: Bytes) -> bool {
        let fits = self.push_quietly(frame);
        if fits {
            self.wake();
        }
        fits
    }

    /// It is written with what comes next, or by the next look: where much happens, it costs no write
    /// of its own.
    fn push_quietly(&mut self, frame: Bytes) -> bool {
        if self.queue.len() >= MOST_FRAMES || self.bytes + frame.len() > MOST_BYTES {
            return false;
        }
        self.enqueue(frame);
        true
    }

    fn enqueue(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.queue.push_back(frame);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let Some(first) = self.queue.pop_front() else { return self.watched.take() };
        self.bytes -= first.len();
        if self.queue.is_empty() {
            // An idle stream holds nothing.
            self.queue = VecDeque::new();
            return Some(first);
        }
        let mut together = BytesMut::from(first);
        while let Some(next) =
            self.queue.pop_front_if(|next| together.len() + next.len() <= TOGETHER)
        {
            self.bytes -= next.len();
            together.extend_from_slice(&next);
        }
        Some(together.freeze())
    }
}
