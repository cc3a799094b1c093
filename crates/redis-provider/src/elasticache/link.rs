//! The connection that calls share, kept up by one task.
//!
//! The client library can reconnect by itself, but then a half-open connection may go unnoticed
//! and a fatal error ends it for good. Here a client is used for the life of one connection; when
//! that ends, or answers nothing for too long, the task makes the next one.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use fred::clients::{Client, WithOptions};
use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::ConnectHandle;
use fred::types::config::Options;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::credentials::CredentialError;
use super::errors::{Access, from_client, is_wrong_server};
use super::settings::Plan;
use crate::backoff::Backoff;
use crate::error::RedisError;

/// How often an idle connection is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A connection that answers nothing for this long is given up.
const SILENCE_LIMIT: Duration = Duration::from_secs(3);
/// A connection that held this long was a good one: the next wait is short again.
const GOOD_LIFE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Added to the library's own time limit before the call is given up without it.
const GRACE: Duration = Duration::from_millis(50);
/// The longest that saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// A client whose commands are sent once, and only while it is connected.
pub(super) type Sender = WithOptions<Client>;

pub(super) struct Link {
    plan: Plan,
    current: RwLock<Option<Sender>>,
    last_error: Mutex<Option<String>>,
    last_answer: Mutex<Instant>,
    doubt: Notify,
    is_up: watch::Sender<bool>,
}

impl Link {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            current: RwLock::new(None),
            last_error: Mutex::new(None),
            last_answer: Mutex::new(Instant::now()),
            doubt: Notify::new(),
            is_up: watch::Sender::new(false),
        }
    }

    pub(super) const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Waits for the first connection, but no longer than one attempt may take.
    pub(super) async fn wait_until_up(&self) {
        let mut is_up = self.is_up.subscribe();
        let limit = self.plan.connect_timeout;
        // Not to be connected yet is no error: calls say so while it lasts.
        let _up_or_not = tokio::time::timeout(limit, is_up.wait_for(|is_up| *is_up)).await;
    }

    /// The client to send by, or why there is none.
    pub(super) fn sender(&self) -> Result<Sender, RedisError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().ok_or_else(|| {
            let error = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
            RedisError::Unavailable(error.clone().unwrap_or_else(|| "not connected".to_owned()))
        })
    }

    /// Runs one call by its deadline and gives its error a meaning.
    pub(super) async fn call<T>(
        &self,
        access: Access,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, RedisError> {
        match tokio::time::timeout(self.plan.command_timeout + GRACE, call).await {
            Err(_) => Err(access.timeout()),
            Ok(answer) => self.understand(access, answer),
        }
    }

    /// Gives an answer its meaning, and takes note that there was one.
    pub(super) fn understand<T>(
        &self,
        access: Access,
        answer: Result<T, Error>,
    ) -> Result<T, RedisError> {
        let answer = answer.map_err(|error| {
            if is_wrong_server(&error) {
                self.doubt.notify_one();
            }
            from_client(&error, access)
        });
        if matches!(answer, Ok(_) | Err(RedisError::Rejected(_))) {
            *self.last_answer.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        answer
    }

    /// Keeps a connection until stopped.
    pub(super) async fn keep_up(&self, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let attempt = stop.run_until_cancelled(self.connect()).await;
            match attempt {
                None => return,
                Some(Err(error)) => self.note_error(&error),
                Some(Ok((client, connection))) => {
                    let since = Instant::now();
                    self.use_until_lost(&client, connection, &stop).await;
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

    async fn connect(&self) -> Result<(Client, AbortOnDropHandle<Result<(), Error>>), Error> {
        let plan = &self.plan;
        let login = plan.credentials.fetch().await.map_err(|error| no_credentials(&error))?;
        let client = Client::new(
            plan.config(plan.server(), login.as_ref()),
            Some(plan.performance()),
            Some(plan.connection()),
            None,
        );
        let connection = establish(&client, plan.connect_timeout).await?;
        Ok((client, connection))
    }

    async fn use_until_lost(
        &self,
        client: &Client,
        connection: AbortOnDropHandle<Result<(), Error>>,
        stop: &CancellationToken,
    ) {
        let options = Options {
            max_attempts: Some(1),
            timeout: Some(self.plan.command_timeout),
            fail_fast: true,
            ..Options::default()
        };
        let sender = client.with_options(&options);
        *self.last_answer.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.set_current(Some(sender.clone()));
        tracing::info!(address = %self.plan.address(), "connected to Redis");
        let mut connection = connection;
        tokio::select! {
            () = stop.cancelled() => {}
            ended = &mut connection => match ended {
                Ok(Err(error)) => self.note_error(&error),
                Ok(Ok(())) | Err(_) => self.note("the connection ended"),
            },
            () = self.doubt.notified() => self.note("the server became a replica"),
            () = self.listen_for_silence(&sender) => self.note("the server does not answer"),
        }
        self.set_current(None);
        say_goodbye(client).await;
    }

    /// Ends when nothing was answered for too long, the heartbeat included.
    async fn listen_for_silence(&self, sender: &Sender) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let heartbeat = tokio::time::timeout(HEARTBEAT, sender.ping::<()>(None)).await;
            if matches!(heartbeat, Ok(Ok(()))) {
                continue;
            }
            let last = *self.last_answer.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() > SILENCE_LIMIT {
                return;
            }
        }
    }

    fn set_current(&self, sender: Option<Sender>) {
        let is_up = sender.is_some();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = sender;
        self.is_up.send_replace(is_up);
    }

    fn note_error(&self, error: &Error) {
        self.note(&error.to_string());
    }

    /// Repeated attempts mostly fail for the same reason; it is logged once.
    fn note(&self, reason: &str) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() != Some(reason) || *self.is_up.borrow() {
            tracing::warn!(address = %self.plan.address(), reason, "not connected to Redis");
        }
        *last = Some(reason.to_owned());
    }
}

pub(super) fn no_credentials(error: &CredentialError) -> Error {
    Error::new(fred::error::ErrorKind::Auth, error.to_string())
}

/// Connects a client; what runs it ends with the handle.
pub(super) async fn establish<C: ClientLike>(
    client: &C,
    limit: Duration,
) -> Result<AbortOnDropHandle<Result<(), Error>>, Error> {
    let handle: ConnectHandle = client.connect();
    let mut connection = AbortOnDropHandle::new(handle);
    let connected = async {
        // The library's own wait can miss an event that comes while it begins to wait.
        while !client.is_connected() {
            let slice = Duration::from_millis(20);
            if let Ok(result) = tokio::time::timeout(slice, client.wait_for_connect()).await {
                return result;
            }
        }
        Ok(())
    };
    let timed_out = || Error::new(fred::error::ErrorKind::Timeout, "connecting took too long");
    tokio::select! {
        result = tokio::time::timeout(limit, connected) => match result {
            Ok(connected) => connected?,
            Err(_) => return Err(timed_out()),
        },
        ended = &mut connection => match ended {
            Ok(Err(error)) => return Err(error),
            Ok(Ok(())) | Err(_) => return Err(Error::new(fred::error::ErrorKind::IO, "closed")),
        },
    }
    Ok(connection)
}

pub(super) async fn say_goodbye<C: ClientLike>(client: &C) {
    // The connection is dropped right afterwards, whatever the server says.
    let _said_or_not = tokio::time::timeout(GOODBYE, client.quit()).await;
}
