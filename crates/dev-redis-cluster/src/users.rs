//! The ACL users of the nodes.

use std::fmt;
use std::io;

use crate::programs;

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The ACL user.
    pub username: String,
    /// Its password; letters and digits only, unless given otherwise.
    pub password: String,
}

impl Login {
    fn new(username: &str, password: &str) -> Self {
        Self { username: username.to_owned(), password: password.to_owned() }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Login").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The passwords of a cluster.
#[derive(Clone)]
pub struct Passwords {
    /// Of `admin`, who may do everything.
    pub admin: String,
    /// Of `app`, who may do what ElastiCache lets its users do.
    pub app: String,
    /// Of `least`, who has exactly the rights that the portal's adapter needs.
    pub least: String,
    /// Of the user as which replicas come to their primaries.
    pub replication: String,
}

impl Passwords {
    /// New ones from the system's generator.
    pub fn random() -> io::Result<Self> {
        let random = programs::random_text;
        Ok(Self { admin: random()?, app: random()?, least: random()?, replication: random()? })
    }

    pub(crate) fn admin(&self) -> Login {
        Login::new("admin", &self.admin)
    }

    pub(crate) fn app(&self) -> Login {
        Login::new("app", &self.app)
    }

    pub(crate) fn least(&self) -> Login {
        Login::new("least", &self.least)
    }

    pub(crate) fn replication(&self) -> Login {
        Login::new("replication", &self.replication)
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Passwords").finish_non_exhaustive()
    }
}

/// What ElastiCache refuses to everybody on clusters of nodes.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/RestrictedCommands.html>
const REFUSED_BY_ELASTICACHE: &str = "-acl|setuser -acl|load -acl|save -acl|deluser -bgrewriteaof \
    -bgsave -save -cluster|addslots -cluster|addslotsrange -cluster|bumpepoch -cluster|delslots \
    -cluster|delslotsrange -cluster|failover -cluster|flushslots -cluster|forget -cluster|links \
    -cluster|meet -cluster|replicate -cluster|reset -cluster|saveconfig -cluster|set-config-epoch \
    -cluster|setslot -config -debug -migrate -psync -replicaof -slaveof -shutdown -sync";

/// What the portal's adapter sends, and nothing else: data, notices, setting up a connection,
/// looking at the cluster.
const LEAST: &str = "+get +mget +set +unlink +pexpire +exists +incrby +eval +scan \
    +publish +subscribe +unsubscribe +spublish +ssubscribe +sunsubscribe \
    +hello +auth +ping +info +client|id \
    +cluster|slots +asking +readonly";

/// The text of the ACL file, the same for all nodes.
pub(crate) fn acl_file(passwords: &Passwords) -> String {
    let Passwords { admin, app, least, replication } = passwords;
    format!(
        "user default off\n\
         user replication on >{replication} +psync +replconf +ping\n\
         user admin on >{admin} ~* &* +@all\n\
         user app on >{app} ~* &* +@all {REFUSED_BY_ELASTICACHE}\n\
         user least on >{least} ~* &* {LEAST}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_in_the_file_and_not_in_debug_output() {
        let passwords = Passwords::random().unwrap();
        let text = acl_file(&passwords);
        let shown = format!("{passwords:?} {:?}", passwords.app());
        for secret in [&passwords.admin, &passwords.app, &passwords.least, &passwords.replication] {
            assert_eq!(text.matches(secret.as_str()).count(), 1);
            assert!(!shown.contains(secret.as_str()), "{shown}");
        }
        assert_eq!(text.lines().count(), 5);
    }
}
