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
    stages: RefCell<Vec<(String, Duration)>>,
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
        self.stages.borrow_mut().push((title.to_owned(), took));
    }

    /// Runs `work` as a stage; its time is kept also when it fails.
    pub(crate) fn stage<T>(&self, title: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let since = self.start(title);
        let outcome = work();
        self.finish(title, since);
        outcome
    }

    /// One line, with the time since the command began.
    pub(crate) fn note(&self, text: &str) {
        say(&format!("[{:>7}] {text}", seconds(self.started.elapsed())));
    }

    /// The time each stage took, and the sum.
    pub(crate) fn print_times(&self) {
        say("\nTimes");
        for (title, took) in self.stages.borrow().iter() {
            say(&format!("  {:>8}  {title}", seconds(*took)));
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
}
