//! A cluster to be: its files, its nodes' command lines, its addresses.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::certificates::Certificates;
use crate::cli::{self, Cli};
use crate::ports::Ports;
use crate::programs;
use crate::users::{self, Login, Passwords};

/// How long a node may be silent before the others call it dead: short, for tests that wait for a
/// failover. Nodes also look at each other twice in this time.
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a cluster lives and who may use it. In order: [`ClusterPlan::prepare`], start what
/// [`ClusterPlan::node_commands`] says, [`ClusterPlan::form`].
#[derive(Debug)]
pub struct ClusterPlan {
    /// For everything that the nodes read and write; made when missing.
    pub folder: PathBuf,
    /// The nodes' ports.
    pub ports: Ports,
    /// The program.
    pub redis_server: PathBuf,
    /// How long a node may be silent before it counts as dead.
    pub node_timeout: Duration,
    /// Of the ACL users.
    pub passwords: Passwords,
}

impl ClusterPlan {
    /// With passwords of its own and a node timeout of two seconds.
    pub fn new(folder: &Path, ports: Ports, redis_server: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: folder.to_path_buf(),
            ports,
            redis_server: redis_server.to_path_buf(),
            node_timeout: NODE_TIMEOUT,
            passwords: Passwords::random()?,
        })
    }

    /// Writes certificates, users and settings, and removes what earlier nodes remembered.
    pub fn prepare(&self) -> io::Result<()> {
        programs::make_private_folder(&self.folder)?;
        self.certificates().make()?;
        programs::write_private(&self.acl_file(), &users::acl_file(&self.passwords))?;
        for (node, port) in self.ports.all().iter().enumerate() {
            let folder = self.node_folder(node);
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            programs::make_private_folder(&folder)?;
            programs::write_private(&self.settings_file(node), &self.settings(node, *port))?;
        }
        Ok(())
    }

    /// What starts the nodes, in order. They stay in the foreground and write their log to standard
    /// output, so whoever starts them owns them.
    pub fn node_commands(&self) -> Vec<Command> {
        (0..self.ports.all().len()).map(|node| self.node_command(node)).collect()
    }

    pub(crate) fn node_command(&self, node: usize) -> Command {
        let mut command = Command::new(&self.redis_server);
        command.arg(self.settings_file(node)).current_dir(self.node_folder(node));
        command
    }

    /// For the portal's `REDIS_URL`: user `app`, over TLS, by way of the first node.
    pub fn url(&self) -> String {
        self.url_of(&self.app())
    }

    /// As [`ClusterPlan::url`], for another user.
    pub fn url_of(&self, login: &Login) -> String {
        format!("rediss://{}:{}@localhost:{}", login.username, login.password, self.ports.first())
    }

    /// What clients have to trust, in PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.certificates().authority()
    }

    /// The user with all rights.
    pub fn admin(&self) -> Login {
        self.passwords.admin()
    }

    /// The user with the rights that ElastiCache gives.
    pub fn app(&self) -> Login {
        self.passwords.app()
    }

    /// The user with exactly the rights that the portal's adapter needs.
    pub fn least(&self) -> Login {
        self.passwords.least()
    }

    pub(crate) fn cli(&self, node: usize, login: Login) -> io::Result<Cli> {
        Ok(Cli {
            program: cli::beside(&self.redis_server),
            port: self.ports.of(node)?,
            authority: Some(self.ca_file()),
            login: Some(login),
        })
    }

    pub(crate) fn node_folder(&self, node: usize) -> PathBuf {
        self.folder.join(format!("node-{node}"))
    }

    fn settings_file(&self, node: usize) -> PathBuf {
        self.node_folder(node).join("redis.conf")
    }

    fn acl_file(&self) -> PathBuf {
        self.folder.join("users.acl")
    }

    fn certificates(&self) -> Certificates {
        Certificates::in_folder(&self.folder)
    }

    fn settings(&self, node: usize, port: u16) -> String {
        let replication = self.passwords.replication();
        format!(
            "{common}{tls}\
             aclfile \"{acl_file}\"\n\
             tls-cluster yes\n\
             tls-replication yes\n\
             masteruser {user}\n\
             masterauth {password}\n\
             cluster-enabled yes\n\
             cluster-node-timeout {timeout}\n\
             cluster-announce-hostname localhost\n\
             cluster-preferred-endpoint-type hostname\n\
             # As ElastiCache sets it: a shard that is gone does not stop the others.\n\
             cluster-require-full-coverage no\n\
             # A replica takes over however long it has been without its primary, ...\n\
             cluster-replica-validity-factor 0\n\
             # ... and does not leave it for another, so that tests know who is whose.\n\
             cluster-allow-replica-migration no\n\
             repl-diskless-sync-delay 0\n\
             repl-ping-replica-period 1\n",
            common = common_settings(&self.node_folder(node)),
            tls = tls_settings(port, &self.certificates()),
            acl_file = self.acl_file().display(),
            user = replication.username,
            password = replication.password,
            timeout = self.node_timeout.as_millis(),
        )
    }
}

/// What every server of ours is told: it keeps nothing, and ends at once when asked.
pub(crate) fn common_settings(folder: &Path) -> String {
    format!(
        "bind 127.0.0.1\n\
         dir \"{}\"\n\
         daemonize no\n\
         save \"\"\n\
         appendonly no\n\
         shutdown-timeout 0\n\
         enable-debug-command local\n\
         # The title would overwrite the environment, by which a test run finds what it left.\n\
         set-proc-title no\n",
        folder.display()
    )
}

/// TLS alone on the port; clients need no certificate.
pub(crate) fn tls_settings(port: u16, certificates: &Certificates) -> String {
    format!(
        "port 0\n\
         tls-port {port}\n\
         tls-cert-file \"{}\"\n\
         tls-key-file \"{}\"\n\
         tls-ca-cert-file \"{}\"\n\
         tls-auth-clients no\n",
        certificates.certificate().display(),
        certificates.key().display(),
        certificates.authority().display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_the_user_and_the_first_node() {
        let ports = Ports::scattered().unwrap();
        let first = ports.first();
        let plan = ClusterPlan::new(Path::new("/x y"), ports, Path::new("redis-server")).unwrap();
        let password = &plan.passwords.app;
        assert_eq!(plan.url(), format!("rediss://app:{password}@localhost:{first}"));
        assert!(plan.settings(0, first).contains("\ndir \"/x y/node-0\"\n"));
        assert!(!format!("{plan:?}").contains(password));
    }
}
