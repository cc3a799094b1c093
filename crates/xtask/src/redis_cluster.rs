//! A private Redis Cluster with TLS and ACL users, as ElastiCache in cluster mode is.

use std::io;
use std::path::Path;
use std::time::Duration;

use dev_redis_cluster::{ClusterPlan, NODES, Ports};

use crate::accounts::{self, Account};
use crate::failure::{Explain as _, Outcome};
use crate::processes;
use crate::services::Services;

/// Of the nodes' logs.
const NAMES: [&str; NODES] = [
    "redis-node-0",
    "redis-node-1",
    "redis-node-2",
    "redis-node-3",
    "redis-node-4",
    "redis-node-5",
];

/// How long a node may be silent: nobody breaks these nodes on purpose, and a machine that is busy
/// with a build must not cause a failover.
const NODE_TIMEOUT: Duration = Duration::from_secs(10);

/// A cluster to start.
#[derive(Debug)]
pub(crate) struct RedisCluster<'a> {
    /// `redis-server`.
    pub(crate) program: &'a Path,
    pub(crate) account: Option<&'a Account>,
    /// Folder of its settings, certificates and passwords.
    pub(crate) home: &'a Path,
    pub(crate) ports: Ports,
    /// Of the user `app`, where it is to be the same every time.
    pub(crate) password: Option<String>,
}

impl RedisCluster<'_> {
    /// Starts the nodes and forms the cluster. The plan that is returned holds the ports.
    pub(crate) fn start(self, services: &mut Services) -> Outcome<ClusterPlan> {
        const WHAT: &str = "prepare the Redis Cluster";
        accounts::make_private(self.home, self.account)?;
        let mut plan = ClusterPlan::new(self.home, self.ports, self.program).explain(WHAT)?;
        plan.node_timeout = NODE_TIMEOUT;
        if let Some(password) = self.password {
            plan.passwords.app = password;
        }
        plan.prepare().explain(WHAT)?;
        if let Some(account) = self.account {
            accounts::give(self.home, account)?;
        }
        for (name, mut node) in NAMES.into_iter().zip(plan.node_commands()) {
            processes::detach(&mut node);
            if let Some(account) = self.account {
                account.apply(&mut node);
            }
            services.start(name, node)?;
        }
        let mut reason = None;
        let formed = plan.form(&mut || {
            services.look_after().map_err(|failure| {
                reason = Some(failure);
                io::Error::other("a server has ended, or a signal came")
            })
        });
        match reason {
            Some(failure) => Err(failure),
            None => formed.explain("form the Redis Cluster").map(|()| plan),
        }
    }
}
