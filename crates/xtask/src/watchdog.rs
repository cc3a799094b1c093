//! A second process of ours that ends what we have started should we be killed outright.
//!
//! It waits for its standard input to close. The other end of that pipe is held by the command it
//! guards and by nobody else, so the system closes it however the command ends.

use std::fs::{self, File, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Explain as _, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::ledger::Ledger;
use crate::processes::{POLL, command};
use crate::progress::say;
use crate::services::{Disposal, strays};

/// How the watchdog is called; not in the help, since nobody calls it by hand.
pub(crate) const COMMAND: &str = "watchdog";

/// How long a watchdog may need for its clean-up.
const CLEAN_UP: Duration = Duration::from_secs(75);

/// The guarded side's handle.
#[derive(Debug)]
pub(crate) struct Watchdog {
    process: Child,
    line: Option<ChildStdin>,
}

impl Watchdog {
    /// Starts one for the processes that the ledger in `folder` lists.
    pub(crate) fn start(folder: &Path, disposal: Disposal) -> Outcome<Self> {
        let program = std::env::current_exe().explain("find our own program")?;
        let mut process = command(program)
            .arg(COMMAND)
            .arg(folder)
            .arg(disposal.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .explain("start the watchdog")?;
        let line = process.stdin.take();
        let mut ready = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut ready).explain("hear from the watchdog")?;
        }
        if ready.is_empty() {
            return Err(Failure::new("the watchdog process did not start"));
        }
        Ok(Self { process, line })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.line.take());
        let deadline = Instant::now() + CLEAN_UP;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
    }
}

/// Waits until the watchdog of an earlier command has finished its clean-up.
pub(crate) fn wait_for_previous(folder: &Path, interrupt: &Interrupt) -> Outcome<()> {
    let file = lock_file(folder)?;
    let deadline = Instant::now() + CLEAN_UP;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return file.unlock().explain("release the watchdog's lock"),
            Err(TryLockError::Error(error)) => {
                return Err(error).explain("look whether a watchdog is at work");
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if Instant::now() > deadline {
            return Err(Failure::new("an earlier run is still being cleaned up")
                .advise("look for processes named `xtask watchdog` and end them"));
        }
        if !std::mem::replace(&mut said, true) {
            say("          waiting until an earlier run is cleaned up");
        }
        interrupt.check()?;
        thread::sleep(POLL);
    }
}

fn lock_file(folder: &Path) -> Outcome<File> {
    let path = folder.join("watchdog.lock");
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .explain(format_args!("open {}", path.display()))
}

/// The watchdog itself.
pub(crate) fn stand_guard(arguments: &[String]) -> Outcome<u8> {
    let [folder, disposal] = arguments else {
        return Err(Failure::new("the watchdog is started by other commands, not by hand"));
    };
    let folder = PathBuf::from(folder);
    let disposal = Disposal::parse(disposal);
    // Signals that end the command it guards (a closed terminal, for one) must not end it.
    let interrupt = Interrupt::listen()?;
    let lock = lock_file(&folder)?;
    lock.lock().explain("take the watchdog's lock")?;
    writeln!(std::io::stdout(), "on guard").explain("say that the watchdog is there")?;
    wait_for_the_end();
    if folder.is_dir() {
        Ledger::read(&folder).end_all(&interrupt);
        for stray in strays(&folder) {
            stray.end(&interrupt);
        }
        if disposal == Disposal::Remove {
            fs::remove_dir_all(&folder).explain(format_args!("remove {}", folder.display()))?;
        }
    }
    Ok(0)
}

/// Returns when the guarded command has closed its end of the pipe.
fn wait_for_the_end() {
    let mut byte = [0];
    let mut input = std::io::stdin();
    while let Err(error) = input.read(&mut byte) {
        if error.kind() != std::io::ErrorKind::Interrupted {
            return;
        }
    }
}
