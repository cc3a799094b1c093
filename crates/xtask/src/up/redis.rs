//! Which Redis the portal gets, and what has to be started for it.

use std::path::Path;

use dev_redis_cluster::{ClusterPlan, Ports};

use super::Installation;
use super::options::RedisMode;
use crate::environment::RedisChoice;
use crate::failure::{Explain as _, Outcome};
use crate::redis_cluster::RedisCluster;
use crate::{install, ports, redis, upstash};

/// First choices; the next free port is taken when one is in use.
const SERVER_PORT: u16 = 8379;
const CLUSTER_PORT: u16 = 7401;
const FRONT_PORT: u16 = 8079;

/// How a shell learns the addresses and passwords.
const WITH_SETTINGS: &str = "(. .dev/portal.env; redis-cli --no-auth-warning";

/// What the portal stores its cached answers in.
#[derive(Debug)]
pub(super) enum Redis {
    /// The provider in its own process.
    Memory,
    /// A server at this URL.
    Single(String),
    /// A cluster whose nodes run.
    Cluster(Box<ClusterPlan>),
    /// dev-upstash, to be started once it is built, over the server at this URL.
    Front { server: String, port: u16, token: String },
    /// The real service.
    Upstash { url: String, token: String },
}

impl Redis {
    pub(super) fn choice(&self) -> RedisChoice {
        match self {
            Self::Memory => RedisChoice::Memory,
            Self::Single(url) => RedisChoice::Single(url.clone()),
            Self::Cluster(plan) => {
                RedisChoice::Cluster { url: plan.url(), authority: plan.ca_file() }
            }
            Self::Front { port, token, .. } => {
                RedisChoice::Upstash { url: upstash::url(*port), token: token.clone() }
            }
            Self::Upstash { url, token } => {
                RedisChoice::Upstash { url: url.clone(), token: token.clone() }
            }
        }
    }

    pub(super) fn needs_front(&self) -> bool {
        matches!(self, Self::Front { .. })
    }

    /// For the summary: what it is and how to look into it, without passwords.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Memory => "none; the portal caches in its own memory".to_owned(),
            Self::Single(_) => format!("{WITH_SETTINGS} -u \"$REDIS_URL\")"),
            Self::Cluster(_) => format!(
                "{WITH_SETTINGS} -c --tls --cacert \"$REDIS_TLS_CA_FILE\" -u \"$REDIS_URL\")"
            ),
            Self::Front { server, port, .. } => {
                format!("{} (dev-upstash) over redis-cli -u {server}", upstash::url(*port))
            }
            Self::Upstash { url, .. } => format!("the Upstash database {url}"),
        }
    }
}

impl Installation<'_> {
    /// Starts the servers that exist without a build.
    pub(super) fn start_redis(&mut self, home: &Path) -> Outcome<Redis> {
        match self.options.redis {
            RedisMode::Memory => Ok(Redis::Memory),
            RedisMode::Single => {
                let password = self.secrets.password("REDIS_PASSWORD")?;
                self.start_redis_server(home, Some(&password)).map(Redis::Single)
            }
            RedisMode::Cluster => self.start_redis_cluster(home),
            RedisMode::Upstash => match real_upstash(variable) {
                Some((url, token)) => {
                    self.run.progress.note(&format!(
                        "Using the real Upstash database {url}, as UPSTASH_REDIS_REST_URL says"
                    ));
                    Ok(Redis::Upstash { url, token })
                }
                None => self.prepare_front(home),
            },
        }
    }

    fn start_redis_server(&mut self, home: &Path, password: Option<&str>) -> Outcome<String> {
        let program = install::redis(self.run)?;
        let server = redis::Server {
            name: "redis",
            program: &program,
            account: self.account.as_ref(),
            home: &home.join("redis"),
            password,
            port: SERVER_PORT,
        };
        let progress = &self.run.progress;
        progress.stage("Starting redis-server", || server.start(&mut self.services))
    }

    fn start_redis_cluster(&mut self, home: &Path) -> Outcome<Redis> {
        let program = install::redis(self.run)?;
        install::openssl(self.run)?;
        let cluster = RedisCluster {
            program: &program,
            account: self.account.as_ref(),
            home: &home.join("redis-cluster"),
            ports: Ports::at_or_after(CLUSTER_PORT).explain("find ports for the Redis Cluster")?,
            password: Some(self.secrets.password("REDIS_CLUSTER_PASSWORD")?),
        };
        self.run
            .progress
            .stage("Starting a Redis Cluster of six nodes", || cluster.start(&mut self.services))
            .map(|plan| Redis::Cluster(Box::new(plan)))
    }

    /// Starts what dev-upstash stands before, and chooses where it will listen.
    fn prepare_front(&mut self, home: &Path) -> Outcome<Redis> {
        // Without a password: dev-upstash would have to be told it on its command line.
        let server = self.start_redis_server(home, None)?;
        let token = self.secrets.password("UPSTASH_TOKEN")?;
        Ok(Redis::Front { server, port: ports::free_from(FRONT_PORT)?, token })
    }

    /// Starts dev-upstash where it is what the portal speaks to.
    pub(super) fn start_front(&mut self, redis: &Redis, binaries: &Path) -> Outcome<()> {
        let Redis::Front { server, port, token } = redis else { return Ok(()) };
        let program = binaries.join(upstash::NAME);
        let front = upstash::Front { program: &program, port: *port, redis: server, token };
        let title = format!("Starting dev-upstash on port {port}");
        self.run.progress.stage(&title, || front.start(&mut self.services))
    }
}

/// The real service, where the developer's shell names all of it.
fn real_upstash(variable: impl Fn(&str) -> Option<String>) -> Option<(String, String)> {
    Some((variable("UPSTASH_REDIS_REST_URL")?, variable("UPSTASH_REDIS_REST_TOKEN")?))
}

#[expect(
    clippy::disallowed_methods,
    reason = "what the portal would read, were it started by hand"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_service_needs_both_variables() {
        let both = |name: &str| Some(name.to_lowercase());
        assert_eq!(
            real_upstash(both),
            Some(("upstash_redis_rest_url".into(), "upstash_redis_rest_token".into()))
        );
        for missing in ["UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"] {
            assert_eq!(real_upstash(|name| (name != missing).then(|| "set".into())), None);
        }
    }

    #[test]
    fn the_summary_shows_no_secret() {
        let front =
            Redis::Front { server: "redis://127.0.0.1:1".into(), port: 2, token: "secret".into() };
        let real = Redis::Upstash { url: "https://a.upstash.io".into(), token: "secret".into() };
        let single = Redis::Single("redis://:secret@127.0.0.1:1".into());
        for redis in [front, real, single] {
            assert!(!redis.summary().contains("secret"), "{}", redis.summary());
        }
    }
}
