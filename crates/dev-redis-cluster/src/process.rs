//! A server process that a test owns.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines of a log that an error quotes.
const EXCERPT_LINES: usize = 8;

/// What a process does at the moment.
#[derive(Debug)]
enum State {
    Dead,
    Running(Child),
    /// Alive but stopped by a signal: it answers nothing.
    Paused(Child),
}

/// A server that can be killed, started again, paused; ended when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    log: PathBuf,
    state: Mutex<State>,
}

impl Process {
    pub(crate) fn start(command: Command, log: PathBuf) -> io::Result<Self> {
        let process = Self { log, state: Mutex::new(State::Dead) };
        process.start_again(command)?;
        Ok(process)
    }

    /// Starts it; it must be dead.
    pub(crate) fn start_again(&self, mut command: Command) -> io::Result<()> {
        let mut state = self.state();
        if !matches!(*state, State::Dead) {
            return Err(io::Error::other("it is running already"));
        }
        let log = File::options().create(true).append(true).open(&self.log)?;
        let errors = log.try_clone()?;
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        let program = command.get_program().display();
        *state = State::Running(child.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot run {program}: {error}"))
        })?);
        Ok(())
    }

    /// Ends it as a crash would, also when it is paused or dead.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match std::mem::replace(&mut *self.state(), State::Dead) {
            State::Dead => Ok(()),
            State::Running(mut child) | State::Paused(mut child) => {
                child.kill()?;
                child.wait().map(drop)
            }
        }
    }

    /// Stops it without ending it: its connections stay, and nothing is answered.
    pub(crate) fn pause(&self) -> io::Result<()> {
        self.exchange(|state| match state {
            State::Running(child) => (signal(&child, "-STOP"), State::Paused(child)),
            other => (Err(io::Error::other("only a running server can be paused")), other),
        })
    }

    /// Lets it go on after a pause.
    pub(crate) fn resume(&self) -> io::Result<()> {
        self.exchange(|state| match state {
            State::Paused(child) => (signal(&child, "-CONT"), State::Running(child)),
            other => (Err(io::Error::other("it is not paused")), other),
        })
    }

    /// Whether it runs and is not paused.
    pub(crate) fn is_up(&self) -> bool {
        match &mut *self.state() {
            State::Running(child) => matches!(child.try_wait(), Ok(None)),
            State::Dead | State::Paused(_) => false,
        }
    }

    /// An error with the end of the log when it has ended by itself.
    pub(crate) fn check(&self) -> io::Result<()> {
        if let State::Running(child) = &mut *self.state()
            && let Some(status) = child.try_wait()?
        {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines.split_at(lines.len().saturating_sub(EXCERPT_LINES)).1.join("\n");
            return Err(io::Error::other(format!("redis-server has ended ({status}):\n{last}")));
        }
        Ok(())
    }

    fn exchange(&self, change: impl FnOnce(State) -> (io::Result<()>, State)) -> io::Result<()> {
        let mut state = self.state();
        let (result, next) = change(std::mem::replace(&mut *state, State::Dead));
        *state = next;
        result
    }

    /// A test that failed while it held the lock is no reason not to end the process.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone_already = self.kill();
    }
}

fn signal(child: &Child, signal: &str) -> io::Result<()> {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("kill {signal}: {status}")))
    }
}
