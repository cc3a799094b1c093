//! The independent OpenID provider of the tests: npm's `oidc-provider`, which is certified, behind a
//! script of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::Outcome;
use crate::processes::{capture, command};
use crate::run::Run;
use crate::{host, install, npm};

/// Where script, package and lockfile are below `tests`.
const NAME: &str = "oidc-provider";
const FILES: [&str; 3] = ["package.json", "package-lock.json", "provider.mjs"];

/// The oldest Node that the provider runs on. Distributions have older ones, which still run npm;
/// a newer one is then among the packages.
const OLDEST_NODE: u32 = 22;

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
    let is_new_enough = major_of(&node)? >= OLDEST_NODE;
    let folder = npm::install(run, &npm, NAME, &FILES, !is_new_enough)?;
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
