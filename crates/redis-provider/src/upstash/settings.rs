//! Where the service is, how to be let in, and how long to wait for it.

use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::misconfiguration::ConnectError;

/// Most commands that may share a request: what the vendor's own client keeps to.
const MOST_COMMANDS: usize = 1000;
/// Most bytes of a request: the service's limit is 10 MB on the small plans.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A database at Upstash, reached over its REST interface.
#[derive(Clone)]
pub struct UpstashSettings {
    /// Address of the database, such as `https://eu1-merry-cat-32748.upstash.io`.
    pub url: Url,
    /// The token that may write.
    pub token: SecretString,
    /// The longest that establishing a connection may take, and the look at the service at the
    /// start.
    pub connect_timeout: Duration,
    /// The longest that a call may take, waits and further attempts included.
    pub command_timeout: Duration,
    /// How long a command may wait for others to share a request with. One that finds nothing
    /// under way does not wait. The runtime's clock ticks in milliseconds: less is up to one tick.
    pub batch_window: Duration,
    /// Most commands that share a request; at most 1,000.
    pub batch_commands: usize,
    /// Most bytes of commands that share a request; at most 8 MiB.
    pub batch_bytes: usize,
    /// A subscription that hears nothing for this long is tried with a message of its own, which
    /// costs one command, and is made anew if that does not arrive.
    pub silence_limit: Duration,
}

impl UpstashSettings {
    /// A database with the limits that suit one in the same region.
    pub const fn new(url: Url, token: SecretString) -> Self {
        Self {
            url,
            token,
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_millis(500),
            batch_window: Duration::from_micros(200),
            batch_commands: MOST_COMMANDS,
            batch_bytes: 4 * 1024 * 1024,
            silence_limit: Duration::from_secs(60),
        }
    }

    /// The address without what may be a secret in it.
    fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether the way to the service is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Name and port of the service, for logs.
    pub(super) fn address(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url
            .port_or_known_default()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The address that paths are appended to.
    pub(super) fn base(&self) -> Result<String, ConnectError> {
        let wrong = |what: &str| Err(ConnectError::Settings(format!("the REST address {what}")));
        if !matches!(self.url.scheme(), "http" | "https") {
            return wrong("begins with https://");
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return wrong("has no user name or password in it; the token is set apart");
        }
        if self.url.query().is_some() || self.url.fragment().is_some() {
            return wrong("ends before any ? or #; the token is set apart");
        }
        Ok(self.url.as_str().trim_end_matches('/').to_owned())
    }

    /// The header that shows the token.
    pub(super) fn authorization(&self) -> Result<HeaderValue, ConnectError> {
        let token = self.token.expose_secret();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConnectError::Settings(
                "the REST token is empty, or has blanks or foreign characters in it".to_owned(),
            ));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            ConnectError::Settings("the REST token cannot stand in a header".to_owned())
        })?;
        header.set_sensitive(true);
        Ok(header)
    }

    pub(super) fn check(&self) -> Result<(), ConnectError> {
        let wrong = |what: &str| Err(ConnectError::Settings(what.to_owned()));
        let limits = [self.connect_timeout, self.command_timeout, self.silence_limit];
        if limits.iter().any(Duration::is_zero) {
            return wrong("the REST time limits must be more than zero");
        }
        if !(1..=MOST_COMMANDS).contains(&self.batch_commands) {
            return wrong("1 to 1000 commands may share a request");
        }
        if !(1..=MOST_BYTES).contains(&self.batch_bytes) {
            return wrong("1 byte to 8 MiB of commands may share a request");
        }
        Ok(())
    }
}

impl fmt::Debug for UpstashSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UpstashSettings")
            .field("url", &self.origin())
            .field("connect_timeout", &self.connect_timeout)
            .field("command_timeout", &self.command_timeout)
            .field("batch_window", &self.batch_window)
            .field("batch_commands", &self.batch_commands)
            .field("batch_bytes", &self.batch_bytes)
            .field("silence_limit", &self.silence_limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, token: &str) -> UpstashSettings {
        UpstashSettings::new(Url::parse(url).unwrap(), token.into())
    }

    #[test]
    fn secrets_do_not_print() {
        let settings = settings("https://user:s3cret@db.upstash.io/?_token=s3cret", "s3cret");
        let header = UpstashSettings { url: Url::parse("https://a").unwrap(), ..settings.clone() }
            .authorization()
            .unwrap();
        let base = settings.base().unwrap_err();
        assert!(!format!("{settings:?} {header:?} {base} {base:?}").contains("s3cret"));
    }

    #[test]
    fn unusable_settings_are_refused() {
        let good = settings("https://db.upstash.io/", "token");
        assert_eq!(good.base().unwrap(), "https://db.upstash.io");
        assert!(good.check().is_ok() && good.authorization().is_ok());
        for url in ["redis://db.upstash.io", "https://u@db", "https://db/?a=b", "https://db/#a"] {
            assert!(settings(url, "token").base().is_err(), "{url}");
        }
        for token in ["", "two words", "line\n", "\"é\""] {
            let error = settings("https://db", token).authorization().unwrap_err();
            assert!(token.is_empty() || !error.to_string().contains(token), "{token:?}");
        }
        for bad in [
            UpstashSettings { command_timeout: Duration::ZERO, ..good.clone() },
            UpstashSettings { connect_timeout: Duration::ZERO, ..good.clone() },
            UpstashSettings { silence_limit: Duration::ZERO, ..good.clone() },
            UpstashSettings { batch_commands: 0, ..good.clone() },
            UpstashSettings { batch_commands: 1001, ..good.clone() },
            UpstashSettings { batch_bytes: 0, ..good.clone() },
            UpstashSettings { batch_bytes: MOST_BYTES + 1, ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
