//! Commands of concurrent callers share requests.
//!
//! One task collects them. What finds nothing under way is sent at once, so that a lone caller
//! waits for nobody; otherwise commands wait for a request to come back, or for the window to
//! close, or until they are enough for a request. The busier the service, the larger the batches.
//!
//! A batch that is ample for a request does not wait for the one under way, so that both sides have
//! something to do at once.
//!
//! Those whose answers came in one batch tend to ask the next question at once, but they run one
//! after the other. As long as they keep coming the task lets them, so that they stay together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::document::Value;
use super::errors::{Access, Fault, from_text};
use super::wire::{Parcel, Wire};

/// Requests under way at once.
const MOST_FLIGHTS: usize = 8;
/// With so many commands the cost of a request itself weighs little for each: they are not kept
/// waiting for more.
const AMPLE: usize = 64;
/// Nobody came for this long: nobody else is about to. Far below a tick of the runtime's clock, so
/// it is waited for by giving way to whoever can run.
const LULL: Duration = Duration::from_micros(20);

const WAITING: u8 = 0;
const SENT: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Where a command is; its caller and whoever sends it agree by this alone.
#[derive(Debug, Default)]
pub(super) struct Ticket(AtomicU8);

impl Ticket {
    /// Takes the command to send it; `false` if its caller has gone.
    pub(super) fn claim(&self) -> bool {
        self.change(WAITING, SENT)
    }

    /// Takes the command back; `false` if it may have been sent.
    pub(super) fn withdraw(&self) -> bool {
        self.change(WAITING, WITHDRAWN)
    }

    /// Another attempt may be made: this one did not leave, or changes nothing.
    pub(super) fn reopen(&self) {
        self.change(SENT, WAITING);
    }

    pub(super) fn is_sent(&self) -> bool {
        self.0.load(Ordering::Acquire) == SENT
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

pub(super) type Outcome = Result<Value, Fault>;

/// A command that may share a request, held by its caller and by whoever sends it.
pub(super) struct Shared {
    pub(super) text: String,
    pub(super) access: Access,
    pub(super) weight: u64,
    pub(super) ticket: Ticket,
}

/// A command that waits to be sent.
pub(super) struct Pending {
    pub(super) shared: Arc<Shared>,
    pub(super) outcome: oneshot::Sender<Outcome>,
}

/// When a batch is full, and how long it waits to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) window: Duration,
    pub(super) commands: usize,
    pub(super) bytes: usize,
}

pub(super) struct Batcher {
    wire: Arc<Wire>,
    limits: Limits,
    inbox: mpsc::UnboundedReceiver<Pending>,
    queue: VecDeque<Pending>,
    bytes: usize,
    /// Since when the first in the queue has been waiting.
    since: Instant,
    /// Each answers how many commands it carried.
    flights: JoinSet<usize>,
}

impl Batcher {
    pub(super) fn new(
        wire: Arc<Wire>,
        limits: Limits,
        inbox: mpsc::UnboundedReceiver<Pending>,
    ) -> Self {
        Self {
            wire,
            limits,
            inbox,
            queue: VecDeque::new(),
            bytes: 0,
            since: Instant::now(),
            flights: JoinSet::new(),
        }
    }

    /// Runs until it is dropped or nobody can send commands any more.
    pub(super) async fn run(mut self) {
        loop {
            self.fill();
            while self.is_due() {
                self.send();
            }
            let window_closes = self.since + self.limits.window;
            let waits = !self.queue.is_empty() && self.flights.len() < MOST_FLIGHTS;
            tokio::select! {
                pending = self.inbox.recv() => {
                    let Some(pending) = pending else { return };
                    self.push(pending);
                    if self.flights.is_empty() {
                        self.gather(1).await;
                    }
                }
                Some(landed) = self.flights.join_next() => {
                    self.gather(landed.unwrap_or_default()).await;
                }
                () = tokio::time::sleep_until(window_closes), if waits => {}
            }
        }
    }

    /// Lets those run who are about to have a command, until so many have come or no more come.
    async fn gather(&mut self, expected: usize) {
        let mut last_came = std::time::Instant::now();
        let give_up = last_came + self.limits.window;
        loop {
            tokio::task::yield_now().await;
            let before = self.queue.len();
            self.fill();
            let now = std::time::Instant::now();
            if self.queue.len() > before {
                last_came = now;
            }
            if self.queue.len() >= expected.min(AMPLE) || now >= give_up || now - last_came >= LULL
            {
                return;
            }
        }
    }

    fn fill(&mut self) {
        while let Ok(pending) = self.inbox.try_recv() {
            self.push(pending);
        }
    }

    fn push(&mut self, pending: Pending) {
        if self.queue.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += pending.shared.text.len();
        self.queue.push_back(pending);
    }

    fn is_due(&self) -> bool {
        let enough = self.limits.commands.min(AMPLE);
        let is_full = self.queue.len() >= enough || self.bytes >= self.limits.bytes;
        !self.queue.is_empty()
            && self.flights.len() < MOST_FLIGHTS
            && (is_full || self.flights.is_empty() || self.since.elapsed() >= self.limits.window)
    }

    fn send(&mut self) {
        let mut batch = Vec::with_capacity(self.queue.len().min(self.limits.commands));
        let mut bytes = 0;
        while let Some(next) = self.queue.front() {
            let length = next.shared.text.len();
            let is_full = batch.len() >= self.limits.commands || bytes + length > self.limits.bytes;
            if is_full && !batch.is_empty() {
                break;
            }
            let Some(next) = self.queue.pop_front() else { break };
            self.bytes -= length;
            if next.shared.ticket.claim() {
                bytes += length;
                batch.push(next);
            }
        }
        // What is left over has waited as long as its neighbours; it is not kept waiting twice.
        if !batch.is_empty() {
            let wire = Arc::clone(&self.wire);
            self.flights.spawn(async move {
                let commands = batch.len();
                fly(&wire, batch).await;
                commands
            });
        }
    }
}

/// Sends a batch and hands out what each command came to.
async fn fly(wire: &Wire, batch: Vec<Pending>) {
    let is_read = batch.iter().all(|pending| pending.shared.access == Access::Read);
    let path = if batch.len() == 1 { "/" } else { "/pipeline" };
    let text = join(batch.iter().map(|pending| pending.shared.text.as_str()));
    let parcel = Parcel {
        path: path.to_owned(),
        body: Bytes::from(text),
        access: if is_read { Access::Read } else { Access::Write },
        commands: batch.len(),
        weight: batch.iter().map(|pending| pending.shared.weight).sum(),
    };
    match wire.exchange(parcel).await {
        Ok(answers) => {
            for (pending, answer) in batch.into_iter().zip(answers) {
                let outcome = answer.map_err(|text| Fault::Refused(from_text(&text)));
                // An error means that the caller has gone.
                let _gone = pending.outcome.send(outcome);
            }
        }
        Err(fault) => {
            for pending in batch {
                let _gone = pending.outcome.send(Err(fault.clone()));
            }
        }
    }
}

/// A single command stands alone, several are an array of arrays.
fn join<'a>(mut commands: impl ExactSizeIterator<Item = &'a str> + Clone) -> String {
    if commands.len() == 1 {
        return commands.next().unwrap_or_default().to_owned();
    }
    array(commands)
}

/// Encoded commands as the body of a pipeline or a transaction.
pub(super) fn array<'a>(commands: impl Iterator<Item = &'a str> + Clone) -> String {
    let length = commands.clone().map(|command| command.len() + 1).sum::<usize>();
    let mut text = String::with_capacity(length + 2);
    text.push('[');
    for (index, command) in commands.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(command);
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_sent_or_withdrawn_and_never_both() {
        let ticket = Ticket::default();
        assert!(ticket.withdraw());
        assert!(!ticket.claim(), "its caller has gone");
        let ticket = Ticket::default();
        assert!(ticket.claim() && ticket.is_sent());
        assert!(!ticket.withdraw(), "it may have been sent");
        ticket.reopen();
        assert!(ticket.withdraw());
        ticket.reopen();
        assert!(!ticket.claim(), "what was withdrawn does not come back");
    }

    #[test]
    fn commands_are_joined_to_one_document() {
        assert_eq!(array([].into_iter()), "[]");
        assert_eq!(array(["[\"PING\"]"].into_iter()), "[[\"PING\"]]");
        assert_eq!(array(["[\"A\"]", "[\"B\"]"].into_iter()), "[[\"A\"],[\"B\"]]");
        assert_eq!(join(["[\"PING\"]"].into_iter()), "[\"PING\"]");
    }
}
