//! A Redis Cluster with TLS and ACL users on loopback, for development and tests: six nodes, three
//! primaries with a replica each, as ElastiCache builds them in cluster mode.
//!
//! Used by `cargo xtask` (a cluster for the portal, one for all tests) and by tests that break a
//! cluster of their own; never linked into the portal. What holds:
//!
//! - the standard library only, so that xtask still builds in seconds;
//! - the programs `redis-server`, `redis-cli`, `openssl` and `kill` do the work;
//! - nodes listen on loopback and keep nothing; certificates and passwords are made anew for each
//!   cluster and can be read by nobody else;
//! - every wait has a limit; what [`OwnCluster`] and [`OwnServer`] start ends with them.
//!
//! ```no_run
//! use std::path::Path;
//! use std::time::Duration;
//!
//! let cluster = dev_redis_cluster::OwnCluster::start(Path::new("redis-server"));
//! println!("{} with the authority {}", cluster.url(), cluster.ca_file().display());
//! cluster.kill(0);
//! cluster.wait_until_ok(Duration::from_secs(10));
//! assert!(!cluster.primaries().contains(&0));
//! ```

mod certificates;
mod cli;
mod form;
mod own;
mod plan;
mod ports;
mod process;
mod programs;
mod server;
mod slots;
mod topology;
mod users;

pub use own::OwnCluster;
pub use plan::ClusterPlan;
pub use ports::Ports;
pub use server::{OwnServer, ServerOptions};
pub use slots::{SLOTS, slot_of_key};
pub use users::{Login, Passwords};

/// Nodes of a cluster: the first half begin as primaries, the second half as their replicas.
pub const NODES: usize = 6;

/// Primaries of a cluster that is whole.
pub const PRIMARIES: usize = NODES / 2;

/// The `redis-server` that `cargo xtask test` has found or installed; without it, the one in PATH.
pub fn redis_server_program() -> std::path::PathBuf {
    programs::variable("PORTAL_TEST_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}
