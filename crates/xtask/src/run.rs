//! What every command carries along: the checkout, the wish to stop, the progress lines.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::failure::{Explain as _, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::processes::{self, capture, command};
use crate::progress::Progress;

/// One execution of a developer command.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) checkout: PathBuf,
    pub(crate) interrupt: Interrupt,
    pub(crate) progress: Progress,
}

impl Run {
    pub(crate) fn begin() -> Outcome<Self> {
        let here = std::env::current_dir().explain("read the current folder")?;
        let checkout = checkout_above(&here).ok_or_else(|| {
            Failure::new(format!("{} is not inside a checkout of the portal", here.display()))
                .advise("change into the folder that git clone made")
        })?;
        Ok(Self { checkout, interrupt: Interrupt::listen()?, progress: Progress::begin() })
    }

    /// `cargo` in the checkout.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = command("cargo");
        cargo.current_dir(&self.checkout);
        cargo
    }

    /// Runs a program to its end with its output on ours, and fails when it fails.
    pub(crate) fn must_succeed(
        &self,
        mut program: Command,
        what: &str,
        limit: Duration,
    ) -> Outcome<()> {
        let child = program.spawn().explain(format_args!("run {what}"))?;
        let status = processes::wait(child, &self.interrupt, what, limit, || Ok(()))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("{what} failed ({status})")))
    }

    /// Where cargo puts what it builds, wherever the settings of this machine have moved it.
    pub(crate) fn target_directory(&self) -> Outcome<PathBuf> {
        let mut metadata = self.cargo();
        metadata.args(["metadata", "--no-deps", "--format-version=1"]);
        let output = capture(&mut metadata, Duration::from_secs(60))?.require("cargo metadata")?;
        serde_json::from_str::<serde_json::Value>(&output)
            .ok()
            .and_then(|metadata| Some(PathBuf::from(metadata.get("target_directory")?.as_str()?)))
            .ok_or_else(|| Failure::new("`cargo metadata` names no target directory"))
    }
}

/// The nearest folder at or above `start` that holds this workspace.
fn checkout_above(start: &Path) -> Option<PathBuf> {
    start
        .ancestors()
        .find(|folder| folder.join("crates/xtask/Cargo.toml").is_file())
        .map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_found_from_any_folder_inside() {
        let inside = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let checkout = checkout_above(&inside).unwrap();
        assert!(checkout.join("Cargo.toml").is_file());
        assert_eq!(checkout_above(Path::new("/")), None);
    }
}
