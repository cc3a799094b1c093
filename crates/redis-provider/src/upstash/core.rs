//! How a command gets its answer: in time, by a request of its own or a shared one, and sent again
//! only where that is safe.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::batch::{Outcome, Pending, Shared, Ticket, array};
use super::document::{Answer, Value};
use super::encode::{Encoded, Form};
use super::errors::{Access, Fault, from_text};

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
struct WithdrawOnDrop<'a>(&'a Ticket);

impl Drop for WithdrawOnDrop<'_> {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

/// What one attempt sends: a command, or several that stay together.
pub(super) enum Load<'a> {
    /// In a request of its own.
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
    pub(super) async fn call(&self, command: Encoded) -> Result<Value, RedisError> {
        let access = command.access;
        let outcome = self.call_until(self.deadline(), command).await;
        outcome.map_err(|fault| fault.into_error(access))
    }

    pub(super) async fn call_until(&self, deadline: Instant, command: Encoded) -> Outcome {
        let Encoded { form, access, weight } = command;
        let form = match form {
            Form::Json(text) if text.len() <= LONGEST_SHARED => {
                let shared = Arc::new(Shared { text, access, weight, ticket: Ticket::default() });
                let attempt = || self.share(&shared);
                return repeat_until(deadline, access, &shared.ticket, attempt).await;
            }
            other => other,
        };
        let command = Encoded { form, access, weight };
        let mut answers = self.attempt_until(deadline, access, &Load::One(&command)).await?;
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
        let ticket = Ticket::default();
        let attempt = || self.alone(load.parcel(access), &ticket);
        repeat_until(deadline, access, &ticket, attempt).await
    }

    async fn alone(&self, parcel: Parcel, ticket: &Ticket) -> Result<Vec<Answer>, Fault> {
        let Ok(_permit) = self.alone.acquire().await else { return Err(closed()) };
        if !ticket.claim() {
            return Err(closed());
        }
        self.wire.exchange(parcel).await
    }

    async fn share(&self, shared: &Arc<Shared>) -> Outcome {
        let (outcome, answer) = oneshot::channel();
        let pending = Pending { shared: Arc::clone(shared), outcome };
        if self.shared.send(pending).is_err() {
            return Err(closed());
        }
        match answer.await {
            Ok(outcome) => outcome,
            Err(_) if shared.ticket.is_sent() => {
                Err(Fault::Lost("the provider was closed".to_owned()))
            }
            Err(_) => Err(closed()),
        }
    }
}

/// Attempts until there is an answer, as often as is safe and there is time.
async fn repeat_until<T, F>(
    deadline: Instant,
    access: Access,
    ticket: &Ticket,
    attempt: impl Fn() -> F,
) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let guard = WithdrawOnDrop(ticket);
    let attempts = async {
        let mut waits = None;
        let mut repeats = 0;
        loop {
            let fault = match attempt().await {
                Err(fault) if repeats < MOST_REPEATS && fault.may_repeat(access) => fault,
                outcome => return outcome,
            };
            tracing::debug!(?fault, "trying again");
            ticket.reopen();
            repeats += 1;
            let waits = waits.get_or_insert_with(|| Backoff::new(FIRST_WAIT, LONGEST_WAIT));
            tokio::time::sleep(waits.next_wait()).await;
        }
    };
    match tokio::time::timeout_at(deadline, attempts).await {
        Ok(outcome) => outcome,
        Err(_) if guard.0.withdraw() => {
            // Nothing was sent, but that it took too long is what the caller should know.
            Err(Fault::Refused(RedisError::Timeout { maybe_applied: false }))
        }
        Err(_) => Err(Fault::TimedOut),
    }
}

impl Load<'_> {
    fn parcel(&self, access: Access) -> Parcel {
        match self {
            Self::One(Encoded { form: Form::Json(command), weight, .. }) => {
                let body = Bytes::copy_from_slice(command.as_bytes());
                parcel("/", body, access, 1, *weight)
            }
            Self::One(Encoded { form: Form::Raw { path, body }, weight, .. }) => {
                parcel(path, body.clone(), access, 1, *weight)
            }
            Self::Several(commands) => together("/pipeline", access, commands.iter().copied()),
            Self::Atomic(commands) => together("/multi-exec", access, commands.iter()),
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
