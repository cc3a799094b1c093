//! Two cores for two sides: what is measured on one, what measures on another.

use std::fs;
use std::time::Duration;

use crate::processes::{capture, command};
use crate::run::Run;

/// Longest time for a call of `taskset`.
const LIMIT: Duration = Duration::from_secs(10);

/// Keeps this process, and so what it starts from now on, on one core; until it is dropped.
#[derive(Debug)]
pub(crate) struct Cores {
    /// All that we may use, as Linux writes it.
    before: String,
    of_load: Option<u16>,
}

impl Cores {
    /// Servers that are started from now on share one core. Where there is only one, or no
    /// `taskset`, nothing happens but a note.
    pub(crate) fn split(run: &Run) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let before = allowed(&status).unwrap_or_default().to_owned();
        let of_load = match members(&before)[..] {
            [of_servers, of_load, ..] if stays_on(&of_servers.to_string()) => Some(of_load),
            _ => None,
        };
        if of_load.is_none() {
            run.progress.note("Servers and load cannot be kept on cores of their own");
        }
        Self { before, of_load }
    }

    /// The core of the load; empty where it has none to itself.
    pub(crate) fn of_load(&self) -> String {
        self.of_load.map(|core| core.to_string()).unwrap_or_default()
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        if self.of_load.is_some() && !stays_on(&self.before) {
            eprintln!("warning: still on one core");
        }
    }
}

/// Answers whether it worked.
fn stays_on(cores: &str) -> bool {
    let mut taskset = command("taskset");
    taskset.args(["-pc", cores, &std::process::id().to_string()]);
    capture(&mut taskset, LIMIT).is_ok_and(|captured| captured.status.success())
}

fn allowed(status: &str) -> Option<&str> {
    status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).map(str::trim)
}

/// The cores of a list such as `0-3,8`.
fn members(text: &str) -> Vec<u16> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
            all.extend(first..=last);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cores_is_read() {
        assert_eq!(members("0-3,8"), [0, 1, 2, 3, 8]);
        assert_eq!(members("5"), [5]);
        assert_eq!(members(""), [0_u16; 0]);
        let status = "Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n";
        assert_eq!(allowed(status), Some("0-1"));
    }
}
