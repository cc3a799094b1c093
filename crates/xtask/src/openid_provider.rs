//! The independent OpenID provider of the tests: npm's `oidc-provider`, which is certified, behind a
//! script of ours. It has a folder of its own below the target folder; the lockfile is committed,
//! the registry is whatever the machine's npm is set up with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::{Explain as _, Outcome};
use crate::processes::{capture, command};
use crate::run::Run;
use crate::{host, install};

/// Where script, package and lockfile are in the checkout.
const SOURCE: &str = "tests/oidc-provider";
const FILES: [&str; 3] = ["package.json", "package-lock.json", "provider.mjs"];

/// What is written when the packages are there: the lockfile that they are those of.
const INSTALLED: &str = "installed.json";

/// The oldest Node that the provider runs on. Distributions have older ones, which still run npm;
/// a newer one is then among the packages.
const OLDEST_NODE: u32 = 22;

const DOWNLOAD: Duration = Duration::from_secs(300);
const QUESTION: Duration = Duration::from_secs(20);

/// What runs the provider: `node provider.mjs PORT ACCESS_TOKEN_SECONDS`.
#[derive(Clone, Debug)]
pub(crate) struct OpenIdProvider {
    pub(crate) node: PathBuf,
    pub(crate) script: PathBuf,
}

/// Finds or installs everything that the provider needs.
pub(crate) fn install(run: &Run) -> Outcome<OpenIdProvider> {
    let (node, npm) = install::node(run)?;
    let folder = run.target_directory()?.join("oidc-provider");
    let source = run.checkout.join(SOURCE);
    fs::create_dir_all(&folder).explain(format_args!("make {}", folder.display()))?;
    for file in FILES {
        let (from, to) = (source.join(file), folder.join(file));
        fs::copy(&from, &to).explain(format_args!("copy {}", from.display()))?;
    }
    let is_new_enough = major_of(&node)? >= OLDEST_NODE;
    let wanted = format!("{}\n{is_new_enough}\n", read(&folder.join("package-lock.json"))?);
    if read(&folder.join(INSTALLED)).ok() != Some(wanted.clone()) {
        run.progress.stage("Installing oidc-provider (npm ci)", || {
            let mut install = command(&npm);
            install.current_dir(&folder).args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ]);
            if is_new_enough {
                install.arg("--omit=optional");
            }
            run.must_succeed(install, "npm ci", DOWNLOAD).map_err(|failure| {
                failure.advise("npm takes packages from the registry of `npm config get registry`")
            })
        })?;
        let done = folder.join(INSTALLED);
        fs::write(&done, wanted).explain(format_args!("write {}", done.display()))?;
    }
    let node = if is_new_enough { node } else { packaged_node(&folder).unwrap_or(node) };
    Ok(OpenIdProvider { node, script: folder.join("provider.mjs") })
}

/// The Node among the packages; npm installs the one for this machine alone.
fn packaged_node(folder: &Path) -> Option<PathBuf> {
    let packages = fs::read_dir(folder.join("node_modules")).ok()?.flatten();
    packages
        .filter(|package| package.file_name().to_string_lossy().starts_with("node-"))
        .map(|package| package.path().join("bin/node"))
        .find(|program| host::is_program(program))
}

/// The major version of a Node.
fn major_of(node: &Path) -> Outcome<u32> {
    let mut question = command(node);
    question.arg("--version");
    let answer = capture(&mut question, QUESTION)?.require("node --version")?;
    Ok(parse_major(&answer).unwrap_or_default())
}

fn parse_major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).explain(format_args!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read() {
        assert_eq!(parse_major("v22.23.3\n"), Some(22));
        assert_eq!(parse_major("v18.20.4"), Some(18));
        assert_eq!(parse_major("nonsense"), None);
    }
}
