//! What went wrong, and what the person at the keyboard can do about it.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use crate::processes::last_lines;

/// The result of every step.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Lines of a log that are shown when its program fails.
const EXCERPT_LINES: usize = 25;

/// Exit code of a command that was ended by Ctrl-C, as shells report it.
const INTERRUPTED: u8 = 130;

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Ctrl-C, SIGTERM or the terminal went away.
    Interrupted,
    /// Something failed.
    Problem { problem: String, advice: Vec<String>, log: Option<PathBuf> },
}

impl Failure {
    /// A failure without advice; add some with [`Failure::advise`].
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self::Problem { problem: problem.into(), advice: Vec::new(), log: None }
    }

    /// Adds a line that says what to do.
    pub(crate) fn advise(mut self, line: impl Into<String>) -> Self {
        if let Self::Problem { advice, .. } = &mut self {
            advice.push(line.into());
        }
        self
    }

    /// Names the log whose last lines explain the failure.
    pub(crate) fn with_log(mut self, path: &Path) -> Self {
        if let Self::Problem { log, .. } = &mut self {
            *log = Some(path.to_path_buf());
        }
        self
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => INTERRUPTED,
            Self::Problem { .. } => 1,
        }
    }

    /// Writes the failure to standard error.
    pub(crate) fn print(&self) {
        let Self::Problem { problem, advice, log } = self else {
            eprintln!("\nStopped.");
            return;
        };
        eprintln!("\nerror: {problem}");
        if let Some(log) = log {
            let lines = last_lines(log, EXCERPT_LINES);
            eprintln!("  the last lines of {}:", log.display());
            for line in lines {
                eprintln!("  | {line}");
            }
        }
        for line in advice {
            eprintln!("  what to do: {line}");
        }
    }
}

/// Turns an I/O error into a [`Failure`] that says what was being done.
pub(crate) trait Explain<T> {
    /// `what` completes the sentence "cannot …".
    fn explain(self, what: impl Display) -> Outcome<T>;
}

impl<T> Explain<T> for io::Result<T> {
    fn explain(self, what: impl Display) -> Outcome<T> {
        self.map_err(|error| Failure::new(format!("cannot {what}: {error}")))
    }
}
