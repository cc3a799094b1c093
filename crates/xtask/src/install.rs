//! Installs the servers that are missing, where we know how; elsewhere says what to install.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Explain as _, Failure, Outcome};
use crate::host;
use crate::postgres::{self, Binaries, OLDEST};
use crate::processes::command;
use crate::run::Run;

/// Longest installation of packages.
const INSTALLATION: Duration = Duration::from_secs(900);

/// Debian's scripts ask this program whether a freshly installed server may be started; 101 is no.
const START_POLICY: &str = "/usr/sbin/policy-rc.d";
const NO_STARTS: &str = "#!/bin/sh\n# for one installation by employer-portal's xtask\nexit 101\n";

/// Tells Debian's PostgreSQL packages not to make a database of their own.
const CLUSTER_POLICY: &str = "/etc/postgresql-common/createcluster.d/employer-portal.conf";
const NO_CLUSTERS: &str =
    "# for one installation by employer-portal's xtask\ncreate_main_cluster = false\n";

/// PostgreSQL's programs: of the version of data that exists already, or new enough; installed when
/// there are none.
pub(crate) fn postgres(run: &Run, data_is_of: Option<u32>) -> Outcome<Binaries> {
    if let Some(binaries) = postgres::choose(Binaries::installed(), data_is_of) {
        return Ok(binaries);
    }
    if let Some(major) = data_is_of {
        return Err(Failure::new(format!(
            "the data here is of PostgreSQL {major}, which is no longer installed"
        ))
        .advise(format!(
            "install PostgreSQL {major}, or start over with `cargo xtask up --reset`"
        )));
    }
    packages(run, "PostgreSQL", "postgresql", "postgresql@16")?;
    postgres::choose(Binaries::installed(), None).ok_or_else(|| {
        Failure::new(format!("the PostgreSQL of this system's packages is older than {OLDEST}"))
            .advise("install a newer one from https://www.postgresql.org/download/")
    })
}

/// The redis-server program; installed when it is missing.
pub(crate) fn redis(run: &Run) -> Outcome<PathBuf> {
    const NAME: &str = "redis-server";
    if let Some(program) = host::find_program(NAME) {
        return Ok(program);
    }
    packages(run, "Redis", NAME, "redis")?;
    host::find_program(NAME)
        .ok_or_else(|| Failure::new("Redis was installed but there is no redis-server"))
}

/// Looks for the openssl program, which makes the certificates of servers that speak TLS; installs
/// it when it is missing.
pub(crate) fn openssl(run: &Run) -> Outcome<()> {
    const NAME: &str = "openssl";
    if host::find_program(NAME).is_some() {
        return Ok(());
    }
    packages(run, "OpenSSL", NAME, NAME)
}

/// The programs node and npm; installed when they are missing. How old they are is the caller's to
/// judge.
pub(crate) fn node(run: &Run) -> Outcome<(PathBuf, PathBuf)> {
    const NAMES: [(&str, &str); 2] = [("node", "nodejs"), ("npm", "npm")];
    let mut programs = Vec::new();
    for (name, package) in NAMES {
        if host::find_program(name).is_none() {
            packages(run, name, package, "node")?;
        }
        let missing = || Failure::new(format!("{package} was installed but there is no {name}"));
        programs.push(host::find_program(name).ok_or_else(missing)?);
    }
    match <[PathBuf; 2]>::try_from(programs) {
        Ok([node, npm]) => Ok((node, npm)),
        Err(_) => Err(Failure::new("node and npm cannot be found")),
    }
}

/// The browser Chromium and the program that drives it; installed when they are missing.
pub(crate) fn chromium(run: &Run) -> Outcome<(PathBuf, PathBuf)> {
    const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
    const DRIVER: &str = "chromedriver";
    let find = || NAMES.into_iter().find_map(host::find_program);
    if find().is_none() {
        packages(run, "Chromium", "chromium", "chromium")?;
    }
    if host::find_program(DRIVER).is_none() {
        packages(run, "ChromeDriver", "chromium-driver", DRIVER)?;
    }
    let missing = || Failure::new("Chromium or its driver was installed but cannot be found");
    find().zip(host::find_program(DRIVER)).ok_or_else(missing)
}

/// nginx and its module Nchan.
#[derive(Debug)]
pub(crate) struct Nchan {
    pub(crate) nginx: PathBuf,
    pub(crate) module: PathBuf,
}

/// Nchan, which live streams are measured beside; installed when it is missing.
pub(crate) fn nchan(run: &Run) -> Outcome<Nchan> {
    const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
    let find = || {
        let nginx = host::find_program("nginx")?;
        Path::new(MODULE).is_file().then(|| Nchan { nginx, module: MODULE.into() })
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    if host::find_program("apt-get").is_none() {
        return Err(Failure::new(
            "Nchan is measured beside, and it comes with Debian and Ubuntu only",
        )
        .advise("run these measurements on Debian or Ubuntu"));
    }
    packages(run, "Nchan", "libnginx-mod-nchan", "nginx")?;
    find().ok_or_else(|| Failure::new(format!("Nchan was installed but there is no {MODULE}")))
}

fn packages(run: &Run, what: &str, debian: &str, homebrew: &str) -> Outcome<()> {
    if host::find_program("apt-get").is_some() {
        run.progress.note(&format!("Installing {what} (apt-get install {debian})"));
        return apt(run, debian);
    }
    if let Some(brew) = host::find_program("brew") {
        run.progress.note(&format!("Installing {what} (brew install {homebrew})"));
        let mut install = command(brew);
        install.args(["install", homebrew]).env("HOMEBREW_NO_AUTO_UPDATE", "1");
        return run.must_succeed(install, "brew install", INSTALLATION);
    }
    Err(Failure::new(format!(
        "{what} is not installed, and neither apt-get nor brew is here to do it"
    ))
    .advise(format!("install {what} with your system's package manager and run this again")))
}

fn apt(run: &Run, package: &str) -> Outcome<()> {
    let by_hand = format!("run `apt-get install {package}` yourself and look at what it says");
    let result = (|| {
        run.must_succeed(
            privileged(&["apt-get", "update", "-qq"])?,
            "apt-get update",
            INSTALLATION,
        )?;
        let _policies = Policies::set();
        let install = [
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "-o",
            "DPkg::Lock::Timeout=120",
            package,
        ];
        run.must_succeed(privileged(&install)?, "apt-get install", INSTALLATION)
    })();
    result.map_err(|failure| failure.advise(by_hand))
}

/// The command as root: as it is, or through sudo, which may ask for a password at a keyboard.
fn privileged(words: &[&str]) -> Outcome<Command> {
    let mut all = Vec::new();
    if !host::is_root() {
        if host::find_program("sudo").is_none() {
            return Err(Failure::new("installing packages needs root, and there is no sudo"));
        }
        all.push("sudo");
        if !host::has_keyboard() {
            all.push("-n");
        }
    }
    all.extend(words);
    let mut words = all.into_iter();
    let mut program = command(words.next().unwrap_or_default());
    program.args(words);
    if !host::is_root() && host::has_keyboard() {
        // sudo reads the password from the terminal, which only the foreground group may do.
        use std::os::unix::process::CommandExt as _;
        program.process_group(rustix::process::getpgrp().as_raw_nonzero().get());
    }
    Ok(program)
}

/// While it lives, packages that are installed start no servers and make no databases: ours are
/// private. Only root can set this; for others the packages do as they always do, which does no
/// harm but uses the standard ports.
struct Policies(Vec<PathBuf>);

impl Policies {
    fn set() -> Self {
        let mut made = Vec::new();
        if host::is_root() {
            for (path, text, mode) in
                [(START_POLICY, NO_STARTS, 0o755), (CLUSTER_POLICY, NO_CLUSTERS, 0o644)]
            {
                match make(Path::new(path), text, mode) {
                    Ok(true) => made.push(PathBuf::from(path)),
                    Ok(false) => {}
                    Err(failure) => failure.print(),
                }
            }
        }
        Self(made)
    }
}

/// Makes the file unless the system has one, whose word then counts. One that a killed run of ours
/// has left is taken over.
fn make(path: &Path, text: &str, mode: u32) -> Outcome<bool> {
    if path.exists() && fs::read_to_string(path).ok().as_deref() != Some(text) {
        return Ok(false);
    }
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    write().explain(format_args!("write {}", path.display())).map(|()| true)
}

impl Drop for Policies {
    fn drop(&mut self) {
        for path in &self.0 {
            if let Err(error) = fs::remove_file(path) {
                eprintln!("warning: cannot remove {}: {error}", path.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_of_the_system_is_respected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/policy");
        assert!(make(&path, NO_STARTS, 0o755).unwrap());
        assert!(make(&path, NO_STARTS, 0o755).unwrap(), "left by a run of ours");
        assert!(!make(&path, "other", 0o755).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), NO_STARTS);
        drop(Policies(vec![path.clone()]));
        assert!(!path.exists());
    }
}
