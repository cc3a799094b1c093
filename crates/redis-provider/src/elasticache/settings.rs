//! Where the server is and how long to wait for it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fred::rustls::crypto::aws_lc_rs;
use fred::rustls::pki_types::CertificateDer;
use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::{ClientConfig, RootCertStore};
use fred::types::RespVersion;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ServerConfig, TcpConfig, TlsConfig, TlsConnector,
};
use secrecy::{ExposeSecret, SecretString};

/// Calls that may wait for their answers at once; the next one is refused.
const MAX_WAITING_CALLS: usize = 100_000;
/// Messages that a subscription may be behind before it loses some and gets a gap.
const MESSAGE_CAPACITY: usize = 8192;

/// A single Redis or Valkey server, reached over RESP3.
#[derive(Clone, Debug)]
pub struct ElastiCacheSettings {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// ACL user; `default` where there is none.
    pub username: Option<String>,
    /// Its password, or the AUTH token.
    pub password: Option<SecretString>,
    /// Encryption in transit; `None` is plain text.
    pub tls: Option<TlsSettings>,
    /// The longest that establishing a connection may take, TLS and authentication included.
    pub connect_timeout: Duration,
    /// The longest that a call may take.
    pub command_timeout: Duration,
}

impl ElastiCacheSettings {
    /// A server without TLS and password, with the time limits that suit a server nearby.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            username: None,
            password: None,
            tls: None,
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_millis(250),
        }
    }
}

/// Whom to trust.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// Certificates of a private authority, in PEM, instead of the system's.
    pub authorities: Option<PathBuf>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ElastiCacheError {
    /// The host is empty or the port is 0.
    #[error("the Redis server's host and port must be given")]
    Address,
    /// A time limit is zero.
    #[error("the Redis time limits must be more than zero")]
    TimeLimit,
    /// A user without a password would be ignored by the protocol.
    #[error("a Redis user name needs a password")]
    UserWithoutPassword,
    /// No certificate to trust could be read.
    #[error("cannot read trusted certificates for Redis: {0}")]
    Authorities(String),
    /// The TLS library refused its configuration.
    #[error("cannot set up TLS for Redis")]
    Tls(#[source] fred::rustls::Error),
}

/// Settings checked and in the client library's own types.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) connection: ConnectionConfig,
    pub(super) performance: PerformanceConfig,
    pub(super) address: String,
    pub(super) connect_timeout: Duration,
    pub(super) command_timeout: Duration,
}

/// The library's configuration prints its password.
impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Plan").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Plan {
    pub(super) fn from_settings(settings: &ElastiCacheSettings) -> Result<Self, ElastiCacheError> {
        if settings.host.trim().is_empty() || settings.port == 0 {
            return Err(ElastiCacheError::Address);
        }
        if settings.connect_timeout.is_zero() || settings.command_timeout.is_zero() {
            return Err(ElastiCacheError::TimeLimit);
        }
        if settings.username.is_some() && settings.password.is_none() {
            return Err(ElastiCacheError::UserWithoutPassword);
        }
        let tls = settings.tls.as_ref().map(tls_config).transpose()?;
        Ok(Self {
            config: Config {
                // A client here is one connection: when it is lost, it ends, and ours is the
                // next one. What was on its way is answered at once instead of being sent again.
                fail_fast: true,
                server: ServerConfig::new_centralized(settings.host.clone(), settings.port),
                username: settings.username.clone(),
                password: settings.password.as_ref().map(|text| text.expose_secret().to_owned()),
                version: RespVersion::RESP3,
                tls,
                ..Config::default()
            },
            connection: ConnectionConfig {
                connection_timeout: settings.connect_timeout,
                internal_command_timeout: settings.connect_timeout,
                max_command_attempts: 1,
                max_command_buffer_len: MAX_WAITING_CALLS,
                disable_cluster_health_check: true,
                reconnect_on_auth_error: true,
                tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
                ..ConnectionConfig::default()
            },
            performance: PerformanceConfig {
                default_command_timeout: settings.command_timeout,
                broadcast_channel_capacity: MESSAGE_CAPACITY,
                ..PerformanceConfig::default()
            },
            address: format!("{}:{}", settings.host, settings.port),
            connect_timeout: settings.connect_timeout,
            command_timeout: settings.command_timeout,
        })
    }
}

/// The provider of cryptography is named, because the process may hold several and the library
/// would then refuse to choose.
fn tls_config(settings: &TlsSettings) -> Result<TlsConfig, ElastiCacheError> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(ElastiCacheError::Tls)?
        .with_root_certificates(trusted(settings)?)
        .with_no_client_auth();
    Ok(TlsConnector::from(config).into())
}

fn trusted(settings: &TlsSettings) -> Result<RootCertStore, ElastiCacheError> {
    let mut store = RootCertStore::empty();
    let (added, problem) = if let Some(path) = &settings.authorities {
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| ElastiCacheError::Authorities(error.to_string()))?;
        (store.add_parsable_certificates(certificates).0, None)
    } else {
        let system = fred::rustls_native_certs::load_native_certs();
        (store.add_parsable_certificates(system.certs).0, system.errors.into_iter().next())
    };
    if added == 0 {
        let problem = problem.map_or_else(|| "there are none".to_owned(), |one| one.to_string());
        return Err(ElastiCacheError::Authorities(problem));
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_do_not_print() {
        let settings = ElastiCacheSettings {
            username: Some("app".to_owned()),
            password: Some("s3cret-token".into()),
            ..ElastiCacheSettings::new("localhost", 6379)
        };
        let plan = Plan::from_settings(&settings).unwrap();
        assert!(!format!("{settings:?} {plan:?}").contains("s3cret"));
    }

    #[test]
    fn unusable_settings_are_refused() {
        let good = ElastiCacheSettings::new("localhost", 6379);
        assert!(Plan::from_settings(&good).is_ok());
        let zero = Duration::ZERO;
        let nowhere = Some(TlsSettings { authorities: Some("/nonexistent/ca.pem".into()) });
        for bad in [
            ElastiCacheSettings { host: " ".to_owned(), ..good.clone() },
            ElastiCacheSettings { port: 0, ..good.clone() },
            ElastiCacheSettings { command_timeout: zero, ..good.clone() },
            ElastiCacheSettings { connect_timeout: zero, ..good.clone() },
            ElastiCacheSettings { username: Some("app".to_owned()), ..good.clone() },
            ElastiCacheSettings { tls: nowhere, ..good.clone() },
        ] {
            assert!(Plan::from_settings(&bad).is_err(), "{bad:?}");
        }
    }
}
