//! The servers of one command: started together, watched together, ended together.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::accounts;
use crate::failure::{Explain as _, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::ledger::{Ending, Entry, Ledger};
use crate::processes::{self, POLL};
use crate::progress::say;
use crate::run::Run;
use crate::watchdog::{self, Watchdog};

/// Variable that programs under test inherit; its value is the folder of the run. What still
/// carries it when the run is over was left behind by a test.
pub(crate) const MARKER: &str = "PORTAL_TEST_RUN";

/// What becomes of a run's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposal {
    /// The next run uses it again.
    Keep,
    /// It is deleted with all that is in it.
    Remove,
}

impl Disposal {
    pub(crate) fn parse(text: &str) -> Self {
        if text == "remove" { Self::Remove } else { Self::Keep }
    }
}

impl fmt::Display for Disposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if *self == Self::Remove { "remove" } else { "keep" })
    }
}

#[derive(Debug)]
struct Service {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// All servers of this run, and the folder they live in, which nobody else uses meanwhile.
#[derive(Debug)]
pub(crate) struct Services {
    folder: PathBuf,
    disposal: Disposal,
    interrupt: Interrupt,
    ledger: Ledger,
    running: Vec<Service>,
    watchdog: Option<Watchdog>,
    _lock: File,
}

impl Services {
    /// Takes possession of the folder and ends what an earlier run has left running in it.
    pub(crate) fn open(run: &Run, folder: &Path, disposal: Disposal) -> Outcome<Self> {
        accounts::make_passage(folder)?;
        let lock = take_lock(folder)?;
        watchdog::wait_for_previous(folder, &run.interrupt)?;
        let mut ledger = Ledger::read(folder);
        for entry in ledger.running() {
            run.progress.note(&format!("Ending {} of an earlier run", entry.name));
        }
        ledger.end_all(&run.interrupt);
        Ok(Self {
            folder: folder.to_path_buf(),
            disposal,
            interrupt: run.interrupt.clone(),
            ledger,
            running: Vec::new(),
            watchdog: Some(Watchdog::start(folder, disposal)?),
            _lock: lock,
        })
    }

    /// The folder that this run has to itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The log file of a program, in the folder's `logs`.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.join("logs").join(format!("{name}.log"))
    }

    /// Starts a server with its output in its log.
    pub(crate) fn start(&mut self, name: &'static str, program: Command) -> Outcome<()> {
        self.start_with_ending(name, program, Ending::Terminate)
    }

    /// As [`Services::start`], for a server that is to be ended in its own way.
    pub(crate) fn start_with_ending(
        &mut self,
        name: &'static str,
        mut program: Command,
        ending: Ending,
    ) -> Outcome<()> {
        let log = self.log(name);
        let file = open_log(&log)?;
        let errors = file.try_clone().explain("share the log file")?;
        let child = program
            // It writes to a file; escape sequences would only be in the way.
            .env("NO_COLOR", "1")
            .stdout(file)
            .stderr(errors)
            .spawn()
            .explain(format_args!("start {name} ({})", program.get_program().display()))?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        self.running.push(Service { name, child, log });
        match Entry::of(pid, name, ending) {
            Some(entry) => self.ledger.add(entry),
            // It has ended already, and whoever waits for it will be told why.
            None => Ok(()),
        }
    }

    /// Ends a server that did not come up, so that it can be started differently.
    pub(crate) fn discard(&mut self, name: &str) -> Outcome<()> {
        let (discarded, kept) = self.running.drain(..).partition(|service| service.name == name);
        self.running = kept;
        let discarded: Vec<Service> = discarded;
        for mut service in discarded {
            let pid = i32::try_from(service.child.id()).unwrap_or_default();
            self.ledger.end(pid, &self.interrupt)?;
            // It has ended; this takes its exit code.
            let _exit_code = service.child.wait();
        }
        Ok(())
    }

    /// Fails when a server has ended by itself.
    pub(crate) fn check(&mut self) -> Outcome<()> {
        for service in &mut self.running {
            let ended =
                service.child.try_wait().explain(format_args!("look after {}", service.name))?;
            if let Some(status) = ended {
                return Err(Failure::new(format!("{} has ended ({status})", service.name))
                    .with_log(&service.log));
            }
        }
        Ok(())
    }

    /// Fails when a signal has come or a server has ended; for waits that are not ours.
    pub(crate) fn look_after(&mut self) -> Outcome<()> {
        self.interrupt.check()?;
        self.check()
    }

    /// Waits until `is_ready`, as long as all servers run.
    pub(crate) fn wait_until(
        &mut self,
        name: &str,
        limit: Duration,
        mut is_ready: impl FnMut() -> bool,
    ) -> Outcome<()> {
        let deadline = Instant::now() + limit;
        while !is_ready() {
            self.look_after()?;
            if Instant::now() > deadline {
                let log = self.running.iter().find(|service| service.name == name);
                let failure = Failure::new(format!(
                    "{name} runs but was not ready after {} s",
                    limit.as_secs()
                ));
                return Err(match log {
                    Some(service) => failure.with_log(&service.log),
                    None => failure,
                });
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Runs a program to its end beside the servers; ends it when one of them fails.
    pub(crate) fn accompany(
        &mut self,
        mut program: Command,
        what: &str,
        limit: Duration,
    ) -> Outcome<ExitStatus> {
        let child = program.spawn().explain(format_args!("run {what}"))?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        if let Some(entry) = Entry::of(pid, what, Ending::Terminate) {
            self.ledger.add(entry)?;
        }
        let interrupt = self.interrupt.clone();
        let outcome = processes::wait(child, &interrupt, what, limit, || self.check());
        self.ledger.remove(pid)?;
        outcome
    }

    /// As [`Services::accompany`], with the program's output in a log that a failure quotes.
    pub(crate) fn accompany_quietly(
        &mut self,
        mut program: Command,
        name: &str,
        limit: Duration,
    ) -> Outcome<()> {
        let log = self.log(name);
        let file = open_log(&log)?;
        let errors = file.try_clone().explain("share the log file")?;
        program.env("NO_COLOR", "1").stdout(file).stderr(errors);
        let status = self.accompany(program, name, limit)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("{name} failed ({status})")).with_log(&log))
    }

    /// Ends all servers, the last one first.
    pub(crate) fn end_all(&mut self) {
        self.ledger.end_all(&self.interrupt);
        for mut service in self.running.drain(..) {
            // It has been ended above; what it left in its group goes before its exit code is
            // collected and the group's number becomes free.
            processes::signal_group(Pid::from_child(&service.child), Signal::KILL);
            let _exit_code = service.child.wait();
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.end_all();
        for stray in strays(&self.folder) {
            say(&format!("          ending {} (process {}), left behind", stray.name, stray.pid));
            stray.end(&self.interrupt);
        }
        if self.disposal == Disposal::Remove
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            eprintln!("warning: cannot remove {}: {error}", self.folder.display());
        }
        drop(self.watchdog.take());
    }
}

/// Processes that carry the marker of this run. Only Linux shows a process's environment; elsewhere
/// there are none to find, and the process groups have to do.
pub(crate) fn strays(folder: &Path) -> Vec<Entry> {
    let wanted = format!("{MARKER}={}", folder.display());
    let own = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|process| process.ok()?.file_name().into_string().ok())
        .filter(|name| *name != own)
        .filter_map(|name| {
            let pid = name.parse().ok()?;
            let environment = fs::read(format!("/proc/{name}/environ")).ok()?;
            environment.split(|byte| *byte == 0).any(|line| line == wanted.as_bytes()).then(
                || {
                    let program =
                        fs::read_to_string(format!("/proc/{name}/comm")).unwrap_or_default();
                    Entry::of(pid, program.trim(), Ending::Alone)
                },
            )?
        })
        .collect()
}

/// One command at a time in a folder: two would fight over its database.
fn take_lock(folder: &Path) -> Outcome<File> {
    let path = folder.join("lock");
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .explain(format_args!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the message.
            let _unknown = file.read_to_string(&mut holder);
            return Err(Failure::new(format!(
                "the portal of this checkout is already running (process {})",
                holder.trim()
            ))
            .advise("press Ctrl-C where it runs, or end that process"));
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).explain(format_args!("lock {}", path.display()));
        }
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .explain(format_args!("write {}", path.display()))?;
    Ok(file)
}

/// Opens a log for a new run; the one of the run before is kept beside it.
fn open_log(path: &Path) -> Outcome<File> {
    if let Some(folder) = path.parent() {
        accounts::make_private(folder, None)?;
    }
    if path.exists() {
        fs::rename(path, path.with_extension("previous.log")).explain("keep the previous log")?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .explain(format_args!("open {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_used_by_one_command_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = take_lock(folder.path()).unwrap();
        let Err(Failure::Problem { problem, .. }) = take_lock(folder.path()) else {
            panic!("a second command must be refused");
        };
        assert!(problem.contains(&std::process::id().to_string()), "{problem}");
        drop(first);
        assert!(take_lock(folder.path()).is_ok());
    }

    #[test]
    fn the_log_of_the_run_before_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("logs/portal.log");
        writeln!(open_log(&log).unwrap(), "first").unwrap();
        writeln!(open_log(&log).unwrap(), "second").unwrap();
        assert_eq!(processes::last_lines(&log, 9), ["second"]);
        assert_eq!(processes::last_lines(&log.with_extension("previous.log"), 9), ["first"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_test_leaves_behind_is_found_by_its_marker() {
        let folder = tempfile::tempdir().unwrap();
        let mut child =
            processes::command("sleep").arg("600").env(MARKER, folder.path()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        // The child shows our environment until it has become `sleep`.
        let found = loop {
            let found = strays(folder.path());
            if !found.is_empty() || Instant::now() > deadline {
                break found;
            }
            thread::yield_now();
        };
        assert_eq!(found.len(), 1);
        for stray in found {
            stray.end(&Interrupt::silent());
        }
        child.wait().unwrap();
        assert!(strays(folder.path()).is_empty());
    }
}
