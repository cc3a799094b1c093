//! Sends commands where they belong and follows redirections.
//!
//! A command that was redirected was not executed, so sending it elsewhere does not send it twice,
//! whatever it does. Nothing else is ever sent again.

use std::sync::Arc;
use std::time::Duration;

use fred::types::Value;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::errors::Failure;
use super::node::Node;
use super::request::Request;
use super::router::Router;
use crate::error::RedisError;

/// Redirections that one command follows.
const MOST_HOPS: usize = 5;
/// How long nodes may take to hear of each other's news.
const MOMENT: Duration = Duration::from_millis(10);

/// Where a command goes next.
#[derive(Clone)]
struct Target {
    node: Arc<Node>,
    is_asking: bool,
    wait: Wait,
}

/// What to wait for before a command is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Nothing,
    /// A node that was heard of only now may still be connecting.
    Connection,
    /// And a moment: nodes that have not heard of each other's news yet send a command to and fro,
    /// and to follow at once would only use up its attempts.
    Moment,
}

/// What becomes of a command after an answer.
enum Next {
    Done(Result<Value, RedisError>),
    To(Target),
    /// Neither of two nodes has all of its keys now.
    Apart,
}

impl Router {
    /// Runs one command by the call's deadline.
    pub(super) async fn run(&self, request: Request<'_>) -> Result<Value, RedisError> {
        let deadline = Instant::now() + self.plan().command_timeout;
        let node = self.owner(request.slot())?;
        let answer = node.send(request, deadline).await;
        let mut target = Target { node, is_asking: false, wait: Wait::Nothing };
        let mut next = self.next(&request, answer, target);
        for _ in 0..MOST_HOPS {
            target = match next {
                Next::Done(answer) => return answer,
                Next::Apart => return Box::pin(self.run_apart(request)).await,
                Next::To(target) => target,
            };
            // It happens rarely; no other call should carry its state along.
            let mut answers = Box::pin(target.send(&[request], deadline)).await;
            let missing = || Err(too_few().into());
            next = self.next(&request, answers.pop().unwrap_or_else(missing), target);
        }
        match next {
            Next::Done(answer) => answer,
            Next::Apart => Box::pin(self.run_apart(request)).await,
            Next::To(_) => Err(too_many_hops()),
        }
    }

    /// Runs a command over several keys as one for each; answers as that command does.
    async fn run_apart(&self, request: Request<'_>) -> Result<Value, RedisError> {
        let requests = request.apart().unwrap_or_default();
        let answers = self.run_all(&requests).await;
        answers.into_iter().collect::<Result<_, _>>().map(Value::Array)
    }

    /// Runs commands, each answered for itself: one round trip to each of the nodes concerned, at
    /// the same time. Commands for the same key stay in order.
    pub(super) async fn run_all(&self, requests: &[Request<'_>]) -> Vec<Result<Value, RedisError>> {
        let deadline = Instant::now() + self.plan().command_timeout;
        let mut answers: Vec<Option<Result<Value, RedisError>>> = vec![None; requests.len()];
        let mut batches = Batches::default();
        for (position, (request, answer)) in requests.iter().zip(&mut answers).enumerate() {
            match self.owner(request.slot()) {
                Ok(node) => {
                    let target = Target { node, is_asking: false, wait: Wait::Nothing };
                    batches.add(target, position, *request);
                }
                Err(error) => *answer = Some(Err(error)),
            }
        }
        for _ in 0..=MOST_HOPS {
            if batches.0.is_empty() {
                break;
            }
            batches = self.round(batches, deadline, &mut answers).await;
        }
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(too_many_hops()))).collect()
    }

    /// Sends batches; answers those of the commands that were redirected.
    async fn round<'a>(
        &self,
        batches: Batches<'a>,
        deadline: Instant,
        answers: &mut [Option<Result<Value, RedisError>>],
    ) -> Batches<'a> {
        let sending = batches.0.iter().map(|batch| batch.target.send(&batch.requests, deadline));
        let sent = join_all(sending).await;
        let mut redirected: Vec<(usize, Request<'a>, Target)> = Vec::new();
        for (batch, mut given) in batches.0.into_iter().zip(sent) {
            given.resize_with(batch.requests.len(), || Err(too_few().into()));
            let commands = batch.positions.into_iter().zip(batch.requests);
            for ((position, request), answer) in commands.zip(given) {
                let answer = match self.next(&request, answer, batch.target.clone()) {
                    Next::Done(answer) => answer,
                    Next::Apart => Box::pin(self.run_apart(request)).await,
                    Next::To(target) => {
                        redirected.push((position, request, target));
                        continue;
                    }
                };
                if let Some(place) = answers.get_mut(position) {
                    *place = Some(answer);
                }
            }
        }
        redirected.sort_unstable_by_key(|(position, _, _)| *position);
        let mut batches = Batches::default();
        for (position, request, target) in redirected {
            batches.add(target, position, request);
        }
        batches
    }

    fn next(&self, request: &Request<'_>, answer: Result<Value, Failure>, from: Target) -> Next {
        let wait = if from.wait == Wait::Nothing { Wait::Connection } else { Wait::Moment };
        let to = |node, is_asking| Next::To(Target { node, is_asking, wait });
        match answer {
            Ok(value) => Next::Done(Ok(value)),
            Err(Failure::Error(error)) => Next::Done(Err(error)),
            Err(Failure::Moved(redirect)) => to(self.moved(&redirect, &from.node), false),
            Err(Failure::Ask(redirect)) => to(self.asked(&redirect, &from.node), true),
            Err(Failure::TryAgain) if matches!(request, Request::GetTogether(_)) => Next::Apart,
            Err(Failure::TryAgain) => Next::To(Target { wait: Wait::Moment, ..from }),
        }
    }
}

impl Target {
    async fn send(
        &self,
        requests: &[Request<'_>],
        deadline: Instant,
    ) -> Vec<Result<Value, Failure>> {
        if tokio::time::timeout_at(deadline, self.wait()).await.is_err() {
            let late = RedisError::Unavailable("redirected, and out of time".to_owned());
            return requests.iter().map(|_| Err(late.clone().into())).collect();
        }
        self.node.send_all(requests, self.is_asking, deadline).await
    }

    async fn wait(&self) {
        if self.wait != Wait::Nothing {
            self.node.wait_until_tried().await;
        }
        if self.wait == Wait::Moment {
            tokio::time::sleep(MOMENT).await;
        }
    }
}

/// Commands that go to the same node in the same way.
struct Batch<'a> {
    target: Target,
    positions: Vec<usize>,
    requests: Vec<Request<'a>>,
}

#[derive(Default)]
struct Batches<'a>(Vec<Batch<'a>>);

impl<'a> Batches<'a> {
    fn add(&mut self, target: Target, position: usize, request: Request<'a>) {
        let same = self.0.iter_mut().find(|batch| {
            Arc::ptr_eq(&batch.target.node, &target.node)
                && batch.target.is_asking == target.is_asking
        });
        if let Some(batch) = same {
            batch.positions.push(position);
            batch.requests.push(request);
        } else {
            self.0.push(Batch { target, positions: vec![position], requests: vec![request] });
        }
    }
}

fn too_few() -> RedisError {
    RedisError::Protocol("too few answers to a pipeline".to_owned())
}

fn too_many_hops() -> RedisError {
    RedisError::Unavailable("the nodes send the command from one to the other".to_owned())
}
