//! How a command gets its answer: in time, by a request of its own or a shared one, and sent again
//! only where that is safe.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::batch::{Outcome, Pending, Ticket, array};
use super::encode::{Encoded, Form};
use super::errors::{Access, Fault, from_text};
use super::reply::Answer;
use super::request::Requests;
use super::wire::{Parcel, Wire};
use crate::backoff::Backoff;
use crate::error::RedisError;

/// Longer commands do not share a request: their neighbours would wait for them.
const LONGEST_SHARED: usize = 64 * 1024;
/// Requests of their own that are under way at once.
const MOST_ALONE: usize = 64;
/// Attempts after the first.
const MOST_REPEATS: u32 = 2;
const FIRST_WAIT: std::time::Duration = std::time::Duration::from_millis(10);
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_millis(100);

/// What all methods of the provider share.
pub(super) struct Core {
    pub(super) wire: Arc<Wire>,
    pub(super) requests: Requests,
    pub(super) batch_bytes: usize,
    shared: mpsc::UnboundedSender<Pending>,
    alone: Semaphore,
}

/// A command is not sent once nobody waits for it.
struct WithdrawOnDrop(Arc<Ticket>);

impl Drop for WithdrawOnDrop {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

/// What one attempt sends: a command, or several that stay together.
pub(super) enum Load<'a> {
    One(&'a Encoded),
    /// In a pipeline of their own.
    Several(&'a [&'a Encoded]),
    /// In a transaction.
    Atomic(&'a [Encoded]),
}

impl Core {
    pub(super) fn new(
        wire: Arc<Wire>,
        requests: Requests,
        batch_bytes: usize,
        shared: mpsc::UnboundedSender<Pending>,
    ) -> Self {
        Self { wire, requests, batch_bytes, shared, alone: Semaphore::new(MOST_ALONE) }
    }

    /// When a call that begins now must be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.wire.command_timeout
    }

    /// Runs one command.
    pub(super) async fn call(&self, command: &Encoded) -> Result<Value, RedisError> {
        let outcome = self.call_until(self.deadline(), command).await;
        outcome.map_err(|fault| fault.into_error(command.access))
    }

    pub(super) async fn call_until(&self, deadline: Instant, command: &Encoded) -> Outcome {
        let mut answers = self.attempt_until(deadline, command.access, &Load::One(command)).await?;
        match answers.pop() {
            Some(Ok(value)) => Ok(value),
            Some(Err(text)) => Err(Fault::Refused(from_text(&text))),
            None => Err(Fault::Lost("no answer".to_owned())),
        }
    }

    /// Sends a load until there is an answer, as often as is safe and there is time.
    pub(super) async fn attempt_until(
        &self,
        deadline: Instant,
        access: Access,
        load: &Load<'_>,
    ) -> Result<Vec<Answer>, Fault> {
        let ticket = WithdrawOnDrop(Arc::default());
        let attempts = self.attempts(access, load, &ticket.0);
        match tokio::time::timeout_at(deadline, attempts).await {
            Ok(outcome) => outcome,
            Err(_) if ticket.0.withdraw() => {
                // Nothing was sent, but that it took too long is what the caller should know.
                Err(Fault::Refused(RedisError::Timeout { maybe_applied: false }))
            }
            Err(_) => Err(Fault::TimedOut),
        }
    }

    async fn attempts(
        &self,
        access: Access,
        load: &Load<'_>,
        ticket: &Arc<Ticket>,
    ) -> Result<Vec<Answer>, Fault> {
        let mut waits = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut repeats = 0;
        loop {
            let fault = match self.attempt(access, load, ticket).await {
                Err(fault) if repeats < MOST_REPEATS && fault.may_repeat(access) => fault,
                outcome => return outcome,
            };
            tracing::debug!(?fault, "trying again");
            ticket.reopen();
            repeats += 1;
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    async fn attempt(
        &self,
        access: Access,
        load: &Load<'_>,
        ticket: &Arc<Ticket>,
    ) -> Result<Vec<Answer>, Fault> {
        match load {
            Load::One(Encoded { form: Form::Json(command), weight, .. }) => {
                if command.len() <= LONGEST_SHARED {
                    return self.share(access, command, *weight, ticket).await;
                }
                let body = Bytes::copy_from_slice(command.as_bytes());
                self.alone(parcel("/", body, access, 1, *weight), ticket).await
            }
            Load::One(Encoded { form: Form::Raw { path, body }, weight, .. }) => {
                self.alone(parcel(path, body.clone(), access, 1, *weight), ticket).await
            }
            Load::Several(commands) => {
                let parcel = together("/pipeline", access, commands.iter().copied());
                self.alone(parcel, ticket).await
            }
            Load::Atomic(commands) => {
                self.alone(together("/multi-exec", access, commands.iter()), ticket).await
            }
        }
    }

    async fn alone(&self, parcel: Parcel, ticket: &Ticket) -> Result<Vec<Answer>, Fault> {
        let Ok(_permit) = self.alone.acquire().await else { return Err(closed()) };
        if !ticket.claim() {
            return Err(closed());
        }
        self.wire.exchange(parcel).await
    }

    async fn share(
        &self,
        access: Access,
        command: &str,
        weight: u64,
        ticket: &Arc<Ticket>,
    ) -> Result<Vec<Answer>, Fault> {
        let (outcome, answer) = oneshot::channel();
        let (command, ticket) = (command.to_owned(), Arc::clone(ticket));
        let pending = Pending { command, access, weight, ticket: Arc::clone(&ticket), outcome };
        if self.shared.send(pending).is_err() {
            return Err(closed());
        }
        match answer.await {
            Ok(outcome) => outcome.map(|value| vec![Ok(value)]),
            Err(_) if ticket.is_sent() => Err(Fault::Lost("the provider was closed".to_owned())),
            Err(_) => Err(closed()),
        }
    }
}

/// Waiting does not help, so it is not tried again.
fn closed() -> Fault {
    Fault::Refused(RedisError::Unavailable("the provider is closed".to_owned()))
}

fn parcel(path: &str, body: Bytes, access: Access, commands: usize, weight: u64) -> Parcel {
    Parcel { path: path.to_owned(), body, access, commands, weight }
}

fn together<'a>(
    path: &str,
    access: Access,
    commands: impl Iterator<Item = &'a Encoded> + Clone,
) -> Parcel {
    // Whoever puts commands together takes only those in this form.
    let texts = commands.clone().filter_map(|command| match &command.form {
        Form::Json(text) => Some(text.as_str()),
        Form::Raw { .. } => None,
    });
    let weight = commands.clone().map(|command| command.weight).sum();
    parcel(path, Bytes::from(array(texts)), access, commands.count(), weight)
}
