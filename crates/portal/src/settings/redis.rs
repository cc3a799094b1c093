//! Which Redis service, and how to reach it.

use std::borrow::Cow;
use std::time::Duration;

use redis_provider::{Credentials, ElastiCacheSettings, MemorySettings, TlsSettings};
use secrecy::SecretString;
use url::Url;

use super::faults::Faults;
use super::tuning::Tuning;
use super::variables::Variables;
use super::{Environment, is_loopback};

/// The chosen provider with what it needs.
#[derive(Debug)]
pub(crate) enum RedisSettings {
    Memory(MemorySettings),
    ElastiCache(ElastiCacheSettings),
}

impl RedisSettings {
    pub(crate) fn read(
        variables: &Variables,
        environment: Environment,
        tuning: Option<&Tuning>,
        faults: &mut Faults,
    ) -> Option<Self> {
        const NAME: &str = "REDIS_PROVIDER";
        let names_a_server = ["REDIS_URL", "REDIS_PRIVATE_URL", "REDIS_HOST"]
            .iter()
            .any(|n| variables.find(n).is_some());
        match variables.find(NAME) {
            Some("memory") if !environment.is_development() => {
                faults.add(NAME, "must not be memory here: instances would not share sessions");
                None
            }
            Some("memory") => Some(memory(tuning?)),
            Some("elasticache") => elasticache(variables, environment, tuning, faults),
            Some("upstash") => {
                faults.add(
                    NAME,
                    "is upstash, which this version has no adapter for; use elasticache",
                );
                None
            }
            Some(_) => {
                faults.add(NAME, "is not one of elasticache, memory");
                None
            }
            None if names_a_server => elasticache(variables, environment, tuning, faults),
            None if environment.is_development() => Some(memory(tuning?)),
            None => faults.missing(NAME, "elasticache, with REDIS_URL or REDIS_HOST"),
        }
    }

    /// The provider's name.
    pub(crate) fn provider(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::ElastiCache(_) => "elasticache",
        }
    }

    /// The name that `/health/cache` shows.
    pub(crate) fn backend(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::ElastiCache(_) => "redis",
        }
    }
}

fn memory(tuning: &Tuning) -> RedisSettings {
    RedisSettings::Memory(MemorySettings {
        max_bytes: tuning.redis.memory_max_bytes,
        ..MemorySettings::default()
    })
}

/// The address of a server, from whichever variables give it.
struct Address {
    host: String,
    port: u16,
    username: Option<String>,
    password: Option<SecretString>,
    tls: bool,
    /// The variable to name in a complaint.
    source: &'static str,
}

fn elasticache(
    variables: &Variables,
    environment: Environment,
    tuning: Option<&Tuning>,
    faults: &mut Faults,
) -> Option<RedisSettings> {
    let from_url = ["REDIS_URL", "REDIS_PRIVATE_URL"]
        .into_iter()
        .find_map(|name| Some((name, variables.find_or_file(name, faults)?)));
    let address = match from_url {
        Some((name, text)) => address_of_url(name, &text, faults),
        None => address_of_parts(variables, faults),
    }?;
    let is_on_loopback =
        Url::parse(&format!("redis://{}", address.host)).is_ok_and(|url| is_loopback_host(&url));
    let may_be_plain = environment.is_development() && is_on_loopback;
    if !address.tls && !may_be_plain {
        faults.add(
            address.source,
            "must use TLS: rediss:// or REDIS_TLS=true (plain text only in development, on loopback)",
        );
        return None;
    }
    let tuning = tuning?;
    Some(RedisSettings::ElastiCache(ElastiCacheSettings {
        credentials: match address.password {
            Some(password) => Credentials::Password { username: address.username, password },
            None => Credentials::None,
        },
        tls: address.tls.then(|| TlsSettings {
            authorities: variables.find("REDIS_TLS_CA_FILE").map(Into::into),
        }),
        connect_timeout: Duration::from_millis(tuning.redis.connect_timeout_ms),
        command_timeout: Duration::from_millis(tuning.redis.command_timeout_ms),
        ..ElastiCacheSettings::new(address.host, address.port)
    }))
}

fn is_loopback_host(url: &Url) -> bool {
    // Hosts of non-special schemes are not parsed as addresses; give the text a special one.
    url.host_str()
        .and_then(|host| Url::parse(&format!("http://{host}")).ok())
        .is_some_and(|url| is_loopback(&url))
}

fn address_of_url(source: &'static str, text: &str, faults: &mut Faults) -> Option<Address> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "redis" | "rediss"));
    let Some((url, host)) = url.and_then(|url| Some((url.clone(), url.host_str()?.to_owned())))
    else {
        faults.add(source, "is not of the form rediss://user:password@host:port");
        return None;
    };
    let decode = |part: &str| {
        percent_encoding::percent_decode_str(part).decode_utf8().ok().map(Cow::into_owned)
    };
    Some(Address {
        host,
        port: url.port().unwrap_or(6379),
        username: decode(url.username()).filter(|name| !name.is_empty()),
        password: url.password().and_then(decode).map(SecretString::from),
        tls: url.scheme() == "rediss",
        source,
    })
}

fn address_of_parts(variables: &Variables, faults: &mut Faults) -> Option<Address> {
    let host = variables
        .find("REDIS_HOST")
        .map(str::to_owned)
        .or_else(|| faults.missing("REDIS_HOST", "the server's host name, or set REDIS_URL"));
    let port = match variables.find("REDIS_PORT").map(str::parse) {
        None => Some(6379),
        Some(Ok(port)) => Some(port),
        Some(Err(_)) => {
            faults.add("REDIS_PORT", "is not a port number");
            None
        }
    };
    let tls = match variables.find("REDIS_TLS") {
        None | Some("false") => Some(false),
        Some("true") => Some(true),
        Some(_) => {
            faults.add("REDIS_TLS", "is neither true nor false");
            None
        }
    };
    Some(Address {
        host: host?,
        port: port?,
        username: variables.find("REDIS_USERNAME").map(str::to_owned),
        password: variables.find_secret("REDIS_PASSWORD", faults),
        tls: tls?,
        source: "REDIS_TLS",
    })
}
