//! Explicit pipelines: one request where all is text, a few where something is not.
//!
//! A command with bytes that are not text needs a request of its own. If no two commands name the
//! same key, nobody can tell in which order they run, and all requests go at once; otherwise one
//! goes after the other, so that each command sees what those before it did.

use std::collections::HashSet;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::core::{Core, Load};
use super::document::Answer;
use super::encode::{Encoded, Form};
use super::errors::{Access, Fault, from_text};
use super::reply;
use crate::error::RedisError;
use crate::limits;
use crate::port::{Command, Reply};

/// The answer of a command that was not sent because one before it got none.
const NOT_SENT: &str = "not sent: an earlier part of the pipeline failed";

type Replies = Vec<Result<Reply, RedisError>>;

/// A command that can be sent, and its place in the pipeline.
struct Ready<'a> {
    place: usize,
    command: &'a Command,
    encoded: Encoded,
}

impl Core {
    pub(super) async fn pipeline(&self, commands: &[Command]) -> Result<Replies, RedisError> {
        limits::check_pipeline(commands)?;
        // What is refused here is not sent; its answer takes its place among the others.
        let mut replies: Replies = Vec::with_capacity(commands.len());
        let mut ready = Vec::with_capacity(commands.len());
        for (place, command) in commands.iter().enumerate() {
            let checked = limits::check_command(command);
            match checked.and_then(|()| self.requests.of_command(command)) {
                Ok(encoded) => {
                    ready.push(Ready { place, command, encoded });
                    // Replaced by the answer, or by the reason why it was not sent.
                    replies.push(Err(RedisError::Unavailable(NOT_SENT.to_owned())));
                }
                Err(error) => replies.push(Err(error)),
            }
        }
        let parts = divide(&ready, self.batch_bytes);
        let deadline = self.deadline();
        let outcomes = if parts.len() > 1 && keys_differ(&ready) {
            join_all(parts.iter().map(|part| self.send_part(deadline, part))).await
        } else {
            self.send_in_turn(deadline, &parts).await
        };
        if let Some(error) = common_failure(&parts, &outcomes) {
            return Err(error);
        }
        for (part, outcome) in parts.iter().zip(outcomes) {
            let mut outcome = outcome.map(Vec::into_iter);
            for one in *part {
                let answer = outcome.as_mut().map(Iterator::next).map_err(|fault| fault.clone());
                if let Some(reply) = replies.get_mut(one.place) {
                    *reply = understand(one, answer);
                }
            }
        }
        Ok(replies)
    }

    /// Ends at the first part that failed: what comes after it may rely on it.
    async fn send_in_turn(
        &self,
        deadline: Instant,
        parts: &[&[Ready<'_>]],
    ) -> Vec<Result<Vec<Answer>, Fault>> {
        let mut outcomes = Vec::with_capacity(parts.len());
        for part in parts {
            let outcome = self.send_part(deadline, part).await;
            let goes_on = outcome.is_ok() || is_own_refusal(part, &outcome);
            outcomes.push(outcome);
            if !goes_on {
                break;
            }
        }
        outcomes
    }

    async fn send_part(&self, deadline: Instant, part: &[Ready<'_>]) -> Result<Vec<Answer>, Fault> {
        let access = access(part);
        if let [only] = part {
            // Its error is an answer like that of one among many.
            return self
                .call_until(deadline, only.encoded.clone())
                .await
                .map(|value| vec![Ok(value)]);
        }
        let commands: Vec<&Encoded> = part.iter().map(|one| &one.encoded).collect();
        self.attempt_until(deadline, access, &Load::Several(&commands)).await
    }
}

fn access(part: &[Ready<'_>]) -> Access {
    let is_read = part.iter().all(|one| one.encoded.access == Access::Read);
    if is_read { Access::Read } else { Access::Write }
}

/// Runs of commands that can share a request, and commands that cannot.
fn divide<'a, 'b>(ready: &'b [Ready<'a>], most_bytes: usize) -> Vec<&'b [Ready<'a>]> {
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    let mut cut = |from: &mut usize, to: usize| {
        parts.extend(ready.get(*from..to).filter(|part| !part.is_empty()));
        *from = to;
    };
    for (index, one) in ready.iter().enumerate() {
        match &one.encoded.form {
            Form::Json(text) => {
                if bytes + text.len() > most_bytes {
                    cut(&mut start, index);
                    bytes = 0;
                }
                bytes += text.len();
            }
            Form::Raw { .. } => {
                cut(&mut start, index);
                cut(&mut start, index + 1);
                bytes = 0;
            }
        }
    }
    cut(&mut start, ready.len());
    parts
}

fn keys_differ(ready: &[Ready<'_>]) -> bool {
    let mut seen = HashSet::new();
    ready.iter().all(|one| match one.command {
        Command::Get(key)
        | Command::Set(key, ..)
        | Command::Delete(key)
        | Command::Expire(key, _) => seen.insert(key.as_str()),
        Command::Evaluate(_, keys, _) => keys.iter().all(|key| seen.insert(key.as_str())),
    })
}

/// A refusal of a single command is its own: those after it run as they would in one request.
fn is_own_refusal(part: &[Ready<'_>], outcome: &Result<Vec<Answer>, Fault>) -> bool {
    part.len() == 1 && matches!(outcome, Err(Fault::Refused(RedisError::Rejected(_))))
}

/// The error of the whole, where nothing was answered at all.
fn common_failure(
    parts: &[&[Ready<'_>]],
    outcomes: &[Result<Vec<Answer>, Fault>],
) -> Option<RedisError> {
    let mut failures = parts.iter().zip(outcomes).map(|(part, outcome)| match outcome {
        Err(_) if is_own_refusal(part, outcome) => None,
        Err(fault) => Some(fault.clone().into_error(access(part))),
        Ok(_) => None,
    });
    let first = failures.next()??;
    // One that may have been applied outweighs the others: it is the least that is known.
    failures.try_fold(first, |worst, next| {
        let next = next?;
        let is_unknown = matches!(next, RedisError::Timeout { maybe_applied: true });
        Some(if is_unknown { next } else { worst })
    })
}

fn understand(one: &Ready<'_>, answer: Result<Option<Answer>, Fault>) -> Result<Reply, RedisError> {
    match answer {
        Ok(Some(Ok(value))) => reply::of_command(one.command, value),
        Ok(Some(Err(text))) => Err(from_text(&text)),
        Ok(None) => Err(RedisError::Protocol("too few answers to a pipeline".to_owned())),
        Err(fault) => Err(fault.into_error(one.encoded.access)),
    }
}
