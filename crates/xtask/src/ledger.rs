//! The list of what a command has started, kept in a file: whoever finds it (the command itself,
//! its watchdog, the next command) can end everything on it, and nothing else.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::failure::{Explain as _, Outcome};
use crate::interrupt::Interrupt;
use crate::processes::{POLL, birth_mark, signal_group, signal_process};

/// How a program is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// SIGTERM to its process group.
    Terminate,
    /// SIGINT to the postmaster alone: disconnect everybody, write a checkpoint, stop. Sent to the
    /// group it would also cancel the checkpoint.
    FastShutdown,
    /// SIGTERM to the process alone, which leads no group.
    Alone,
}

impl Ending {
    /// How long a program may take before it is made to end.
    fn grace(self) -> Duration {
        match self {
            Self::Terminate => Duration::from_secs(15),
            Self::Alone => Duration::from_secs(5),
            Self::FastShutdown => Duration::from_secs(30),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Terminate => "terminate",
            Self::FastShutdown => "fast-shutdown",
            Self::Alone => "alone",
        })
    }
}

/// One program that runs in a process group of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: i32,
    pub(crate) name: String,
    pub(crate) ending: Ending,
    mark: String,
}

impl Entry {
    /// Describes a process that has just been started; `None` when it is already gone.
    pub(crate) fn of(pid: i32, name: &str, ending: Ending) -> Option<Self> {
        Some(Self { pid, name: name.to_owned(), ending, mark: birth_mark(pid)? })
    }

    /// Whether this very process still runs.
    pub(crate) fn is_running(&self) -> bool {
        birth_mark(self.pid).as_ref() == Some(&self.mark)
    }

    /// Ends the process: asks, waits, insists.
    pub(crate) fn end(&self, interrupt: &Interrupt) {
        let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.is_running()) else { return };
        match self.ending {
            Ending::Terminate => signal_group(pid, Signal::TERM),
            Ending::FastShutdown => signal_process(pid, Signal::INT),
            Ending::Alone => signal_process(pid, Signal::TERM),
        }
        let deadline = Instant::now() + self.ending.grace();
        while self.is_running() {
            if Instant::now() > deadline || interrupt.is_impatient() {
                signal_process(pid, Signal::KILL);
                if self.ending != Ending::Alone {
                    signal_group(pid, Signal::KILL);
                }
                break;
            }
            thread::sleep(POLL);
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let pid = fields.next()?.parse().ok().filter(|pid| *pid > 1)?;
        let ending = match fields.next()? {
            "terminate" => Ending::Terminate,
            "fast-shutdown" => Ending::FastShutdown,
            "alone" => Ending::Alone,
            _ => return None,
        };
        let mark = fields.next()?.to_owned();
        Some(Self { pid, name: fields.next()?.to_owned(), ending, mark })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\t{}\t{}\t{}", self.pid, self.ending, self.mark, self.name)
    }
}

/// The file, and what is in it.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: PathBuf,
    entries: Vec<Entry>,
}

impl Ledger {
    /// Reads what is there; a missing file is an empty list.
    pub(crate) fn read(folder: &Path) -> Self {
        let file = folder.join("processes");
        let text = fs::read_to_string(&file).unwrap_or_default();
        Self { file, entries: text.lines().filter_map(Entry::parse).collect() }
    }

    /// Those on the list that run, in the order they were started.
    pub(crate) fn running(&self) -> Vec<Entry> {
        self.entries.iter().filter(|entry| entry.is_running()).cloned().collect()
    }

    pub(crate) fn add(&mut self, entry: Entry) -> Outcome<()> {
        self.entries.push(entry);
        self.save()
    }

    pub(crate) fn remove(&mut self, pid: i32) -> Outcome<()> {
        self.entries.retain(|entry| entry.pid != pid);
        self.save()
    }

    /// Ends one process of the list.
    pub(crate) fn end(&mut self, pid: i32, interrupt: &Interrupt) -> Outcome<()> {
        for entry in self.entries.iter().filter(|entry| entry.pid == pid) {
            entry.end(interrupt);
        }
        self.remove(pid)
    }

    /// Ends everything on the list, what was started last first.
    pub(crate) fn end_all(&mut self, interrupt: &Interrupt) {
        while let Some(entry) = self.entries.pop() {
            entry.end(interrupt);
        }
        // Should this fail, the next reader finds processes that no longer run.
        let _stale = self.save();
    }

    /// Replaces the file in one step, so that a reader never sees half a list.
    fn save(&self) -> Outcome<()> {
        let lines: Vec<_> = self.entries.iter().map(|entry| format!("{entry}\n")).collect();
        let new = self.file.with_extension("new");
        fs::write(&new, lines.concat())
            .and_then(|()| fs::rename(&new, &self.file))
            .explain(format_args!("write {}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::command;

    fn sleeper() -> (std::process::Child, Entry) {
        let child = command("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let entry = Entry::of(pid, "a sleeper", Ending::Terminate).unwrap();
        (child, entry)
    }

    #[test]
    fn what_was_written_is_read_back_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, entry) = sleeper();
        let mut ledger = Ledger::read(folder.path());
        ledger.add(entry.clone()).unwrap();

        let mut found = Ledger::read(folder.path());
        assert_eq!(found.running(), std::slice::from_ref(&entry));
        found.end_all(&Interrupt::silent());
        assert!(!entry.is_running());
        assert!(Ledger::read(folder.path()).entries.is_empty());
        child.wait().unwrap();
    }

    #[test]
    fn a_process_with_the_number_of_a_dead_one_is_left_alone() {
        let (mut child, entry) = sleeper();
        let other = Entry { mark: "started at another time".into(), ..entry.clone() };
        other.end(&Interrupt::silent());
        assert!(entry.is_running(), "it was not the one on the list");
        entry.end(&Interrupt::silent());
        child.wait().unwrap();
    }

    #[test]
    fn lines_that_make_no_sense_are_skipped() {
        for line in ["", "x\tterminate\t1\tname", "1\tterminate\t1\tinit", "7\texplode\t1\tname"] {
            assert_eq!(Entry::parse(line), None, "{line:?}");
        }
    }
}
