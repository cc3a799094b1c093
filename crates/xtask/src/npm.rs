//! Packages of npm that tests run beside the portal, each set in a folder of its own below the
//! target folder; the lockfile is committed, the registry is whatever the machine's npm is set up
//! with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::failure::{Explain as _, Outcome};
use crate::processes::command;
use crate::run::Run;

/// What is written when the packages are there: the lockfile that they are those of.
const INSTALLED: &str = "installed.json";

const DOWNLOAD: Duration = Duration::from_secs(300);

/// Copies `files` of `tests/<name>` and installs what their lockfile says, unless that is done
/// already; optional packages on demand. Answers the folder.
pub(crate) fn install(
    run: &Run,
    npm: &Path,
    name: &str,
    files: &[&str],
    with_optional: bool,
) -> Outcome<PathBuf> {
    let folder = run.target_directory()?.join(name);
    let source = run.checkout.join("tests").join(name);
    fs::create_dir_all(&folder).explain(format_args!("make {}", folder.display()))?;
    for file in files {
        let (from, to) = (source.join(file), folder.join(file));
        fs::copy(&from, &to).explain(format_args!("copy {}", from.display()))?;
    }
    let is_without = !with_optional;
    let wanted = format!("{}\n{is_without}\n", read(&folder.join("package-lock.json"))?);
    if read(&folder.join(INSTALLED)).ok().as_ref() == Some(&wanted) {
        return Ok(folder);
    }
    run.progress.stage(&format!("Installing {name} (npm ci)"), || {
        let mut install = command(npm);
        install.current_dir(&folder).args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]);
        if is_without {
            install.arg("--omit=optional");
        }
        run.must_succeed(install, "npm ci", DOWNLOAD).map_err(|failure| {
            failure.advise("npm takes packages from the registry of `npm config get registry`")
        })
    })?;
    let done = folder.join(INSTALLED);
    fs::write(&done, wanted).explain(format_args!("write {}", done.display()))?;
    Ok(folder)
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).explain(format_args!("read {}", path.display()))
}
