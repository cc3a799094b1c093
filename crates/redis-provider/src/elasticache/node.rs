//! A node: one or more connections to the same server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, FredResult};
use fred::types::{CustomCommand, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::errors::{self, Access, Failure};
use super::link::{Link, Place, Sender, Signals};
use super::request::Request;
use super::settings::{Address, Plan};
use crate::error::RedisError;

/// How long the connections of a node that left the cluster are kept for calls on their way.
const FAREWELL: Duration = Duration::from_secs(2);

/// A server and the connections to it, which calls use in turn.
pub(super) struct Node {
    place: Arc<Place>,
    links: Vec<Arc<Link>>,
    next: AtomicUsize,
    stop: CancellationToken,
}

/// What a node needs to come into being.
#[derive(Clone)]
pub(super) struct Nursery {
    pub(super) plan: Arc<Plan>,
    pub(super) signals: Arc<Signals>,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Nursery {
    /// A node with its connections, which are being made.
    pub(super) fn raise(
        &self,
        address: Address,
        mode: &'static str,
        is_primary: bool,
    ) -> Arc<Node> {
        let is_primary = AtomicBool::new(is_primary);
        let place = Arc::new(Place { address, mode, is_primary });
        let stop = self.stop.child_token();
        let links = (0..self.plan.connections).map(|_| {
            let (plan, signals) = (Arc::clone(&self.plan), Arc::clone(&self.signals));
            let link = Arc::new(Link::new(plan, Arc::clone(&place), signals));
            let (kept, token) = (Arc::clone(&link), stop.clone());
            self.tracker.spawn(async move { kept.keep_up(token).await });
            link
        });
        let links = links.collect();
        Arc::new(Node { place, links, next: AtomicUsize::new(0), stop })
    }

    /// Closes the connections of a node that left, after a while.
    pub(super) fn retire(&self, node: &Arc<Node>) {
        tracing::info!(address = %node.address(), "a Redis node left the cluster");
        let node = Arc::clone(node);
        self.tracker.spawn(async move {
            let _stopped = tokio::time::timeout(FAREWELL, node.stop.cancelled()).await;
            node.stop.cancel();
        });
    }
}

impl Node {
    pub(super) fn address(&self) -> &Address {
        &self.place.address
    }

    pub(super) fn set_primary(&self, is_primary: bool) {
        self.place.is_primary.store(is_primary, Ordering::SeqCst);
    }

    pub(super) fn is_usable(&self) -> bool {
        self.links.iter().any(|link| link.is_usable())
    }

    /// Waits until each connection was tried for the first time.
    pub(super) async fn wait_until_tried(&self) {
        for link in &self.links {
            link.wait_until_tried().await;
        }
    }

    /// The next connection that stands, or why none does.
    fn connection(&self) -> Result<(&Link, Sender), RedisError> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut refusal = None;
        for offset in 0..self.links.len() {
            let at = first.wrapping_add(offset) % self.links.len();
            let Some(link) = self.links.get(at) else { continue };
            match link.sender() {
                Ok(sender) => return Ok((link, sender)),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| RedisError::Unavailable("no connection".to_owned())))
    }

    /// Runs one call over a connection.
    pub(super) async fn call<T, F>(
        &self,
        access: Access,
        deadline: Instant,
        call: impl FnOnce(Sender) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = FredResult<T>>,
    {
        let (link, sender) = self.connection()?;
        let answer = link.run(deadline, call(sender)).await;
        answer.map_err(|error| link.understand(&error, access))
    }

    /// Sends one command.
    pub(super) async fn send(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let (link, sender) = self.connection()?;
        let answer = link.run(deadline, request.send(&sender)).await;
        answer.map_err(|error| link.understand(&error, request.access()))
    }

    /// Sends commands in one round trip and answers each; with `is_asking`, each is allowed to
    /// touch a slot that is on its way to this node.
    pub(super) async fn send_all(
        &self,
        requests: &[Request<'_>],
        is_asking: bool,
        deadline: Instant,
    ) -> Vec<Result<Value, Failure>> {
        let to_each = |error: &RedisError| {
            requests.iter().map(|_| Err(Failure::Error(error.clone()))).collect()
        };
        let (link, sender) = match self.connection() {
            Ok(connection) => connection,
            Err(error) => return to_each(&error),
        };
        // A failure of the whole is understood for each command apart: reads changed nothing.
        match link.run(deadline, pipeline(&sender, requests, is_asking)).await {
            Err(error) => requests
                .iter()
                .map(|request| Err(link.understand(&error, request.access())))
                .collect(),
            Ok(answers) => answers
                .into_iter()
                .zip(requests)
                .map(|(answer, request)| {
                    answer.map_err(|error| link.understand(&error, request.access()))
                })
                .collect(),
        }
    }
}

/// One answer for each request, or a failure of the whole, which comes from the library as a
/// single answer.
async fn pipeline(
    sender: &Sender,
    requests: &[Request<'_>],
    is_asking: bool,
) -> FredResult<Vec<FredResult<Value>>> {
    let pipeline = sender.pipeline().with_options(sender.options());
    for request in requests {
        if is_asking {
            let asking = CustomCommand::new_static("ASKING", None, false);
            Box::pin(pipeline.custom::<(), Value>(asking, Vec::new())).await?;
        }
        request.send(&pipeline).await?;
    }
    let expected = if is_asking { requests.len() * 2 } else { requests.len() };
    // Boxed for its size, as the commands are.
    let mut answers = Box::pin(pipeline.try_all::<Value>()).await;
    let is_whole = answers.len() == expected;
    match answers.pop() {
        Some(Err(error)) if !is_whole || !errors::is_reply(&error) => Err(error),
        Some(last) if is_whole => {
            answers.push(last);
            Ok(if is_asking { without_asking(answers) } else { answers })
        }
        _ if requests.is_empty() => Ok(Vec::new()),
        _ => Err(Error::new(ErrorKind::Protocol, "too few answers to a pipeline")),
    }
}

/// From pairs of answers the second ones; where asking itself was refused, that is the answer.
fn without_asking(answers: Vec<FredResult<Value>>) -> Vec<FredResult<Value>> {
    let mut answers = answers.into_iter();
    std::iter::from_fn(|| {
        let (asked, answer) = (answers.next()?, answers.next()?);
        Some(asked.and(answer))
    })
    .collect()
}
