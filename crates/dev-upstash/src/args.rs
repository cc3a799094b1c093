//! The command line, and the settings that it parses into.

use std::fmt;
use std::net::SocketAddr;

use clap::Parser;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// An Upstash-shaped REST front over a redis-server, for development and tests.
#[derive(Parser)]
#[command(name = "dev-upstash")]
pub(crate) struct Args {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8079")]
    pub(crate) listen: SocketAddr,
    /// The redis-server: `redis://[user:password@]host[:port][/database]`. The next database belongs
    /// to the fault `stale-reads`, which overwrites it
    #[arg(long, default_value = "redis://127.0.0.1:6379")]
    redis: String,
    /// Token that may do everything
    #[arg(long)]
    token: Token,
    /// Token that may only read
    #[arg(long)]
    read_only_token: Option<Token>,
    /// Listen on an address that other machines can reach
    #[arg(long)]
    allow_remote: bool,
}

/// Why the command line cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("{0} can be reached by other machines: pass --allow-remote")]
    Remote(SocketAddr),
    #[error("--redis must be redis://[user:password@]host[:port][/database]")]
    Redis,
    #[error("a token must have 1 to 512 printable characters without spaces")]
    Token,
    #[error("--token and --read-only-token are the same")]
    SameToken,
}

/// A token; it does not print.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// Whether a request carried this token.
    pub(crate) fn is(&self, presented: &[u8]) -> bool {
        self.0.as_bytes() == presented
    }

    fn is_well_formed(&self) -> bool {
        (1..=512).contains(&self.0.len()) && self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

impl std::str::FromStr for Token {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// Where the redis-server is, and how to log in.
#[derive(Clone)]
pub(crate) struct RedisAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: u32,
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, database, .. } = self;
        write!(formatter, "RedisAddress({host}:{port}/{database})")
    }
}

impl RedisAddress {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "redis")?;
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
        let user = Some(url.username()).filter(|user| !user.is_empty());
        let database = match url.path().trim_matches('/') {
            "" => 0,
            number => number.parse().ok()?,
        };
        Some(Self {
            host,
            port: url.port().unwrap_or(6379),
            user: match user {
                Some(user) => Some(decode(user)?),
                None => None,
            },
            password: match url.password() {
                Some(password) => Some(decode(password)?),
                None => None,
            },
            database,
        })
    }

    /// The same server, the database after this one.
    pub(crate) fn next_database(&self) -> Self {
        Self { database: self.database.saturating_add(1), ..self.clone() }
    }
}

/// What stays the same while the server runs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) redis: RedisAddress,
    pub(crate) token: Token,
    pub(crate) read_only_token: Option<Token>,
}

impl Args {
    /// The settings, if the address may be listened on and the rest makes sense.
    pub(crate) fn into_settings(self) -> Result<Settings, ArgsError> {
        if !self.listen.ip().is_loopback() && !self.allow_remote {
            return Err(ArgsError::Remote(self.listen));
        }
        if ![Some(&self.token), self.read_only_token.as_ref()]
            .into_iter()
            .flatten()
            .all(Token::is_well_formed)
        {
            return Err(ArgsError::Token);
        }
        if self.read_only_token.as_ref() == Some(&self.token) {
            return Err(ArgsError::SameToken);
        }
        Ok(Settings {
            redis: RedisAddress::parse(&self.redis).ok_or(ArgsError::Redis)?,
            token: self.token,
            read_only_token: self.read_only_token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Result<Settings, ArgsError> {
        let arguments = ["dev-upstash", "--token", "a-token"].iter().chain(arguments);
        Args::try_parse_from(arguments).unwrap().into_settings()
    }

    #[test]
    fn the_address_of_redis_is_taken_apart() {
        let redis = settings(&["--redis", "redis://app:p%40ss@localhost:7001/3"]).unwrap().redis;
        assert_eq!((redis.host.as_str(), redis.port, redis.database), ("localhost", 7001, 3));
        assert_eq!((redis.user.as_deref(), redis.password.as_deref()), (Some("app"), Some("p@ss")));
        assert_eq!(redis.next_database().database, 4);
        let redis = settings(&["--redis", "redis://127.0.0.1"]).unwrap().redis;
        assert_eq!((redis.port, redis.user, redis.password), (6379, None, None));
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        for redis in ["rediss://localhost", "localhost:6379", "redis://localhost/x"] {
            assert!(matches!(settings(&["--redis", redis]), Err(ArgsError::Redis)), "{redis}");
        }
        assert!(matches!(settings(&["--listen", "0.0.0.0:0"]), Err(ArgsError::Remote(_))));
        assert!(settings(&["--listen", "0.0.0.0:0", "--allow-remote"]).is_ok());
        assert!(matches!(settings(&["--read-only-token", "a b"]), Err(ArgsError::Token)));
        assert!(matches!(settings(&["--read-only-token", "a-token"]), Err(ArgsError::SameToken)));
    }

    #[test]
    fn secrets_do_not_print() {
        let text = format!("{:?}", settings(&["--redis", "redis://u:hidden@localhost"]).unwrap());
        assert!(!text.contains("a-token") && !text.contains("hidden"), "{text}");
    }
}
