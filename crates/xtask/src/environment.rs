//! The portal's environment in a private installation.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Outcome;
use crate::identity_provider::{CLIENT_ID, CLIENT_SECRET, PLATFORM_ORG, issuer};
use crate::postgres::{Cluster, DATABASE, RolePasswords};
use crate::secrets::Secrets;

/// What a developer's shell may have set for another installation and must not reach this one.
const FOREIGN: [&str; 19] = [
    "PORTAL_ENV",
    "PORTAL_LISTEN",
    "PORTAL_BASE_URL",
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "DATABASE_WORKER_URL",
    "DATABASE_PUBLIC_URL",
    "DATABASE_OPS_URL",
    "PLATFORM_ORG_ID",
    "AUTH0_ISSUER_BASE_URL",
    "AUTH0_CLIENT_ID",
    "AUTH0_CLIENT_SECRET",
    "AUTH0_AUDIENCE",
    "AUTH0_ROLES_CLAIM",
    "AUTH0_EVENTS_TOKEN",
    "AUTH0_MANAGEMENT_CLIENT_ID",
    "AUTH0_MANAGEMENT_CLIENT_SECRET",
    "SESSION_KEYS",
    "CACHE_ENCRYPTION_KEYS",
];

/// How the names of all variables that lead to some Redis begin; those of AWS sign its logins.
const FOREIGN_FAMILIES: [&str; 4] = ["REDIS_", "UPSTASH_", "KV_REST_API_", "AWS_"];

/// Where the parts of an installation listen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) portal: u16,
    pub(crate) identity_provider: u16,
}

impl Addresses {
    /// The portal's public origin.
    pub(crate) fn base_url(self) -> String {
        format!("http://localhost:{}", self.portal)
    }

    /// Where sign-in takes people back.
    pub(crate) fn callback(self) -> String {
        format!("{}/auth/callback", self.base_url())
    }
}

/// Which Redis the portal uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RedisChoice {
    /// None: the provider in the portal's own process.
    Memory,
    /// A single server at this URL.
    Single(String),
    /// A cluster behind TLS: the URL of a node, and the authority to trust.
    Cluster { url: String, authority: PathBuf },
    /// A service that speaks Upstash's protocol.
    Upstash { url: String, token: String },
}

/// Variables and their values.
pub(crate) struct Environment(Vec<(&'static str, String)>);

impl Environment {
    /// All that the portal needs, by the table of settings.
    pub(crate) fn of_portal(
        addresses: Addresses,
        cluster: &Cluster,
        passwords: &RolePasswords,
        redis: &RedisChoice,
        secrets: &mut Secrets,
        files: &Path,
    ) -> Outcome<Self> {
        let database = |role: &str, password: &str| cluster.url(role, password, DATABASE);
        let mut variables = vec![
            ("PORTAL_ENV", "development".to_owned()),
            ("PORTAL_LISTEN", format!("127.0.0.1:{}", addresses.portal)),
            ("PORTAL_BASE_URL", addresses.base_url()),
            ("DATABASE_URL", database("portal_app", &passwords.app)),
            ("DATABASE_OWNER_URL", database("portal_owner", &passwords.owner)),
            ("DATABASE_WORKER_URL", database("portal_worker", &passwords.worker)),
            ("DATABASE_PUBLIC_URL", database("portal_public", &passwords.public)),
            ("DATABASE_OPS_URL", database("portal_ops", &passwords.ops)),
            ("PLATFORM_ORG_ID", PLATFORM_ORG.to_owned()),
            ("AUTH0_ISSUER_BASE_URL", issuer(addresses.identity_provider)),
            ("AUTH0_CLIENT_ID", CLIENT_ID.to_owned()),
            ("AUTH0_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("SESSION_KEYS", secrets.session_keys()?),
            ("CACHE_ENCRYPTION_KEYS", secrets.cache_keys()?),
            ("PORTAL__FILES__FOLDER", files.display().to_string()),
        ];
        match redis {
            RedisChoice::Memory => variables.push(("REDIS_PROVIDER", "memory".to_owned())),
            RedisChoice::Single(url) => {
                variables.push(("REDIS_PROVIDER", "elasticache".to_owned()));
                variables.push(("REDIS_URL", url.clone()));
                variables.push(("REDIS_CLUSTER", "false".to_owned()));
            }
            RedisChoice::Cluster { url, authority } => {
                variables.push(("REDIS_PROVIDER", "elasticache".to_owned()));
                variables.push(("REDIS_URL", url.clone()));
                variables.push(("REDIS_TLS_CA_FILE", authority.display().to_string()));
            }
            RedisChoice::Upstash { url, token } => {
                variables.push(("REDIS_PROVIDER", "upstash".to_owned()));
                variables.push(("UPSTASH_REDIS_REST_URL", url.clone()));
                variables.push(("UPSTASH_REDIS_REST_TOKEN", token.clone()));
            }
        }
        Ok(Self(variables))
    }

    /// Gives the variables to a program, and takes away those that a shell has set for another
    /// installation, `*_FILE` variants included. `PORTAL__…` settings pass: they are how a
    /// developer tunes this one.
    pub(crate) fn apply(&self, program: &mut Command) {
        let set: Vec<_> = program.get_envs().map(|(name, _)| name.to_owned()).collect();
        #[expect(clippy::disallowed_methods, reason = "only the names count, to remove them")]
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.chain(set).filter(|name| name.to_str().is_some_and(is_foreign)) {
            program.env_remove(name);
        }
        program.envs(self.0.iter().map(|(name, value)| (name, value)));
    }

    /// The text of a file for `set -a; . file; set +a`.
    pub(crate) fn as_file(&self) -> String {
        let lines: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{name}='{}'\n", quoted(value))).collect();
        lines.concat()
    }
}

fn is_foreign(name: &str) -> bool {
    let without_file = name.strip_suffix("_FILE").unwrap_or(name);
    FOREIGN.contains(&without_file)
        || FOREIGN_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// The text between single quotes for a shell: a quote of its own ends them for a moment.
fn quoted(text: &str) -> String {
    text.replace('\'', r"'\''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_has_set_does_not_reach_the_portal() {
        let environment = Environment(vec![("REDIS_PROVIDER", "memory".into())]);
        let mut program = Command::new("true");
        program
            .env("REDIS_URL", "rediss://production.example")
            .env("REDIS_IAM_ANYTHING", "1")
            .env("KV_REST_API_TOKEN", "1")
            .env("AUTH0_CLIENT_SECRET_FILE", "/secret")
            .env("PORTAL__SESSION__IDLE_SECONDS", "9");
        environment.apply(&mut program);
        let value = |wanted: &str| {
            program
                .get_envs()
                .find(|(name, _)| *name == wanted)
                .and_then(|(_, value)| Some(value?.to_str().unwrap().to_owned()))
        };
        let foreign =
            ["REDIS_URL", "REDIS_IAM_ANYTHING", "KV_REST_API_TOKEN", "AUTH0_CLIENT_SECRET_FILE"];
        for name in foreign {
            assert_eq!(value(name), None, "{name}");
        }
        assert_eq!(value("REDIS_PROVIDER").as_deref(), Some("memory"));
        assert_eq!(value("PORTAL__SESSION__IDLE_SECONDS").as_deref(), Some("9"));
    }

    #[test]
    fn the_file_can_be_read_by_a_shell() {
        let environment =
            Environment(vec![("A", "x:YQ==".into()), ("B", "http://localhost/".into())]);
        assert_eq!(environment.as_file(), "A='x:YQ=='\nB='http://localhost/'\n");
        let odd = Environment(vec![("A", "it's".into())]).as_file();
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", &format!("{odd}printf %s \"$A\"")]).output().unwrap();
        assert_eq!(output.stdout, b"it's");
    }
}
