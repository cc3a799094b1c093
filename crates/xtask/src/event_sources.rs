//! Clients of server-sent events that are not ours: a browser, and npm's `eventsource`.

use std::path::PathBuf;

use crate::failure::Outcome;
use crate::run::Run;
use crate::{install, npm};

/// Where script, package and lockfile are below `tests`.
const NAME: &str = "eventsource";
const FILES: [&str; 3] = ["package.json", "package-lock.json", "client.mjs"];

/// What runs them.
#[derive(Clone, Debug)]
pub(crate) struct EventSources {
    /// Runs with Node: `node client.mjs ADDRESS COOKIE`.
    pub(crate) script: PathBuf,
    pub(crate) chromium: PathBuf,
    pub(crate) chromedriver: PathBuf,
}

/// Finds or installs everything that they need.
pub(crate) fn install(run: &Run) -> Outcome<EventSources> {
    let (_node, npm) = install::node(run)?;
    let folder = npm::install(run, &npm, NAME, &FILES, false)?;
    let (chromium, chromedriver) = install::chromium(run)?;
    Ok(EventSources { script: folder.join("client.mjs"), chromium, chromedriver })
}
