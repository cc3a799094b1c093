//! One HTTP exchange: a request goes out, an answer is taken apart.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, StatusCode, redirect};

use super::document::{self, Answer, Body, Value};
use super::errors::{Access, Fault, from_status, from_text, retry_after};
use super::health::Health;
use super::settings::UpstashSettings;
use super::sync_token::{HEADER, SyncToken};
use crate::misconfiguration::ConnectError;
use crate::report::Cost;

/// An answer may not be larger.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// Below the time after which edges close idle connections without a word.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A connection that is shared by many requests is asked this often whether it is there, and
/// given up if it does not say so in as long.
const SHARED_CONNECTION_CHECK: Duration = Duration::from_secs(1);

/// What is sent at once.
pub(super) struct Parcel {
    /// Begins with a slash.
    pub(super) path: String,
    pub(super) body: Bytes,
    pub(super) access: Access,
    /// So many answers are expected.
    pub(super) commands: usize,
    /// Bytes of words in it.
    pub(super) weight: u64,
}

/// An answer before it is understood.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum Broken {
    Http(reqwest::Error),
    TooLarge,
}

impl Broken {
    pub(super) fn into_fault(self) -> Fault {
        match self {
            // The error's own text has the address, and with it perhaps a key.
            Self::Http(error) => match (error.is_connect(), error.is_timeout()) {
                (true, _) => Fault::NotSent(innermost(&error)),
                (false, true) => Fault::TimedOut,
                (false, false) if error.is_builder() => Fault::NotSent(innermost(&error)),
                (false, false) => Fault::Lost(innermost(&error)),
            },
            Self::TooLarge => Fault::Lost("an answer of more than 64 MiB".to_owned()),
        }
    }
}

/// The text of the cause that has no further one: the others only repeat where it happened.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if std::ptr::addr_eq(cause, error) {
        "the request failed".to_owned()
    } else {
        cause.to_string()
    }
}

#[derive(Debug, Default)]
struct Counters {
    commands: AtomicU64,
    requests: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

/// The way to the service.
#[derive(Debug)]
pub(super) struct Wire {
    client: Client,
    base: String,
    sync: SyncToken,
    counters: Counters,
    pub(super) health: Health,
    pub(super) is_encrypted: bool,
    pub(super) command_timeout: Duration,
}

impl Wire {
    pub(super) fn new(settings: &UpstashSettings) -> Result<Self, ConnectError> {
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, settings.authorization()?),
            (HeaderName::from_static("upstash-encoding"), HeaderValue::from_static("base64")),
        ]);
        let builder = client(settings, headers)
            .pool_idle_timeout(IDLE_LIMIT)
            .http2_keep_alive_interval(SHARED_CONNECTION_CHECK)
            .http2_keep_alive_timeout(SHARED_CONNECTION_CHECK);
        Ok(Self {
            client: build(builder)?,
            base: settings.base()?,
            sync: SyncToken::default(),
            counters: Counters::default(),
            health: Health::new(settings.address()),
            is_encrypted: settings.is_encrypted(),
            command_timeout: settings.command_timeout,
        })
    }

    /// What was asked so far.
    pub(super) fn cost(&self) -> Cost {
        let Counters { commands, requests, bytes_sent, bytes_received } = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Cost {
            commands: read(commands),
            requests: read(requests),
            bytes_sent: read(bytes_sent),
            bytes_received: read(bytes_received),
        }
    }

    /// Sends a request and returns what came back. The token of the answer is in force before.
    pub(super) async fn fetch(&self, parcel: Parcel) -> Result<Answered, Broken> {
        let add = |counter: &AtomicU64, number| counter.fetch_add(number, Ordering::Relaxed);
        add(&self.counters.requests, 1);
        add(&self.counters.commands, u64::try_from(parcel.commands).unwrap_or(u64::MAX));
        add(&self.counters.bytes_sent, parcel.weight);
        let known = self.sync.known();
        let mut response = self
            .client
            .post(format!("{}{}", self.base, parcel.path))
            .header(HEADER, known.header())
            .timeout(self.command_timeout)
            .body(parcel.body)
            .send()
            .await
            .map_err(Broken::Http)?;
        self.sync.note(&known, parcel.access, response.headers());
        let status = response.status();
        let retry_after = retry_after(response.headers().get(RETRY_AFTER));
        let body = read_body(&mut response).await?;
        Ok(Answered { status, retry_after, body })
    }

    /// Sends a request and returns as many answers as it has commands.
    pub(super) async fn exchange(&self, parcel: Parcel) -> Result<Vec<Answer>, Fault> {
        let commands = parcel.commands;
        let answers = match self.fetch(parcel).await {
            Ok(answered) => understand(&answered, commands),
            Err(broken) => Err(broken.into_fault()),
        };
        match &answers {
            Ok(answers) => {
                let results = answers.iter().filter_map(|answer| answer.as_ref().ok());
                let bytes = results.map(Value::weight).sum();
                self.counters.bytes_received.fetch_add(bytes, Ordering::Relaxed);
                self.health.note_answer();
            }
            Err(fault) if !fault.is_outage() => self.health.note_answer(),
            Err(Fault::Refused(error)) => self.health.note_down(&error.to_string()),
            Err(Fault::NotSent(reason)) => self.health.note_down(reason),
            Err(Fault::Lost(reason)) => self.health.note_failure(reason),
            Err(Fault::TimedOut) => self.health.note_failure("no answer in time"),
        }
        answers
    }
}

fn understand(answered: &Answered, commands: usize) -> Result<Vec<Answer>, Fault> {
    let body = document::parse(&answered.body);
    if !answered.status.is_success() {
        let text = match &body {
            Some(Body::One(Err(text))) => Some(text.as_str()),
            _ => None,
        };
        return Err(from_status(answered.status, text, answered.retry_after));
    }
    match body {
        Some(Body::Many(answers)) if answers.len() == commands => Ok(answers),
        Some(Body::One(answer)) if commands == 1 => Ok(vec![answer]),
        // A transaction that was discarded as a whole.
        Some(Body::One(Err(text))) => Err(Fault::Refused(from_text(&text))),
        Some(_) => Err(Fault::Lost(format!("not as many answers as the {commands} commands"))),
        None => Err(from_status(answered.status, None, answered.retry_after)),
    }
}

async fn read_body(response: &mut Response) -> Result<Bytes, Broken> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > LARGEST_ANSWER) {
        return Err(Broken::TooLarge);
    }
    let Some(first) = response.chunk().await.map_err(Broken::Http)? else {
        return Ok(Bytes::new());
    };
    if announced == Some(first.len()) {
        return Ok(first);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or_default().max(first.len()));
    body.extend_from_slice(&first);
    while let Some(piece) = response.chunk().await.map_err(Broken::Http)? {
        if body.len() + piece.len() > LARGEST_ANSWER {
            return Err(Broken::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn client(settings: &UpstashSettings, headers: HeaderMap) -> ClientBuilder {
    Client::builder()
        .default_headers(headers)
        // A redirection could lead the token elsewhere, and a proxy of the environment as well.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(settings.connect_timeout)
        .tcp_keepalive(KEEP_ALIVE)
        .tcp_nodelay(true)
}

fn build(builder: ClientBuilder) -> Result<Client, ConnectError> {
    builder.build().map_err(|error| {
        ConnectError::Settings(format!("cannot set up HTTPS: {}", innermost(&error)))
    })
}

/// A client for streams of events: connections of their own, each for one stream, without a limit
/// to how long an answer may take.
pub(super) fn stream_client(settings: &UpstashSettings) -> Result<Client, ConnectError> {
    let headers = HeaderMap::from_iter([
        (AUTHORIZATION, settings.authorization()?),
        (ACCEPT, HeaderValue::from_static("text/event-stream")),
    ]);
    build(client(settings, headers).http1_only().pool_max_idle_per_host(0))
}
