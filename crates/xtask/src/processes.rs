//! Programs that we start: how they are set up, waited for, listened to and identified.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::failure::{Explain as _, Failure, Outcome};
use crate::interrupt::Interrupt;

/// How often a wait looks again.
pub(crate) const POLL: Duration = Duration::from_millis(25);
/// How long a program has to end after it was asked to.
const GRACE: Duration = Duration::from_secs(15);
/// How much of a log is read to find its last lines.
const TAIL_BYTES: u64 = 64 * 1024;
/// Most output that [`capture`] keeps of a program, each of standard output and error.
const CAPTURE_BYTES: u64 = 16 * 1024 * 1024;

/// What `cargo run` sets for us and must not pass on: a build script that watches one of these
/// would run again, and all that depends on it be rebuilt, at every change between cargo and us.
const OF_CARGO_RUN: [&str; 16] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// A program in a process group of its own, so that Ctrl-C reaches only us and we decide the order
/// in which things end. It reads nothing from the keyboard.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    detach(&mut command);
    command
}

/// As [`command`], for a program that somebody else has set up.
pub(crate) fn detach(command: &mut Command) {
    command.process_group(0).stdin(Stdio::null());
    for name in OF_CARGO_RUN {
        command.env_remove(name);
    }
}

/// Waits for a program; ends its whole process group when the wait fails: by a signal to us, by
/// the limit, or because `watch` has found something wrong meanwhile.
pub(crate) fn wait(
    mut child: Child,
    interrupt: &Interrupt,
    what: &str,
    limit: Duration,
    mut watch: impl FnMut() -> Outcome<()>,
) -> Outcome<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().explain(format_args!("wait for {what}"))? {
            return Ok(status);
        }
        let reason = interrupt.check().and_then(|()| watch()).and_then(|()| {
            if Instant::now() < deadline {
                return Ok(());
            }
            Err(Failure::new(format!("{what} took more than {} s", limit.as_secs())))
        });
        if let Err(failure) = reason {
            end_group(&mut child, interrupt);
            return Err(failure);
        }
        thread::sleep(POLL);
    }
}

/// Asks the process group of a child to end, and makes it end when it does not.
fn end_group(child: &mut Child, interrupt: &Interrupt) {
    let group = Pid::from_child(child);
    signal_group(group, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while birth_mark(group.as_raw_nonzero().get()).is_some() {
        if Instant::now() > deadline || interrupt.is_impatient() {
            break;
        }
        thread::sleep(POLL);
    }
    // Also for what the leader leaves behind in its group. It comes before the exit code is
    // collected: until then the number of the group cannot be given to anybody else.
    signal_group(group, Signal::KILL);
    let _exit_code = child.wait();
}

/// Sends a signal; a group that is already gone is what was wanted.
pub(crate) fn signal_group(group: Pid, signal: Signal) {
    let _gone_already = kill_process_group(group, signal);
}

/// Sends a signal; a process that is already gone is what was wanted.
pub(crate) fn signal_process(process: Pid, signal: Signal) {
    let _gone_already = kill_process(process, signal);
}

/// What a program that has ended wrote.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Captured {
    /// The output of a program that must have succeeded.
    pub(crate) fn require(self, what: &str) -> Outcome<String> {
        if self.status.success() {
            return Ok(self.output);
        }
        let said = if self.errors.trim().is_empty() { &self.output } else { &self.errors };
        Err(Failure::new(format!("{what} failed ({}): {}", self.status, said.trim())))
    }
}

/// Runs a short program and keeps what it writes.
pub(crate) fn capture(program: &mut Command, limit: Duration) -> Outcome<Captured> {
    capture_with_input(program.stdin(Stdio::null()), String::new(), limit)
}

/// Runs a short program with `input` on its standard input where that is piped, and keeps what it
/// writes.
pub(crate) fn capture_with_input(
    program: &mut Command,
    input: String,
    limit: Duration,
) -> Outcome<Captured> {
    let name = program.get_program().to_string_lossy().into_owned();
    let mut child = program
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .explain(format_args!("run {name}"))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends before it has read everything says why by its exit code.
        thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    }
    let output = drain(child.stdout.take());
    let errors = drain(child.stderr.take());
    // A short program is not worth interrupting: its limit bounds the wait.
    let status = wait(child, &Interrupt::silent(), &name, limit, || Ok(()))?;
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    Ok(Captured { status, output: text(output), errors: text(errors) })
}

/// Reads a pipe to its end on a thread, so that a full pipe never blocks its writer.
fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // A pipe that breaks off has said what it had to say.
            let _cut_short = pipe.take(CAPTURE_BYTES).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The last lines of a file; none when it cannot be read.
pub(crate) fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(count)).map(|line| (*line).to_owned()).collect()
}

/// What tells a running process from a later one with the same number: when it started. `None`
/// when no such process runs; one that is dead but not yet collected does not run.
pub(crate) fn birth_mark(pid: i32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        return birth_mark_of_stat(&stat);
    }
    let mut ps = command("ps");
    ps.args(["-o", "stat=,lstart=", "-p", &pid.to_string()]);
    let captured = capture(&mut ps, Duration::from_secs(5)).ok()?;
    let (state, started) = captured.output.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

/// Fields 3 (state) and 22 (start time) of `/proc/<pid>/stat`; field 2, the name, is in
/// parentheses and may itself hold any character.
fn birth_mark_of_stat(stat: &str) -> Option<String> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| started.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let stat = "42 (odd) name) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        assert_eq!(birth_mark_of_stat(stat).as_deref(), Some("98765"));
        assert_eq!(birth_mark_of_stat(&stat.replace(" S ", " Z ")), None);
        assert_eq!(birth_mark_of_stat("42"), None);
    }

    #[test]
    fn we_are_alive_and_an_ended_program_is_not() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(birth_mark(own).is_some());
        let mut child = command("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(birth_mark(pid), None);
    }

    #[test]
    fn output_is_kept_and_failure_is_told() {
        let mut shell = command("sh");
        shell.args(["-c", "echo spoken; echo wrong >&2; exit 3"]);
        let captured = capture(&mut shell, Duration::from_secs(20)).unwrap();
        assert_eq!(captured.output, "spoken\n");
        let Err(Failure::Problem { problem, .. }) = captured.require("the shell") else {
            panic!("exit code 3 is a failure");
        };
        assert!(problem.contains("wrong"), "{problem}");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended_with_its_children() {
        let mut shell = command("sh");
        shell.args(["-c", "sleep 600 & echo $!; wait"]);
        let failure = capture(&mut shell, Duration::from_millis(300)).unwrap_err();
        let Failure::Problem { problem, .. } = failure else { panic!("not interrupted") };
        assert!(problem.contains("took more than"), "{problem}");
    }

    #[test]
    fn only_the_last_lines_of_a_log_are_shown() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        for number in 0..100 {
            writeln!(log, "line {number}").unwrap();
        }
        assert_eq!(last_lines(log.path(), 2), ["line 98", "line 99"]);
        assert!(last_lines(Path::new("/no/such/log"), 2).is_empty());
    }
}
