//! The unprivileged account that servers run as when the developer is root: PostgreSQL refuses
//! to run as root, and no other server needs to.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{Explain as _, Failure, Outcome};
use crate::host;

/// Accounts that are made for this, best first.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// A line of the system's list of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// Whom servers should run as: nobody else, unless we are root.
    pub(crate) fn for_servers() -> Outcome<Option<Self>> {
        if !host::is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").explain("read /etc/passwd")?;
        choose(&accounts).map(Some).ok_or_else(|| {
            Failure::new("there is no unprivileged account to run PostgreSQL as")
                .advise("run this as a user other than root, or make an account named `postgres`")
        })
    }

    /// The account that owns existing data: packages that were installed since it was made may have
    /// brought an account that would now be preferred.
    pub(crate) fn owner_of(folder: &Path) -> Option<Self> {
        let metadata = folder.metadata().ok()?;
        let (uid, gid) = (metadata.uid(), metadata.gid());
        let is_unprivileged = host::is_root() && uid != 0;
        is_unprivileged.then(|| Self { name: name_of(uid), uid, gid })
    }

    /// Lets a program run as this account.
    pub(crate) fn apply(&self, program: &mut Command) {
        program.uid(self.uid).gid(self.gid);
    }

    /// Whether this account can get to the folder: every folder above must let it through. Asked
    /// of the system, which knows about access lists and read-only mounts as well.
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        let mut probe = Command::new("true");
        self.apply(&mut probe);
        probe.current_dir(folder).stdin(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// Gives the file or folder to this account.
    pub(crate) fn own(&self, path: &Path) -> Outcome<()> {
        chown(path, Some(self.uid), Some(self.gid)).explain(format_args!(
            "give {} to {}",
            path.display(),
            self.name
        ))
    }
}

/// Gives a folder with all that is in it to the account.
pub(crate) fn give(folder: &Path, account: &Account) -> Outcome<()> {
    account.own(folder)?;
    let entries = fs::read_dir(folder).explain(format_args!("list {}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() { give(&path, account)? } else { account.own(&path)? }
    }
    Ok(())
}

/// The name of a user, or its number where the system knows no name.
fn name_of(uid: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find_map(|fields| match fields.as_slice() {
            [name, _, id, ..] if id.parse() == Ok(uid) => Some((*name).to_owned()),
            _ => None,
        })
        .unwrap_or_else(|| uid.to_string())
}

fn choose(accounts: &str) -> Option<Account> {
    CANDIDATES.iter().find_map(|name| accounts.lines().find_map(|line| parse(line, name)))
}

fn parse(line: &str, name: &str) -> Option<Account> {
    let mut fields = line.split(':');
    if fields.next()? != name {
        return None;
    }
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { name: name.to_owned(), uid, gid })
}

/// Makes a folder of ours that the servers' account can pass through but not list. A folder that
/// is there already must be ours: in a shared place somebody else could have put it.
pub(crate) fn make_passage(folder: &Path) -> Outcome<()> {
    let mode = if host::is_root() { 0o711 } else { 0o700 };
    make_folder(folder, mode)?;
    let metadata =
        fs::symlink_metadata(folder).explain(format_args!("read {}", folder.display()))?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Failure::new(format!("{} is not a folder of yours", folder.display()))
            .advise("remove it, or ask its owner to"));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))
        .explain(format_args!("set the rights of {}", folder.display()))
}

/// Makes a folder that only its owner can enter and gives it to the account.
pub(crate) fn make_private(folder: &Path, owner: Option<&Account>) -> Outcome<()> {
    make_folder(folder, 0o700)?;
    owner.map_or(Ok(()), |owner| owner.own(folder))
}

fn make_folder(folder: &Path, mode: u32) -> Outcome<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)
        .explain(format_args!("make the folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &str = "root:x:0:0:root:/root:/bin/bash\n\
        nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n\
        postgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn the_account_made_for_the_database_is_preferred() {
        let account = choose(ACCOUNTS).unwrap();
        assert_eq!(account, Account { name: "postgres".into(), uid: 101, gid: 104 });
    }

    #[test]
    fn root_has_a_name_and_an_unknown_user_a_number() {
        assert_eq!(name_of(0), "root");
        assert_eq!(name_of(4_000_000_000), "4000000000");
    }

    #[test]
    fn nobody_will_do_and_root_will_not() {
        let without: String = ACCOUNTS
            .lines()
            .filter(|line| !line.starts_with("postgres"))
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(choose(&without).unwrap().uid, 65534);
        assert_eq!(choose("root:x:0:0:root:/root:/bin/bash"), None);
        assert_eq!(choose("postgres:x:broken"), None);
    }
}
