//! One request to a receiver: bounded in time and size, to a checked address, without redirects.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use tokio::time::timeout;

use super::address::AddressRules;
use super::schedule::asked_pause;

/// How much of an answer is read, and kept.
const ANSWER_BYTES: usize = 1_024;

/// How long a connection is kept for the next message.
const IDLE: Duration = Duration::from_secs(30);

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) kind: ReplyKind,
    pub(super) status: Option<u16>,
    /// The beginning of the answer.
    pub(super) answer: String,
    /// How long the receiver wants to be left alone.
    pub(super) asked: Option<Duration>,
}

/// The same in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyKind {
    /// It was taken.
    Delivered,
    /// It was answered, with no success.
    Refused,
    /// The receiver is elsewhere, it says; nobody goes there.
    Redirected,
    /// The receiver is gone for good, it says.
    Gone,
    /// No answer came in time.
    Timeout,
    /// There was no connection, or it broke off.
    NoConnection,
    /// The address is none that may be reached.
    ForbiddenAddress,
}

impl ReplyKind {
    /// The word in rows and answers.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Redirected => "redirected",
            Self::Gone => "gone",
            Self::Timeout => "timeout",
            Self::NoConnection => "no_connection",
            Self::ForbiddenAddress => "forbidden_address",
        }
    }
}

/// A name resolved to nothing that may be reached.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name leads to no address on the public internet")]
struct Forbidden;

/// Resolves names, and drops the addresses that may not be reached. The client connects to what
/// comes out of here and asks nobody else, so a name cannot change its mind in between.
struct CheckedResolver(AddressRules);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| rules.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Forbidden.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Sends messages.
#[derive(Clone, Debug)]
pub(super) struct WebhookClient {
    http: Client,
    rules: AddressRules,
    timeout: Duration,
}

/// What is sent.
#[derive(Clone, Debug)]
pub(super) struct Message<'a> {
    pub(super) url: &'a str,
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) signature: String,
    pub(super) body: String,
}

impl WebhookClient {
    pub(super) fn new(rules: AddressRules, timeout: Duration) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .redirect(redirect::Policy::none())
            // A proxy would resolve names itself, and reach what it can reach.
            .no_proxy()
            .dns_resolver(Arc::new(CheckedResolver(rules.clone())))
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("employer-portal-webhooks/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, rules, timeout })
    }

    pub(super) async fn send(&self, message: Message<'_>) -> Reply {
        // Checked once more: what is stored was allowed by the rules of its time, and addresses
        // that stand in the URL itself never pass the resolver.
        let Ok(url) = self.rules.check(message.url) else {
            return Reply::without_answer(ReplyKind::ForbiddenAddress);
        };
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", message.signature)
            .body(message.body);
        let exchange = async {
            match request.send().await {
                Ok(response) => Reply::read(response).await,
                Err(error) => Reply::without_answer(kind_of(&error)),
            }
        };
        // The client's own limit does not count the time that names take.
        let reply = timeout(self.timeout + Duration::from_secs(1), exchange).await;
        reply.unwrap_or_else(|_elapsed| Reply::without_answer(ReplyKind::Timeout))
    }
}

impl Reply {
    fn without_answer(kind: ReplyKind) -> Self {
        Self { kind, status: None, answer: String::new(), asked: None }
    }

    /// The status decides; what comes after it is read for the log only, as far as it goes.
    async fn read(mut response: Response) -> Self {
        let status = response.status();
        let kind = match status {
            StatusCode::GONE => ReplyKind::Gone,
            status if status.is_success() => ReplyKind::Delivered,
            status if status.is_redirection() => ReplyKind::Redirected,
            _ => ReplyKind::Refused,
        };
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked = asked_pause(asked).filter(|_| kind == ReplyKind::Refused);
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = ANSWER_BYTES - bytes.len();
            bytes.extend(chunk.iter().take(room));
            if bytes.len() == ANSWER_BYTES {
                break;
            }
        }
        Self { kind, status: Some(status.as_u16()), answer: printable(&bytes), asked }
    }
}

/// The text without what a terminal or a database would not take.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

fn kind_of(error: &reqwest::Error) -> ReplyKind {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<Forbidden>() {
            return ReplyKind::ForbiddenAddress;
        }
        cause = error.source();
    }
    if error.is_timeout() { ReplyKind::Timeout } else { ReplyKind::NoConnection }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_without_what_does_not_print() {
        assert_eq!(printable(b"fine\n\x00\x1b[2J\xff"), "fine\n[2J\u{fffd}");
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_unless_it_is_exempt() {
        let name = || "localhost".parse::<Name>().unwrap();
        let closed = CheckedResolver(AddressRules::new(true, |_| false));
        let Err(refusal) = closed.resolve(name()).await else { panic!("it is closed") };
        assert!(refusal.is::<Forbidden>());
        let open = CheckedResolver(AddressRules::new(true, |address| address.is_loopback()));
        assert!(open.resolve(name()).await.unwrap().all(|address| address.ip().is_loopback()));
    }
}
