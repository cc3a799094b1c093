//! One connection to one node, which calls share, kept up by one task.
//!
//! The client library can reconnect by itself, but then a half-open connection may go unnoticed
//! and a fatal error ends it for good. Here a client is used for the life of one connection; when
//! that ends, or answers nothing for too long, the task makes the next one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::config::{Options, Server};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, connect_client, renew, say_goodbye};
use super::errors::{Access, Failure, is_reply, is_wrong_server};
use super::pulse::Pulse;
use super::settings::{Address, Plan};
use crate::backoff::Backoff;
use crate::error::RedisError;

/// How often an idle connection is asked whether it is there, and one that fell silent.
const HEARTBEAT: Duration = Duration::from_secs(1);
const QUICK_HEARTBEAT: Duration = Duration::from_millis(100);
/// A connection that answers nothing for this long is given up.
const SILENCE_LIMIT: Duration = Duration::from_secs(3);
/// A connection that held this long was a good one: the next wait is short again.
const GOOD_LIFE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// Short, because the client library ends a connection at each `CLUSTERDOWN`: this is how late a
/// cluster that is well again may be noticed.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// A call that is given up by its caller before this says nothing about the connection.
const PATIENCE: Duration = Duration::from_millis(150);

/// A client whose commands are sent once, and only while it is connected.
pub(super) type Sender = WithOptions<Client>;

/// What links tell everybody else.
#[derive(Debug, Default)]
pub(super) struct Signals {
    interruptions: AtomicU64,
    doubt: Notify,
    unheard: watch::Sender<Option<u16>>,
}

impl Signals {
    /// Acknowledged writes may have been lost. To be called before anything is answered from the
    /// state without them.
    pub(super) fn interrupt(&self) {
        self.interruptions.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn interruptions(&self) -> u64 {
        self.interruptions.load(Ordering::SeqCst)
    }

    /// The map of the cluster may be out of date.
    pub(super) fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// A message to a topic of this slot reached nobody.
    pub(super) fn note_unheard(&self, slot: u16) {
        self.unheard.send_replace(Some(slot));
    }

    pub(super) fn unheard(&self) -> watch::Receiver<Option<u16>> {
        self.unheard.subscribe()
    }

    pub(super) async fn doubted(&self) {
        self.doubt.notified().await;
    }
}

/// Where a node is and what it is at the moment.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) address: Address,
    /// `single` or `cluster`, for the log.
    pub(super) mode: &'static str,
    pub(super) is_primary: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Untried,
    Up,
    Down,
}

pub(super) struct Link {
    plan: Arc<Plan>,
    place: Arc<Place>,
    signals: Arc<Signals>,
    current: RwLock<Option<Sender>>,
    last_error: Mutex<Option<String>>,
    pulse: Pulse,
    wrong_server: Notify,
    state: watch::Sender<State>,
}

impl Link {
    pub(super) fn new(plan: Arc<Plan>, place: Arc<Place>, signals: Arc<Signals>) -> Self {
        Self {
            plan,
            place,
            signals,
            current: RwLock::new(None),
            last_error: Mutex::new(None),
            pulse: Pulse::new(),
            wrong_server: Notify::new(),
            state: watch::Sender::new(State::Untried),
        }
    }

    /// Waits for the end of the first attempt to connect.
    pub(super) async fn wait_until_tried(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this does.
        let _state = state.wait_for(|state| *state != State::Untried).await;
    }

    /// Whether it is connected and answers, as far as is known.
    pub(super) fn is_usable(&self) -> bool {
        *self.state.borrow() == State::Up && !self.pulse.is_silent()
    }

    /// The client to send by, or why there is none.
    pub(super) fn sender(&self) -> Result<Sender, RedisError> {
        if self.pulse.is_silent() {
            return Err(RedisError::Unavailable("the node does not answer".to_owned()));
        }
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().ok_or_else(|| {
            let error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
            RedisError::Unavailable(error.clone().unwrap_or_else(|| "not connected".to_owned()))
        })
    }

    /// Runs one call by its deadline, and takes note of whether there was an answer.
    pub(super) async fn run<T>(
        &self,
        deadline: Instant,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut waiting = Waiting { link: self, since: Instant::now(), is_over: false };
        let Ok(answer) = tokio::time::timeout_at(deadline, call).await else {
            return Err(Error::new(ErrorKind::Timeout, "no answer in time"));
        };
        waiting.is_over = !matches!(&answer, Err(error) if *error.kind() == ErrorKind::Timeout);
        if answer.is_ok() {
            self.pulse.note_answer();
        }
        answer
    }

    /// Gives the error of a command its meaning.
    pub(super) fn understand(&self, error: &Error, access: Access) -> Failure {
        if is_reply(error) {
            self.pulse.note_answer();
        }
        if is_wrong_server(error) {
            self.wrong_server.notify_one();
            self.signals.doubt();
        }
        Failure::from_client(error, access)
    }

    /// Keeps a connection until stopped.
    pub(super) async fn keep_up(&self, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut was_up = false;
        loop {
            let server = Server::new(&*self.place.address.host, self.place.address.port);
            let attempt = connect_client(&self.plan, server);
            match stop.run_until_cancelled(attempt).await {
                None => return,
                Some(Err(error)) => self.note_failure(&error),
                Some(Ok(connection)) => {
                    let since = Instant::now();
                    self.publish(&connection.client, was_up);
                    was_up = true;
                    self.use_until_lost(connection, &stop).await;
                    if since.elapsed() > GOOD_LIFE {
                        backoff.reset();
                    }
                }
            }
            let wait = tokio::time::sleep(backoff.next_wait());
            if stop.run_until_cancelled(wait).await.is_none() {
                return;
            }
        }
    }

    fn publish(&self, client: &Client, was_up: bool) {
        if was_up && self.place.is_primary.load(Ordering::SeqCst) {
            self.signals.interrupt();
        }
        let options = Options {
            max_attempts: Some(1),
            // None: each call has its deadline here, and a second timer costs as much as the first.
            timeout: Some(Duration::ZERO),
            fail_fast: true,
            ..Options::default()
        };
        self.pulse.note_answer();
        self.set_current(Some(client.with_options(&options)));
        let (address, mode) = (&self.place.address, self.place.mode);
        let tls = self.plan.tls.is_some();
        if was_up {
            tracing::info!(%address, tls, mode, "reconnected to Redis");
            // It may have come back as something else.
            self.signals.doubt();
        } else {
            tracing::info!(%address, tls, mode, "connected to Redis");
        }
    }

    async fn use_until_lost(&self, connection: Connection<Client>, stop: &CancellationToken) {
        let Connection { client, mut running, renew_after } = connection;
        let reason = tokio::select! {
            () = stop.cancelled() => None,
            ended = &mut running => Some(match ended {
                Ok(Err(error)) => error.to_string(),
                Ok(Ok(())) | Err(_) => "the connection ended".to_owned(),
            }),
            () = self.wrong_server.notified() => Some("the server became a replica".to_owned()),
            () = self.listen_for_silence(&client) => Some("the server does not answer".to_owned()),
            () = renew(&client, &self.plan, renew_after) => None,
        };
        self.set_current(None);
        let address = &self.place.address;
        match reason {
            None => {
                tracing::info!(%address, "disconnected from Redis");
                say_goodbye(&client).await;
            }
            Some(reason) => {
                tracing::warn!(%address, reason, "disconnected from Redis");
                *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                self.signals.doubt();
            }
        }
    }

    /// Asks whether the server is there, now and then and whenever calls had no answer. Ends when
    /// nothing was answered for too long.
    async fn listen_for_silence(&self, client: &Client) {
        loop {
            let mut limit = HEARTBEAT;
            if self.pulse.is_silent() {
                tokio::time::sleep(QUICK_HEARTBEAT).await;
            } else if tokio::time::timeout(HEARTBEAT, self.pulse.suspected()).await.is_ok() {
                limit = QUICK_HEARTBEAT;
            }
            let is_answered = match tokio::time::timeout(limit, client.ping::<()>(None)).await {
                Ok(Ok(())) => true,
                Ok(Err(error)) => is_reply(&error),
                Err(_) => false,
            };
            if is_answered {
                self.pulse.note_answer();
                continue;
            }
            if self.pulse.fall_silent() {
                let address = &self.place.address;
                tracing::warn!(%address, "a Redis node does not answer; its calls fail at once");
                self.signals.doubt();
            }
            if self.pulse.silence() > SILENCE_LIMIT {
                return;
            }
        }
    }

    fn set_current(&self, sender: Option<Sender>) {
        let state = if sender.is_some() { State::Up } else { State::Down };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = sender;
        self.state.send_replace(state);
    }

    /// Repeated attempts mostly fail for the same reason; it is logged once.
    fn note_failure(&self, error: &Error) {
        let reason = error.to_string();
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() != Some(&reason) {
            tracing::warn!(address = %self.place.address, reason, "cannot connect to Redis");
        }
        *last = Some(reason);
        drop(last);
        self.state.send_replace(State::Down);
    }
}

/// A call on its way. Callers have limits of their own and may give it up, so that it has no
/// answer is noticed where it is dropped.
struct Waiting<'a> {
    link: &'a Link,
    since: Instant,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let patience = PATIENCE.min(self.link.plan.command_timeout / 2);
        if !self.is_over && self.since.elapsed() >= patience {
            self.link.pulse.note_unanswered(self.since);
        }
    }
}
