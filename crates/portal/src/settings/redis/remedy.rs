//! From what is wrong with a connection to a line that names the variable and says what to do.
//!
//! An adapter knows what it met; only the settings know where the value came from.

use redis_provider::{ConnectError, Misconfiguration, RedisError};

use super::credentials::Login;
use super::{ElastiCacheOrigins, Service, UpstashOrigins};

/// Longest text of a service or a library that a line repeats.
const MAX_QUOTED_CHARS: usize = 160;

impl Service {
    /// One line about a connection that waiting will not mend.
    pub(crate) fn explain(&self, error: &ConnectError) -> String {
        let fault = match error {
            ConnectError::Misconfigured(fault) => fault,
            ConnectError::Settings(problem) => {
                return format!("{} cannot be used: {}", self.address_variable(), quoted(problem));
            }
        };
        match self {
            Self::Memory(_) => quoted(&fault.to_string()),
            Self::ElastiCache(_, origins) => of_server(fault, origins),
            Self::Upstash(_, origins) => of_upstash(fault, origins),
        }
    }

    /// One line about a service that does not answer, or not as it should.
    pub(crate) fn explain_failure(&self, error: &RedisError) -> String {
        let (name, place) = (self.address_variable(), self.place());
        match error {
            RedisError::Unavailable(reason) => format!(
                "{name} leads to {place}, where nobody answers ({}); check the address, that the \
                 service runs, and that the network lets this machine through",
                quoted(reason)
            ),
            RedisError::Timeout { .. } => format!(
                "{name} leads to {place}, which did not answer in time; check the network, or \
                 raise PORTAL__REDIS__COMMAND_TIMEOUT_MS if it is far away"
            ),
            RedisError::Throttled { reason, .. } => format!(
                "{name} leads to {place}, which refuses for now ({}); wait for the end of the \
                 period, or choose a larger plan",
                quoted(reason)
            ),
            RedisError::Rejected(reason) => self.explain_refusal(reason),
            RedisError::Protocol(reason) => format!(
                "{name} leads to {place}, which answers in another way than such a service does \
                 ({}); check the address",
                quoted(reason)
            ),
        }
    }

    fn explain_refusal(&self, reason: &str) -> String {
        let refused = quoted(reason);
        match (missing_right(reason), self) {
            (Some(right), _) => self.explain(&Misconfiguration::MissingRight(right).into()),
            (None, _) if reason.starts_with("OOM") => format!(
                "{} leads to a service whose memory is full ({refused}); give it more, or an \
                 eviction policy such as volatile-lru",
                self.address_variable()
            ),
            (None, _) => format!(
                "{} leads to a service that refuses the command: {refused}",
                self.address_variable()
            ),
        }
    }

    fn address_variable(&self) -> &'static str {
        match self {
            Self::Memory(_) => "REDIS_PROVIDER",
            Self::ElastiCache(_, origins) => origins.address,
            Self::Upstash(_, origins) => origins.address,
        }
    }

    /// Where the service is, without credentials.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Memory(_) => "this process".to_owned(),
            Self::ElastiCache(settings, _) => {
                let seeds: Vec<_> =
                    settings.seeds.iter().map(|(host, port)| format!("{host}:{port}")).collect();
                seeds.join(", ")
            }
            Self::Upstash(settings, _) => settings.url.origin().ascii_serialization(),
        }
    }
}

/// The right that a server's refusal names, as an ACL rule.
fn missing_right(reason: &str) -> Option<String> {
    let text = reason.strip_prefix("NOPERM")?;
    if text.contains("channel") {
        return Some("&*".to_owned());
    }
    let command = text.split('\'').nth(1).filter(|_| text.contains("command"));
    Some(command.map_or_else(|| "~*".to_owned(), |name| format!("+{}", name.to_lowercase())))
}

/// A right as an ACL rule: adapters name the command, or repeat what the service said.
fn rule(right: &str) -> String {
    let is_command = right.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'|');
    if is_command { format!("+{}", right.to_lowercase()) } else { quoted(right) }
}

fn of_server(fault: &Misconfiguration, origins: &ElastiCacheOrigins) -> String {
    let ElastiCacheOrigins { address, encryption, cluster, login, has_authority } = *origins;
    let is_in_url = encryption == address;
    match fault {
        Misconfiguration::Credentials => refused_login(address, login),
        Misconfiguration::PasswordMissing if address == "REDIS_HOST" => {
            "REDIS_PASSWORD is not set and the server asks for one; set it".to_owned()
        }
        Misconfiguration::PasswordMissing => format!(
            "{address} carries no password and the server asks for one; write \
             rediss://user:password@host:port, or set REDIS_PASSWORD"
        ),
        Misconfiguration::TlsExpected if is_in_url => format!(
            "{address} speaks plain text to a port that seems to expect TLS; write rediss:// for redis://"
        ),
        Misconfiguration::TlsExpected => {
            format!("{encryption} is not true and the port seems to expect TLS; set it to true")
        }
        Misconfiguration::TlsUnexpected if is_in_url => format!(
            "{address} asks for TLS and the port does not speak it; turn encryption in transit on \
             at the service, or in development write redis:// for rediss://"
        ),
        Misconfiguration::TlsUnexpected => format!(
            "{encryption} is true and the port does not speak TLS; turn encryption in transit on at \
             the service, or in development set it to false"
        ),
        Misconfiguration::Certificate(reason) if has_authority => format!(
            "REDIS_TLS_CA_FILE does not vouch for the server that {address} leads to ({}); set it \
             to the authority that signed the server's certificate, and use the name in there",
            quoted(reason)
        ),
        Misconfiguration::Certificate(reason) => format!(
            "{address} leads to a server whose certificate cannot be trusted ({}); use the name \
             that the certificate is for, and for an authority of your own REDIS_TLS_CA_FILE",
            quoted(reason)
        ),
        Misconfiguration::NotACluster if cluster == address => format!(
            "{address} says cluster and the server is a single one; write rediss:// without -cluster"
        ),
        Misconfiguration::NotACluster => {
            format!("{cluster} is true and the server is a single one; set it to auto or false")
        }
        Misconfiguration::UnexpectedCluster => {
            format!(
                "{cluster} is false and the server is a node of a cluster; set it to auto or true"
            )
        }
        Misconfiguration::ReadOnly => format!(
            "{address} leads to a server or user that may only read; use the primary or \
             configuration endpoint, and a user who may write"
        ),
        Misconfiguration::MissingRight(right) => format!(
            "{} lacks the right {}; grant it (ACL SETUSER, or the user's access string)",
            user_of(address, login),
            rule(right)
        ),
        Misconfiguration::WrongService(reason) => format!(
            "{address} leads to something that is not Redis ({}); check host and port",
            quoted(reason)
        ),
    }
}

fn refused_login(address: &str, login: Login) -> String {
    match login {
        Login::Nobody => {
            format!("{address} leads to a server that asks for a user; set REDIS_PASSWORD")
        }
        Login::Url => format!(
            "{address} carries a user name or password that the server refuses; write the current \
             ones, percent-encoded"
        ),
        Login::Variables => "REDIS_PASSWORD is refused by the server; set the current one, and \
                             REDIS_USERNAME to the user whose it is"
            .to_owned(),
        Login::Iam => "REDIS_IAM_USER is refused by the server; check that the user's id is its \
                       name and its authentication IAM, REDIS_IAM_CACHE_NAME, REDIS_IAM_REGION, \
                       and that the AWS keys allow elasticache:Connect"
            .to_owned(),
    }
}

/// The user, by the variable that names it.
fn user_of(address: &str, login: Login) -> String {
    match login {
        Login::Variables => "the user of REDIS_USERNAME and REDIS_PASSWORD".to_owned(),
        Login::Iam => "the user of REDIS_IAM_USER".to_owned(),
        Login::Url | Login::Nobody => format!("the user of {address}"),
    }
}

fn of_upstash(fault: &Misconfiguration, origins: &UpstashOrigins) -> String {
    let UpstashOrigins { address, token } = *origins;
    match fault {
        Misconfiguration::Credentials | Misconfiguration::PasswordMissing => format!(
            "{token} is refused; copy the REST token of the database that {address} leads to"
        ),
        Misconfiguration::ReadOnly => {
            format!("{token} is the read-only token; copy the standard one, which may write")
        }
        Misconfiguration::MissingRight(right) => format!(
            "{token} is of a user without the right {}; grant it, or copy the standard token",
            rule(right)
        ),
        Misconfiguration::TlsExpected => {
            format!("{address} begins with http:// and the port expects TLS; write https://")
        }
        Misconfiguration::TlsUnexpected => format!(
            "{address} begins with https:// and the port does not speak TLS; check the port"
        ),
        Misconfiguration::Certificate(reason) => format!(
            "{address} leads to a server whose certificate cannot be trusted ({}); copy the REST \
             address of the database again",
            quoted(reason)
        ),
        Misconfiguration::WrongService(reason) => format!(
            "{address} leads to something that is not Upstash ({}); copy the REST address of the \
             database again",
            quoted(reason)
        ),
        Misconfiguration::NotACluster | Misconfiguration::UnexpectedCluster => {
            format!("{address} leads to something that is not Upstash; check the address")
        }
    }
}

/// A foreign text on one line and of bounded length.
fn quoted(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
