//! Signing in to ElastiCache with AWS IAM: a short-lived token in the place of a password.
//!
//! The token is a presigned request that nobody sends. It opens connections for 15 minutes; a
//! connection that it opened is cut after 12 hours unless a newer token is shown on it.

mod container;
mod signature;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use url::Url;

use crate::elasticache::{CredentialError, CredentialSource, Login};

use self::container::ContainerKeys;
use self::signature::{Keys, Request};

/// How long a token opens connections; AWS takes no other value.
const TOKEN_LIFE: Duration = Duration::from_secs(900);
/// When a connection is shown a newer token: an hour before AWS would cut it.
const LOGIN_LIFE: Duration = Duration::from_secs(11 * 3600);
/// The SHA-256 of nothing: the request has no body.
const NO_PAYLOAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Who signs in, and to what.
#[derive(Clone, Debug)]
pub struct IamSettings {
    /// The ElastiCache user; its id and its name are the same.
    pub user: String,
    /// The name of the replication group or of the serverless cache, not its endpoint.
    pub cache_name: String,
    /// The cache's region, such as `eu-central-1`.
    pub region: String,
    /// Whether the cache is a serverless one.
    pub is_serverless: bool,
    /// Where the keys come from.
    pub keys: AwsKeys,
}

/// Where the AWS keys come from that sign tokens.
#[derive(Clone)]
pub enum AwsKeys {
    /// From the settings.
    Static {
        /// The access key's id.
        access_key_id: String,
        /// The access key.
        secret_access_key: SecretString,
        /// The session's token, for keys that were lent.
        session_token: Option<SecretString>,
    },
    /// Lent by the endpoint that ECS and EKS give to a container. It must be https, or plain http
    /// on the loopback interface or an address that AWS reserves for it.
    Container {
        /// The endpoint.
        url: Url,
        /// What to send as the `Authorization` header.
        authorization: Option<SecretString>,
        /// A file with that value, read again each time; it goes before `authorization`.
        authorization_file: Option<PathBuf>,
    },
}

/// The container endpoint's path is a secret on ECS: whoever knows it is given the keys.
impl fmt::Debug for AwsKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static { access_key_id, .. } => formatter
                .debug_struct("Static")
                .field("access_key_id", access_key_id)
                .finish_non_exhaustive(),
            Self::Container { url, authorization_file, .. } => formatter
                .debug_struct("Container")
                .field("host", &url.host_str())
                .field("authorization_file", authorization_file)
                .finish_non_exhaustive(),
        }
    }
}

/// Signs a new token whenever a connection asks for one.
pub struct IamCredentials {
    user: String,
    cache_name: String,
    region: String,
    is_serverless: bool,
    keys: KeySource,
    clock: Clock,
}

enum KeySource {
    Static(Keys),
    Container(ContainerKeys),
}

impl IamCredentials {
    /// Checks the settings; asks nobody yet.
    pub fn new(settings: IamSettings) -> Result<Self, CredentialError> {
        Self::with_clock(settings, wall_clock)
    }

    /// The same by another clock: what it tells stands in the token, and ends borrowed keys.
    pub fn with_clock(
        settings: IamSettings,
        clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static,
    ) -> Result<Self, CredentialError> {
        let clock: Clock = Arc::new(clock);
        // AWS lowers the name when the cache is made, and knows it in no other way.
        let cache_name = settings.cache_name.to_ascii_lowercase();
        if settings.user.is_empty() || !settings.user.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused("the ElastiCache user of IAM sign-in must be given"));
        }
        if !is_plain_name(&cache_name) {
            return Err(refused(
                "the cache's name for IAM sign-in must be that of the replication group or \
                 serverless cache, not its endpoint",
            ));
        }
        if !is_plain_name(&settings.region) {
            return Err(refused("the AWS region must be one like eu-central-1"));
        }
        Ok(Self {
            user: settings.user,
            cache_name,
            region: settings.region,
            is_serverless: settings.is_serverless,
            keys: KeySource::new(settings.keys, &clock)?,
            clock,
        })
    }

    fn token(&self, keys: &Keys) -> SecretString {
        let mut query = vec![("Action", "connect"), ("User", self.user.as_str())];
        if self.is_serverless {
            query.push(("ResourceType", "ServerlessCache"));
        }
        let request = Request {
            host: &self.cache_name,
            path: "/",
            query: &query,
            region: &self.region,
            service: "elasticache",
            payload: NO_PAYLOAD,
            at: (self.clock)(),
            expires: TOKEN_LIFE,
        };
        request.presign(keys).into()
    }
}

impl fmt::Debug for IamCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IamCredentials")
            .field("user", &self.user)
            .field("cache_name", &self.cache_name)
            .field("region", &self.region)
            .field("is_serverless", &self.is_serverless)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialSource for IamCredentials {
    async fn fetch(&self) -> Result<Login, CredentialError> {
        let password = match &self.keys {
            KeySource::Static(keys) => self.token(keys),
            KeySource::Container(source) => self.token(&*source.keys().await?),
        };
        Ok(Login { username: self.user.clone(), password, refresh_after: Some(LOGIN_LIFE) })
    }
}

impl KeySource {
    fn new(keys: AwsKeys, clock: &Clock) -> Result<Self, CredentialError> {
        match keys {
            AwsKeys::Static { access_key_id, secret_access_key, session_token } => {
                if access_key_id.is_empty() || secret_access_key.expose_secret().is_empty() {
                    return Err(refused("the AWS access key's id and the key must be given"));
                }
                Ok(Self::Static(Keys { access_key_id, secret_access_key, session_token }))
            }
            AwsKeys::Container { url, authorization, authorization_file } => Ok(Self::Container(
                ContainerKeys::new(url, authorization, authorization_file, Arc::clone(clock))?,
            )),
        }
    }
}

fn is_plain_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn refused(text: &str) -> CredentialError {
    CredentialError(text.to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "this crate knows no tenants, so it cannot take tenancy's clock; `with_clock` is for tests"
)]
fn wall_clock() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
