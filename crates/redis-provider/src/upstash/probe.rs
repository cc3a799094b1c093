//! A look at the service when it starts: a key is written and read back.
//!
//! What waiting will not mend is told at once: a wrong token, one that may only read, an address
//! where something else answers. Everything else is an outage, and calls say so while it lasts.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;

use super::document::{self, Body, Value};
use super::encode::{Encoded, Form};
use super::errors::{Fault, from_status};
use super::reply;
use super::request::{self, Requests};
use super::wire::{Answered, Broken, Parcel, Wire};
use crate::error::RedisError;
use crate::misconfiguration::Misconfiguration;
use crate::port::SetOptions;

/// No base64, so that a front that does not encode its answers is found out.
const WRITTEN: &str = "portal-probe!";
const LIFETIME: Duration = Duration::from_secs(1);

/// Why the look was not conclusive.
type Outage = String;

enum Finding {
    Wrong(Misconfiguration),
    Away(Outage),
}

impl From<Misconfiguration> for Finding {
    fn from(wrong: Misconfiguration) -> Self {
        Self::Wrong(wrong)
    }
}

/// Looks; an outage is noted and is no error.
pub(super) async fn look(
    wire: &Wire,
    requests: &Requests,
    limit: Duration,
) -> Result<(), Misconfiguration> {
    let started = tokio::time::Instant::now();
    let outage = match tokio::time::timeout(limit, write_and_read(wire, requests)).await {
        Ok(Ok(())) => {
            let (address, tls) = (wire.health.address(), wire.is_encrypted);
            let duration_ms = started.elapsed().as_secs_f64() * 1000.0;
            tracing::info!(address, tls, duration_ms, "connected to Redis over REST");
            return Ok(());
        }
        Ok(Err(Finding::Wrong(wrong))) => return Err(wrong),
        Ok(Err(Finding::Away(reason))) => reason,
        Err(_) => "no answer in time".to_owned(),
    };
    wire.health.note_down(&outage);
    Ok(())
}

async fn write_and_read(wire: &Wire, requests: &Requests) -> Result<(), Finding> {
    let key = format!("portal:probe:{:032x}", rand::random::<u128>());
    let options = SetOptions::with_ttl(LIFETIME);
    let write = requests.set(&key, &Bytes::from_static(WRITTEN.as_bytes()), options);
    let written = ask(wire, write).await?;
    if reply::is_written(written) != Ok(true) {
        return Err(strange("something else than OK as the answer of SET").into());
    }
    let read = ask(wire, request::get(&key)).await?;
    match reply::optional_bytes(read, "GET") {
        Ok(Some(value)) if value.as_ref() == WRITTEN.as_bytes() => Ok(()),
        // It may have expired on a slow way, or a replica may not have it yet.
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(strange("another value than the one that was written").into()),
        Err(_) => Err(strange("values that are not base64, as they were asked for").into()),
    }
}

async fn ask(wire: &Wire, command: Result<Encoded, RedisError>) -> Result<Value, Finding> {
    let away = |error: RedisError| Finding::Away(error.to_string());
    let Encoded { form, access, weight } = command.map_err(away)?;
    let Form::Json(text) = form else { return Err(Finding::Away("no text".to_owned())) };
    let body = Bytes::from(text);
    let parcel = Parcel { path: "/".to_owned(), body, access, commands: 1, weight };
    match wire.fetch(parcel).await {
        Ok(answered) => understand(wire, &answered),
        Err(broken) => {
            if let Broken::Http(error) = &broken
                && let Some(wrong) = transport(error, wire.is_encrypted)
            {
                return Err(Finding::Wrong(wrong));
            }
            Err(Finding::Away(match broken.into_fault() {
                Fault::NotSent(reason) | Fault::Lost(reason) => reason,
                other => other.into_error(access).to_string(),
            }))
        }
    }
}

fn understand(wire: &Wire, answered: &Answered) -> Result<Value, Finding> {
    let status = answered.status;
    let body = document::parse(&answered.body);
    if status.is_success()
        && let Some(Body::One(Ok(value))) = body
    {
        return Ok(value);
    }
    let Some(Body::One(Err(text))) = body else {
        return Err(foreign(wire, answered));
    };
    if text.starts_with("WRONGPASS") || text.starts_with("NOAUTH") || status.as_u16() == 401 {
        return Err(Misconfiguration::Credentials.into());
    }
    if text.starts_with("NOPERM") {
        let is_write = text.to_ascii_lowercase().contains("'set'");
        return Err(Finding::Wrong(if is_write {
            Misconfiguration::ReadOnly
        } else {
            Misconfiguration::MissingRight(from_status(status, Some(&text), None).describe())
        }));
    }
    Err(Finding::Away(from_status(status, Some(&text), answered.retry_after).describe()))
}

impl Fault {
    fn describe(self) -> String {
        match self {
            Self::NotSent(text) | Self::Lost(text) | Self::Refused(RedisError::Rejected(text)) => {
                text
            }
            Self::TimedOut => "no answer in time".to_owned(),
            Self::Refused(error) => error.to_string(),
        }
    }
}

/// An answer that is none of the service's documents.
fn foreign(wire: &Wire, answered: &Answered) -> Finding {
    let status = answered.status.as_u16();
    let mentions_https = || answered.body.windows(5).any(|word| word == b"HTTPS");
    match status {
        401 => Misconfiguration::Credentials.into(),
        408 | 429 | 500.. => Finding::Away(format!("HTTP status {status}")),
        400 if !wire.is_encrypted && mentions_https() => Misconfiguration::TlsExpected.into(),
        _ => strange(&format!("HTTP status {status} without a document of Upstash")).into(),
    }
}

fn strange(what: &str) -> Misconfiguration {
    Misconfiguration::WrongService(what.to_owned())
}

/// I/O errors keep what they are made of where `source` passes it over, one within the other.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a fred::rustls::Error> {
    match error.downcast_ref::<std::io::Error>() {
        Some(wrapper) => tls_error(wrapper.get_ref()?),
        None => error.downcast_ref(),
    }
}

/// What a failed connection says of the settings.
fn transport(error: &reqwest::Error, is_encrypted: bool) -> Option<Misconfiguration> {
    use fred::rustls::Error as Tls;

    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        match tls_error(current) {
            Some(Tls::InvalidMessage(_)) => return Some(Misconfiguration::TlsUnexpected),
            Some(Tls::InvalidCertificate(reason)) => {
                return Some(Misconfiguration::Certificate(reason.to_string()));
            }
            _ => {}
        }
        // What a TLS server says to a plain request is not HTTP.
        if !is_encrypted && current.to_string().starts_with("invalid HTTP version") {
            return Some(Misconfiguration::TlsExpected);
        }
        cause = current.source();
    }
    None
}
