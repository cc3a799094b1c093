//! Keys lent by the endpoint that ECS and EKS give to a container.

use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use crate::elasticache::CredentialError;

use super::signature::Keys;
use super::{Clock, refused};

/// The longest that a connection waits for keys.
const DEADLINE: Duration = Duration::from_secs(1);
/// How long before keys end newer ones are asked for.
const MARGIN: time::Duration = time::Duration::minutes(5);
/// How long the endpoint is left alone after it failed while the keys at hand still serve.
const PAUSE: Duration = Duration::from_secs(10);
/// More than any answer or authorization file has.
const MAX_BYTES: usize = 64 * 1024;

/// Where ECS, and EKS over either version of the protocol, lend keys.
const ECS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
const EKS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 23);
const EKS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23);

/// Asks for keys, and keeps them until shortly before they end.
pub(super) struct ContainerKeys {
    client: reqwest::Client,
    url: Url,
    authorization: Authorization,
    clock: Clock,
    /// Held while asking, so that connections opened together ask once.
    lent: Mutex<Lent>,
}

enum Authorization {
    None,
    Value(SecretString),
    File(PathBuf),
}

#[derive(Default)]
struct Lent {
    keys: Option<(Arc<Keys>, OffsetDateTime)>,
    left_alone_until: Option<Instant>,
}

impl ContainerKeys {
    pub(super) fn new(
        url: Url,
        authorization: Option<SecretString>,
        authorization_file: Option<PathBuf>,
        clock: Clock,
    ) -> Result<Self, CredentialError> {
        if !is_trusted(&url) {
            return Err(refused(
                "the container credentials endpoint must be https, or an address of the loopback \
                 interface, ECS (169.254.170.2) or EKS (169.254.170.23)",
            ));
        }
        // A redirect or a proxy would be shown the authorization and given the keys.
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|_| refused("cannot set up the client for the container credentials"))?;
        let authorization = match (authorization_file, authorization) {
            (Some(path), _) => Authorization::File(path),
            (None, Some(value)) => Authorization::Value(value),
            (None, None) => Authorization::None,
        };
        Ok(Self { client, url, authorization, clock, lent: Mutex::default() })
    }

    /// Keys that are good for at least this moment.
    pub(super) async fn keys(&self) -> Result<Arc<Keys>, CredentialError> {
        let deadline = Instant::now() + DEADLINE;
        let late = |_| refused("the container credentials endpoint did not answer in time");
        let mut lent = timeout_at(deadline, self.lent.lock()).await.map_err(late)?;
        let now = (self.clock)();
        let at_hand = lent.keys.clone().filter(|(_, end)| now < *end);
        if let Some((keys, end)) = &at_hand {
            let is_left_alone = lent.left_alone_until.is_some_and(|until| Instant::now() < until);
            if now < *end - MARGIN || is_left_alone {
                return Ok(Arc::clone(keys));
            }
        }
        match timeout_at(deadline, self.ask()).await.map_err(late).flatten() {
            Ok((keys, end)) => {
                let keys = Arc::new(keys);
                *lent = Lent { keys: Some((Arc::clone(&keys), end)), left_alone_until: None };
                Ok(keys)
            }
            Err(error) => {
                let (keys, _) = at_hand.ok_or_else(|| error.clone())?;
                tracing::warn!(%error, "AWS keys could not be renewed; those at hand still serve");
                lent.left_alone_until = Some(Instant::now() + PAUSE);
                Ok(keys)
            }
        }
    }

    async fn ask(&self) -> Result<(Keys, OffsetDateTime), CredentialError> {
        let mut request = self.client.get(self.url.clone());
        if let Some(value) = self.authorization().await? {
            request = request.header(AUTHORIZATION, value);
        }
        // The library's errors name the URL, whose path is a secret.
        let away = |_| refused("the container credentials endpoint cannot be reached");
        let mut response = request.send().await.map_err(away)?;
        let status = response.status();
        if !status.is_success() {
            let text = format!("the container credentials endpoint answered {}", status.as_u16());
            return Err(CredentialError(text));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(refused("the container credentials endpoint's answer is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        parsed(&body)
            .ok_or_else(|| refused("the container credentials endpoint answered without keys"))
    }

    async fn authorization(&self) -> Result<Option<HeaderValue>, CredentialError> {
        let text = match &self.authorization {
            Authorization::None => return Ok(None),
            Authorization::Value(value) => value.clone(),
            Authorization::File(path) => {
                let path = path.clone();
                let unreadable =
                    || refused("cannot read the authorization file of the container credentials");
                tokio::task::spawn_blocking(move || read(&path))
                    .await
                    .map_err(|_| unreadable())?
                    .map_err(|_| unreadable())?
            }
        };
        let mut value = HeaderValue::from_str(text.expose_secret().trim_end()).map_err(|_| {
            refused("the authorization for the container credentials is not one line of text")
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn is_trusted(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => {
            address.is_loopback() || address == ECS || address == EKS
        }
        ("http", Some(Host::Ipv6(address))) => address.is_loopback() || address == EKS_V6,
        _ => false,
    }
}

fn read(path: &Path) -> std::io::Result<SecretString> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES as u64).read_to_string(&mut text)?;
    Ok(text.into())
}

/// Nothing where a part is missing: keys without a known end could be used for ever.
fn parsed(body: &[u8]) -> Option<(Keys, OffsetDateTime)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name)?.as_str().filter(|text| !text.is_empty());
    let keys = Keys {
        access_key_id: text("AccessKeyId")?.to_owned(),
        secret_access_key: text("SecretAccessKey")?.into(),
        session_token: Some(text("Token")?.into()),
    };
    Some((keys, OffsetDateTime::parse(text("Expiration")?, &Rfc3339).ok()?))
}
