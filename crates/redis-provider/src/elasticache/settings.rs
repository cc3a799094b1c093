//! Where the servers are and how long to wait for them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fred::rustls::ClientConfig;
use fred::types::RespVersion;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, Server, ServerConfig, TcpConfig, TlsConnector,
};
use secrecy::ExposeSecret;
use socket2::TcpKeepalive;

use super::credentials::{Credentials, Login};
use super::tls::{self, TlsSettings};
use crate::misconfiguration::ConnectError;

/// Calls of one connection that may wait for their answers at once; the next one is refused.
const MAX_WAITING_CALLS: usize = 100_000;
/// Messages that a subscription may be behind before it loses some and gets a gap.
const MESSAGE_CAPACITY: usize = 8192;
/// Most connections to one node: more than this only costs.
const MAX_CONNECTIONS: usize = 50;
/// Idle time before the first keepalive probe, time between probes, and probes without an answer.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(30), Duration::from_secs(10), 3);

/// Redis or Valkey servers, reached over RESP3: one alone, or a cluster.
#[derive(Clone, Debug)]
pub struct ElastiCacheSettings {
    /// Names or addresses with their ports. Of a cluster, some of its nodes or its configuration
    /// endpoint: they are asked for the others, and asked again when no node answers any more.
    pub seeds: Vec<(String, u16)>,
    /// Whether the servers form a cluster.
    pub mode: ClusterMode,
    /// As whom to sign in.
    pub credentials: Credentials,
    /// Encryption in transit; `None` is plain text.
    pub tls: Option<TlsSettings>,
    /// Connections to each node, over which calls are spread; one carries any number of calls.
    pub connections: usize,
    /// Whether scans go to replicas. Nothing else is ever read from one.
    pub scan_replicas: bool,
    /// How messages travel in a cluster.
    pub messages: Messages,
    /// The longest that establishing a connection may take, TLS and authentication included.
    pub connect_timeout: Duration,
    /// The longest that a call may take.
    pub command_timeout: Duration,
}

impl ElastiCacheSettings {
    /// A server without TLS and password, with the time limits that suit a server nearby. Whether
    /// it belongs to a cluster is found out.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            seeds: vec![(host.into(), port)],
            mode: ClusterMode::Detect,
            credentials: Credentials::None,
            tls: None,
            connections: 1,
            scan_replicas: false,
            messages: Messages::Classic,
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_millis(250),
        }
    }
}

/// How messages travel in a cluster. All who are to hear of each other need the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Messages {
    /// To every node, by `PUBLISH`: one connection to any of them hears all.
    #[default]
    Classic,
    /// To the shard that owns the topic's slot, by `SPUBLISH`: a connection to each such shard.
    /// Needs Redis 7. A single server does as before.
    Sharded,
}

/// Whether the servers form a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterMode {
    /// As the first one that answers says.
    #[default]
    Detect,
    /// They do not: there is one, and a cluster's node is a mistake.
    Single,
    /// They do, and a single server is a mistake.
    Cluster,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    pub(super) host: Arc<str>,
    pub(super) port: u16,
}

impl Address {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

/// Settings checked and in the client library's own types.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) seeds: Vec<Address>,
    pub(super) mode: ClusterMode,
    pub(super) credentials: Credentials,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) connections: usize,
    pub(super) scan_replicas: bool,
    pub(super) messages: Messages,
    pub(super) connect_timeout: Duration,
    pub(super) command_timeout: Duration,
}

/// The library's configuration prints its password, and more than anybody wants of TLS.
impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Plan")
            .field("seeds", &self.seeds)
            .field("mode", &self.mode)
            .field("tls", &self.tls.is_some())
            .field("connections", &self.connections)
            .field("scan_replicas", &self.scan_replicas)
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

impl Plan {
    pub(super) fn from_settings(settings: &ElastiCacheSettings) -> Result<Self, ConnectError> {
        if let Some(fault) = fault(settings) {
            return Err(ConnectError::Settings(fault.to_owned()));
        }
        let seeds = settings.seeds.iter().map(|(host, port)| {
            // An IPv6 address of a URL comes in brackets, which resolvers do not know.
            Address::new(host.trim().trim_start_matches('[').trim_end_matches(']'), *port)
        });
        Ok(Self {
            seeds: seeds.collect(),
            mode: settings.mode,
            credentials: settings.credentials.clone(),
            tls: settings.tls.as_ref().map(tls::client_config).transpose()?.map(Arc::new),
            connections: settings.connections,
            scan_replicas: settings.scan_replicas,
            messages: settings.messages,
            connect_timeout: settings.connect_timeout,
            command_timeout: settings.command_timeout,
        })
    }

    /// What a client for one connection needs to know.
    pub(super) fn config(&self, server: Server, login: Option<&Login>) -> Config {
        let tls = self.tls.as_ref().map(|config| TlsConnector::from((**config).clone()).into());
        Config {
            // A client here is one connection: when it is lost, it ends, and ours is the
            // next one. What was on its way is answered at once instead of being sent again.
            fail_fast: true,
            server: ServerConfig::Centralized { server },
            username: login.map(|login| login.username.clone()),
            password: login.map(|login| login.password.expose_secret().to_owned()),
            version: RespVersion::RESP3,
            tls,
            ..Config::default()
        }
    }

    pub(super) fn connection(&self) -> ConnectionConfig {
        let (idle, interval, probes) = KEEPALIVE;
        let keepalive =
            TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(probes);
        ConnectionConfig {
            connection_timeout: self.connect_timeout,
            internal_command_timeout: self.connect_timeout,
            max_command_attempts: 1,
            max_command_buffer_len: MAX_WAITING_CALLS,
            disable_cluster_health_check: true,
            reconnect_on_auth_error: true,
            tcp: TcpConfig {
                nodelay: Some(true),
                keepalive: Some(keepalive),
                ..TcpConfig::default()
            },
            ..ConnectionConfig::default()
        }
    }

    pub(super) fn performance(&self) -> PerformanceConfig {
        PerformanceConfig {
            default_command_timeout: self.command_timeout,
            broadcast_channel_capacity: MESSAGE_CAPACITY,
            ..PerformanceConfig::default()
        }
    }
}

/// The first thing that is wrong with the settings.
fn fault(settings: &ElastiCacheSettings) -> Option<&'static str> {
    let is_nowhere = |(host, port): &(String, u16)| host.trim().is_empty() || *port == 0;
    if settings.seeds.is_empty() || settings.seeds.iter().any(is_nowhere) {
        return Some("the Redis server's host and port must be given");
    }
    if settings.mode == ClusterMode::Single && settings.seeds.len() > 1 {
        return Some("a single Redis server has one address");
    }
    if settings.connect_timeout.is_zero() || settings.command_timeout.is_zero() {
        return Some("the Redis time limits must be more than zero");
    }
    if settings.connections == 0 || settings.connections > MAX_CONNECTIONS {
        return Some("there must be 1 to 50 connections to a Redis node");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_do_not_print() {
        let credentials = Credentials::Password {
            username: Some("app".to_owned()),
            password: "s3cret-token".into(),
        };
        let settings =
            ElastiCacheSettings { credentials, ..ElastiCacheSettings::new("localhost", 6379) };
        let plan = Plan::from_settings(&settings).unwrap();
        assert!(!format!("{settings:?} {plan:?}").contains("s3cret"));
    }

    #[test]
    fn unusable_settings_are_refused() {
        let good = ElastiCacheSettings::new("localhost", 6379);
        assert!(Plan::from_settings(&good).is_ok());
        let zero = Duration::ZERO;
        let nowhere = Some(TlsSettings { authorities: Some("/nonexistent/ca.pem".into()) });
        let two = vec![("a".to_owned(), 1), ("b".to_owned(), 1)];
        for bad in [
            ElastiCacheSettings { seeds: Vec::new(), ..good.clone() },
            ElastiCacheSettings { seeds: vec![(" ".to_owned(), 6379)], ..good.clone() },
            ElastiCacheSettings { seeds: vec![("localhost".to_owned(), 0)], ..good.clone() },
            ElastiCacheSettings { seeds: two, mode: ClusterMode::Single, ..good.clone() },
            ElastiCacheSettings { command_timeout: zero, ..good.clone() },
            ElastiCacheSettings { connect_timeout: zero, ..good.clone() },
            ElastiCacheSettings { connections: 0, ..good.clone() },
            ElastiCacheSettings { connections: 51, ..good.clone() },
            ElastiCacheSettings { tls: nowhere, ..good.clone() },
        ] {
            let refused = Plan::from_settings(&bad);
            assert!(matches!(refused, Err(ConnectError::Settings(_))), "{bad:?}");
        }
    }
}
