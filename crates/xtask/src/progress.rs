//! Progress lines: each stage with the time it took.

use std::cell::RefCell;
use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::failure::Outcome;

/// Stages shorter than this do not get a line for their end.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

/// Prints stages as they happen and remembers their times.
#[derive(Debug)]
pub(crate) struct Progress {
    started: Instant,
    stages: RefCell<Vec<Stage>>,
}

/// A stage that is over.
#[derive(Debug)]
struct Stage {
    title: String,
    /// None for one that was not run.
    took: Option<Duration>,
    remark: String,
}

impl Stage {
    /// Its line in the table.
    fn line(&self) -> String {
        let time = self.took.map_or_else(|| "not run".to_owned(), seconds);
        let colon = if self.remark.is_empty() { "" } else { ": " };
        format!("  {time:>8}  {}{colon}{}", self.title, self.remark)
    }
}

impl Progress {
    pub(crate) fn begin() -> Self {
        Self { started: Instant::now(), stages: RefCell::default() }
    }

    fn start(&self, title: &str) -> Instant {
        self.note(title);
        Instant::now()
    }

    fn finish(&self, title: &str, since: Instant) {
        let took = since.elapsed();
        if took >= WORTH_A_LINE {
            self.note(&format!("  done in {}", seconds(took)));
        }
        self.keep(title, Some(took), "");
    }

    fn keep(&self, title: &str, took: Option<Duration>, remark: &str) {
        let (title, remark) = (title.to_owned(), remark.to_owned());
        self.stages.borrow_mut().push(Stage { title, took, remark });
    }

    /// Runs `work` as a stage; its time is kept also when it fails.
    pub(crate) fn stage<T>(&self, title: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let since = self.start(title);
        let outcome = work();
        self.finish(title, since);
        outcome
    }

    /// A stage that cannot be run here is in the table as well, so that nobody takes it for done.
    pub(crate) fn not_run(&self, title: &str, reason: &str) {
        self.note(&format!("{title}: not run: {reason}"));
        self.keep(title, None, reason);
    }

    /// Adds a word on the last stage to its line in the table.
    pub(crate) fn mark_last(&self, remark: &str) {
        if let Some(stage) = self.stages.borrow_mut().last_mut() {
            remark.clone_into(&mut stage.remark);
        }
    }

    /// One line, with the time since the command began.
    pub(crate) fn note(&self, text: &str) {
        say(&format!("[{:>7}] {text}", seconds(self.started.elapsed())));
    }

    /// The time each stage took, and the sum.
    pub(crate) fn print_times(&self) {
        say("\nTimes");
        for stage in self.stages.borrow().iter() {
            say(&stage.line());
        }
        say(&format!("  {:>8}  in all", seconds(self.started.elapsed())));
    }
}

/// One line of output. That nobody reads it any more (`| head`, a closed terminal) is no reason to
/// fail: servers have to be ended all the same.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_failed_stage_is_kept() {
        let progress = Progress::begin();
        let outcome: Outcome<()> =
            progress.stage("breaks", || Err(crate::failure::Failure::new("broken")));
        assert!(outcome.is_err());
        assert_eq!(progress.stages.borrow().len(), 1);
    }

    #[test]
    fn the_table_tells_what_failed_and_what_was_not_run() {
        let progress = Progress::begin();
        assert!(progress.stage("one", || Ok(())).is_ok());
        progress.mark_last("FAILED");
        progress.not_run("other", "x is not set");
        let lines: Vec<_> = progress.stages.borrow().iter().map(Stage::line).collect();
        assert_eq!(lines, ["     0.0 s  one: FAILED", "   not run  other: x is not set"]);
    }
}
