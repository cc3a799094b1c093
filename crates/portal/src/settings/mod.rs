//! Settings: read once, parsed into types that carry exactly what is needed, or refused as a whole.

mod faults;
mod files;
mod keys;
mod mail;
mod pasted;
mod reach;
mod redis;
mod tuning;
mod variables;
mod webhooks;

#[cfg(test)]
mod tests;

use std::time::Duration;

use employer_store::{DatabaseSettings, check_address};
use portal_api::Reach;
use portal_api::metrics::MetricsAccess;
use sealing::KeyRing;
use secrecy::{ExposeSecret, SecretString};
use tenancy::OrgId;
use tenant_cache::Operation;
use url::Url;

pub(crate) use faults::InvalidSettings;
pub(crate) use files::{FileSettings, S3Credentials, S3Settings};
pub(crate) use keys::{CACHE_KEYS, NamedKeys};
pub(crate) use mail::MailSetup;
pub(crate) use redis::{RedisSettings, Service};
pub(crate) use tuning::{LogFormat, Telemetry, Tuning};
pub(crate) use variables::Variables;
pub(crate) use webhooks::WebhookSetup;

use faults::Faults;

/// Where the portal runs; everything but development refuses what is convenient but unsafe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    Development,
    Staging,
    Production,
}

/// Everything that `portal serve` needs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) environment: Environment,
    pub(crate) listen: String,
    pub(crate) base_url: Url,
    pub(crate) database: DatabaseSettings,
    pub(crate) worker_database: DatabaseSettings,
    /// Of the public's role.
    pub(crate) public_database: DatabaseSettings,
    /// Where files of applicants are kept.
    pub(crate) files: FileSettings,
    pub(crate) platform: Option<PlatformSettings>,
    pub(crate) redis: RedisSettings,
    pub(crate) identity_provider: IdentityProvider,
    /// Make cookies and cursors.
    pub(crate) session_keys: NamedKeys<64>,
    pub(crate) metrics: MetricsAccess,
    /// Who may reach the portal, and through whom.
    pub(crate) reach: Reach,
    /// Seal what the cache keeps of sensitive values.
    pub(crate) cache_keys: Option<KeyRing>,
    pub(crate) webhooks: WebhookSetup,
    /// Where mails are sent.
    pub(crate) mail: Option<MailSetup>,
    pub(crate) tuning: Tuning,
}

/// The organization of the platform operators, and their database.
#[derive(Debug)]
pub(crate) struct PlatformSettings {
    pub(crate) org: OrgId,
    pub(crate) database: DatabaseSettings,
}

/// The portal's client at the identity provider.
#[derive(Debug)]
pub(crate) struct IdentityProvider {
    pub(crate) issuer: Url,
    pub(crate) client_id: String,
    pub(crate) client_secret: SecretString,
    pub(crate) audience: Option<String>,
    pub(crate) roles_claim: Option<String>,
    pub(crate) events_token: Option<SecretString>,
    /// Who asks the Management API: id and secret.
    pub(crate) management: (String, SecretString),
}

impl Settings {
    /// Reads everything, and reports everything that is wrong at once.
    pub(crate) fn load(variables: &Variables) -> Result<Self, InvalidSettings> {
        let mut faults = Faults::default();
        let settings = Self::read(variables, &mut faults);
        match settings {
            Some(settings) if faults.is_empty() => Ok(settings),
            _ => Err(InvalidSettings(faults)),
        }
    }

    fn read(variables: &Variables, faults: &mut Faults) -> Option<Self> {
        let environment = Environment::read(variables, faults);
        // What follows is read as for production when the environment's name is wrong, so that
        // the other faults are reported too.
        let strictness = environment.unwrap_or(Environment::Production);
        let tuning = Tuning::load(strictness, variables, faults);
        let listen = read_listen(variables, faults);
        let base_url = read_base_url(variables, strictness, faults);
        let database_url = find_database_url(variables, "DATABASE_URL", faults).or_else(|| {
            faults.missing("DATABASE_URL", "the Postgres address of the application role")
        });
        let worker_url = read_role_url(&WORKER_ROLE, variables, strictness, faults);
        let public_url = read_role_url(&PUBLIC_ROLE, variables, strictness, faults);
        let platform = read_platform(variables, strictness, faults);
        let redis = RedisSettings::read(variables, strictness, tuning.as_ref(), faults);
        let identity_provider = IdentityProvider::read(variables, strictness, faults);
        let session_keys = variables
            .find_secret("SESSION_KEYS", faults)
            .or_else(|| {
                faults
                    .missing("SESSION_KEYS", "id:base64,…, 64 bytes each (openssl rand -base64 64)")
            })
            .and_then(|text| keys::read_keys::<64>("SESSION_KEYS", &text, faults));
        let metrics = read_metrics_access(variables, strictness, faults);
        let cache_keys = keys::find_cache_keys(&Operation::ALL, variables, faults);
        let tuning = tuning?;
        let reach = reach::read(&tuning, faults);
        let files = FileSettings::read(&tuning, variables, strictness, faults);
        let webhooks = WebhookSetup::read(&tuning, strictness, faults);
        let base_url = base_url?;
        let mail = MailSetup::read(&tuning, &base_url, variables, strictness, faults);
        let pool = |url, max_connections| pool(url, max_connections, &tuning);
        Some(Self {
            environment: environment?,
            listen: listen?,
            base_url,
            database: pool(database_url?, tuning.database.max_connections),
            worker_database: pool(worker_url?, tuning.database.worker_max_connections),
            public_database: pool(public_url?, tuning.database.public_max_connections),
            files: files?,
            platform: platform?
                .map(|(org, url)| PlatformSettings { org, database: pool(url, OPS_CONNECTIONS) }),
            redis: redis?,
            identity_provider: identity_provider?,
            session_keys: session_keys?,
            metrics: metrics?,
            reach: reach?,
            cache_keys,
            webhooks: webhooks?,
            mail: mail?,
            tuning,
        })
    }
}

/// What `portal migrate` and `portal seed` need: the owner's database and the log.
#[derive(Debug)]
pub(crate) struct OwnerSettings {
    pub(crate) database: DatabaseSettings,
    pub(crate) tuning: Tuning,
}

impl OwnerSettings {
    pub(crate) fn load(variables: &Variables) -> Result<Self, InvalidSettings> {
        let mut faults = Faults::default();
        let environment = Environment::read(variables, &mut faults);
        let strictness = environment.unwrap_or(Environment::Production);
        let tuning = Tuning::load(strictness, variables, &mut faults);
        let url = find_database_url(variables, "DATABASE_OWNER_URL", &mut faults).or_else(|| {
            faults.missing(
                "DATABASE_OWNER_URL",
                "the Postgres address of the role that owns the tables",
            )
        });
        match (tuning, url) {
            (Some(tuning), Some(url)) if faults.is_empty() => {
                Ok(Self { database: pool(url, 2, &tuning), tuning })
            }
            _ => Err(InvalidSettings(faults)),
        }
    }
}

/// The keys of the cache alone, for `portal cache rotate-keys`; `None` where there are none yet.
pub(crate) fn load_cache_keys(variables: &Variables) -> Result<Option<KeyRing>, InvalidSettings> {
    let mut faults = Faults::default();
    let keys = keys::find_cache_keys(&[], variables, &mut faults);
    if faults.is_empty() { Ok(keys) } else { Err(InvalidSettings(faults)) }
}

impl RedisSettings {
    /// What `portal redis-check` needs, and nothing else.
    pub(crate) fn load(variables: &Variables) -> Result<Self, InvalidSettings> {
        let mut faults = Faults::default();
        let environment = Environment::read(variables, &mut faults);
        let strictness = environment.unwrap_or(Environment::Production);
        let tuning = Tuning::load(strictness, variables, &mut faults);
        match Self::read(variables, strictness, tuning.as_ref(), &mut faults) {
            Some(redis) if faults.is_empty() => Ok(redis),
            _ => Err(InvalidSettings(faults)),
        }
    }
}

impl Environment {
    fn read(variables: &Variables, faults: &mut Faults) -> Option<Self> {
        match variables.find("PORTAL_ENV").unwrap_or("development") {
            "development" => Some(Self::Development),
            "staging" => Some(Self::Staging),
            "production" => Some(Self::Production),
            _ => {
                faults.add("PORTAL_ENV", "is not one of development, staging, production");
                None
            }
        }
    }

    pub(crate) fn is_development(self) -> bool {
        self == Self::Development
    }
}

impl IdentityProvider {
    fn read(variables: &Variables, environment: Environment, faults: &mut Faults) -> Option<Self> {
        let required = |name: &str, meaning: &str, faults: &mut Faults| {
            variables.find_or_file(name, faults).or_else(|| faults.missing(name, meaning))
        };
        let issuer = required(
            "AUTH0_ISSUER_BASE_URL",
            "the issuer, such as https://TENANT.eu.auth0.com/",
            faults,
        )
        .and_then(|text| parse_http_url("AUTH0_ISSUER_BASE_URL", &text, environment, faults));
        let client_id = required("AUTH0_CLIENT_ID", "the portal's client id", faults);
        let client_secret = required("AUTH0_CLIENT_SECRET", "the portal's client secret", faults);
        let audience = variables.find_or_file("AUTH0_AUDIENCE", faults);
        let roles_claim = read_roles_claim(variables, faults);
        let events_token = find_token("AUTH0_EVENTS_TOKEN", variables, faults);
        let (client_id, client_secret) = (client_id?, SecretString::from(client_secret?));
        let management = read_management(variables, faults)
            .unwrap_or_else(|| (client_id.clone(), client_secret.clone()));
        Some(Self {
            issuer: issuer?,
            client_id,
            client_secret,
            audience,
            roles_claim,
            events_token,
            management,
        })
    }
}

/// Host and port to bind. Names are not looked up: only the form is checked.
fn read_listen(variables: &Variables, faults: &mut Faults) -> Option<String> {
    const NAME: &str = "PORTAL_LISTEN";
    let text = variables.find(NAME).unwrap_or("127.0.0.1:8080");
    let is_address = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !is_address {
        faults.add(NAME, "is not host:port, such as 127.0.0.1:8080");
        return None;
    }
    Some(text.to_owned())
}

/// Who may read `/metrics`: whoever has the token; without one anybody in development, and nobody
/// elsewhere.
fn read_metrics_access(
    variables: &Variables,
    environment: Environment,
    faults: &mut Faults,
) -> Option<MetricsAccess> {
    const NAME: &str = "METRICS_TOKEN";
    if !variables.is_set(NAME) {
        return Some(match environment {
            Environment::Development => MetricsAccess::Open,
            Environment::Staging | Environment::Production => MetricsAccess::Closed,
        });
    }
    find_token(NAME, variables, faults).map(MetricsAccess::Token)
}

/// A token that others send us, where one is set.
fn find_token(name: &str, variables: &Variables, faults: &mut Faults) -> Option<SecretString> {
    // Shorter ones can be guessed, and others could not be sent in a header.
    const SHORTEST: usize = 16;
    let token = variables.find_secret(name, faults)?;
    let text = token.expose_secret();
    if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        faults.add(
            name,
            "is not at least 16 characters of printable ASCII without blanks (openssl rand -hex 32)",
        );
        return None;
    }
    Some(token)
}

/// The claim that carries roles; Auth0 drops those that are no address.
fn read_roles_claim(variables: &Variables, faults: &mut Faults) -> Option<String> {
    const NAME: &str = "AUTH0_ROLES_CLAIM";
    let claim = variables.find_or_file(NAME, faults)?;
    let is_claim = claim.len() <= 200
        && Url::parse(&claim).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_claim {
        faults.add(NAME, "is not the name of a claim, such as https://portal.example.com/roles");
        return None;
    }
    Some(claim)
}

/// The Management API's client, where it is another one than the portal's own.
fn read_management(variables: &Variables, faults: &mut Faults) -> Option<(String, SecretString)> {
    const ID: &str = "AUTH0_MANAGEMENT_CLIENT_ID";
    const SECRET: &str = "AUTH0_MANAGEMENT_CLIENT_SECRET";
    let id = variables.find_or_file(ID, faults);
    let secret = variables.find_secret(SECRET, faults);
    match (id, secret) {
        (Some(id), Some(secret)) => Some((id, secret)),
        (None, None) => None,
        (Some(_), None) => faults.missing(SECRET, "the secret of AUTH0_MANAGEMENT_CLIENT_ID"),
        (None, Some(_)) => faults.missing(ID, "the client of AUTH0_MANAGEMENT_CLIENT_SECRET"),
    }
}

/// A database's address, where one is set.
fn find_database_url(
    variables: &Variables,
    name: &str,
    faults: &mut Faults,
) -> Option<SecretString> {
    let url = variables.find_secret(name, faults)?;
    if check_address(&url).is_err() {
        faults.add(name, "is not of the form postgres://role:***@host:port/database");
        return None;
    }
    Some(url)
}

fn read_base_url(
    variables: &Variables,
    environment: Environment,
    faults: &mut Faults,
) -> Option<Url> {
    const NAME: &str = "PORTAL_BASE_URL";
    let text = match variables.find(NAME) {
        Some(text) => text,
        None if environment.is_development() => "http://localhost:8080",
        None => {
            return faults.missing(NAME, "the public origin, such as https://portal.example.com");
        }
    };
    let url = parse_http_url(NAME, text, environment, faults)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        faults.add(NAME, "is an origin: scheme, host and port, nothing after it");
        return None;
    }
    Some(url)
}

/// An http or https address; plain http only in development and only on this machine.
fn parse_http_url(
    name: &str,
    text: &str,
    environment: Environment,
    faults: &mut Faults,
) -> Option<Url> {
    let Ok(url) = Url::parse(text) else {
        faults.add(name, "is not a URL");
        return None;
    };
    let may_be_plain = environment.is_development() && is_loopback(&url);
    let is_allowed = url.scheme() == "https" || (url.scheme() == "http" && may_be_plain);
    if !is_allowed {
        faults.add(name, "must begin with https:// (plain http only in development, on loopback)");
        return None;
    }
    if url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() {
        faults.add(name, "must name a host and carry no credentials");
        return None;
    }
    Some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A role of the portal's beside the application's.
struct Role {
    variable: &'static str,
    meaning: &'static str,
    name: &'static str,
}

const WORKER_ROLE: Role = Role {
    variable: "DATABASE_WORKER_URL",
    meaning: "the Postgres address of the worker role",
    name: "portal_worker",
};

const PUBLIC_ROLE: Role = Role {
    variable: "DATABASE_PUBLIC_URL",
    meaning: "the Postgres address of the public's role",
    name: "portal_public",
};

const OPS_ROLE: Role = Role {
    variable: "DATABASE_OPS_URL",
    meaning: "the Postgres address of the platform operators' role",
    name: "portal_ops",
};

/// Connections of the operators' role: they are few.
const OPS_CONNECTIONS: u32 = 2;

/// A role's address; in development the owner's with the role's name, since the development roles
/// share one password.
fn read_role_url(
    role: &Role,
    variables: &Variables,
    environment: Environment,
    faults: &mut Faults,
) -> Option<SecretString> {
    if let Some(url) = find_database_url(variables, role.variable, faults) {
        return Some(url);
    }
    let derived = environment
        .is_development()
        .then(|| find_database_url(variables, "DATABASE_OWNER_URL", faults))
        .flatten()
        .and_then(|owner| {
            let mut url = Url::parse(owner.expose_secret()).ok()?;
            url.set_username(role.name).ok()?;
            Some(SecretString::from(String::from(url)))
        });
    derived.or_else(|| faults.missing(role.variable, role.meaning))
}

/// The operators' organization and their database; `Some(None)` where there are no operators.
#[expect(clippy::option_option, reason = "absent by choice is not absent by fault")]
fn read_platform(
    variables: &Variables,
    environment: Environment,
    faults: &mut Faults,
) -> Option<Option<(OrgId, SecretString)>> {
    const NAME: &str = "PLATFORM_ORG_ID";
    let Some(text) = variables.find(NAME) else { return Some(None) };
    let Ok(org) = text.parse::<OrgId>() else {
        faults.add(NAME, "is not an organization's id, such as org_9f2cA1");
        return None;
    };
    Some(Some((org, read_role_url(&OPS_ROLE, variables, environment, faults)?)))
}

fn pool(url: SecretString, max_connections: u32, tuning: &Tuning) -> DatabaseSettings {
    DatabaseSettings {
        url,
        max_connections,
        acquire_timeout: Duration::from_millis(tuning.database.acquire_timeout_ms),
        statement_timeout: Duration::from_millis(tuning.database.statement_timeout_ms),
    }
}
