//! As whom to sign in, asked anew for each connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

/// As whom the server is spoken to.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// As nobody.
    #[default]
    None,
    /// With a password that stays, or an AUTH token.
    Password {
        /// ACL user; `default` where there is none.
        username: Option<String>,
        /// Its password.
        password: SecretString,
    },
    /// With whatever a source says when it is asked.
    Source(Arc<dyn CredentialSource>),
}

/// Where credentials come from that do not stay the same.
///
/// It is asked at each connection, and again for a connection that stands when
/// [`Login::refresh_after`] is over; a new answer is then made known to the server. It should
/// answer within the connect timeout, of which it takes its share.
#[async_trait]
pub trait CredentialSource: Send + Sync + fmt::Debug {
    /// The credentials of this moment.
    async fn fetch(&self) -> Result<Login, CredentialError>;
}

/// Credentials of one moment.
#[derive(Clone, Debug)]
pub struct Login {
    /// ACL user.
    pub username: String,
    /// Its password or token.
    pub password: SecretString,
    /// When to ask for the next ones and sign in again on connections that stand; `None` is never.
    pub refresh_after: Option<Duration>,
}

/// Why there are no credentials; the text holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no credentials for Redis: {0}")]
pub struct CredentialError(pub String);

impl Credentials {
    /// What to sign in with now; `None` is nobody.
    pub(super) async fn fetch(&self) -> Result<Option<Login>, CredentialError> {
        match self {
            Self::None => Ok(None),
            Self::Password { username, password } => Ok(Some(Login {
                username: username.clone().unwrap_or_else(|| "default".to_owned()),
                password: password.clone(),
                refresh_after: None,
            })),
            Self::Source(source) => source.fetch().await.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed;

    #[async_trait]
    impl CredentialSource for Fixed {
        async fn fetch(&self) -> Result<Login, CredentialError> {
            Ok(Login {
                username: "app".to_owned(),
                password: "s3cret-token".into(),
                refresh_after: None,
            })
        }
    }

    #[tokio::test]
    async fn secrets_do_not_print() {
        let password =
            Credentials::Password { username: None, password: "s3cret-token".to_owned().into() };
        for credentials in [password, Credentials::Source(Arc::new(Fixed))] {
            let login = credentials.fetch().await.unwrap();
            assert!(login.is_some());
            assert!(!format!("{credentials:?} {login:?}").contains("s3cret"));
        }
        assert!(Credentials::None.fetch().await.unwrap().is_none());
    }
}
