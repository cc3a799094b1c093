//! What processes use, as Linux counts it.

use std::fs;
use std::process::Command;
use std::time::Duration;

/// Linux counts processor time in hundredths of a second, on all machines.
const TICK: Duration = Duration::from_millis(10);

/// Processes that are measured together.
#[derive(Clone, Debug)]
pub struct Processes(Vec<u32>);

impl Processes {
    /// These, and what they have started.
    pub fn of(parents: &[u32]) -> Self {
        let mut all = parents.to_vec();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let others = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        for process in others {
            let is_child = stat(process).is_some_and(|stat| parents.contains(&stat.parent));
            if is_child && !parents.contains(&process) {
                all.push(process);
            }
        }
        Self(all)
    }

    /// The processor time that they have used so far, their ended children's included.
    pub fn cpu(&self) -> Duration {
        let ticks = self.0.iter().filter_map(|process| Some(stat(*process)?.ticks)).sum();
        TICK.saturating_mul(ticks)
    }

    /// Their memory, in KiB: what some of them share counts once.
    pub fn memory_kib(&self) -> f64 {
        let each = self.0.iter().map(|process| {
            let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"));
            f64::from(pss_kib(&text.expect("the process runs")).expect("Linux says Pss"))
        });
        each.sum()
    }
}

/// What a process tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u32,
}

fn stat(process: u32) -> Option<Stat> {
    stat_of(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Of the line in `/proc`: field 4, and 14 to 17 together. Field 2, the name, is in parentheses and
/// may itself hold any character.
fn stat_of(line: &str) -> Option<Stat> {
    let (_, fields) = line.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let times = fields.get(11..15)?.iter().map(|field| field.parse::<u32>());
    Some(Stat { parent, ticks: times.sum::<Result<u32, _>>().ok()? })
}

fn pss_kib(text: &str) -> Option<u32> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// The parent of a process.
pub fn parent_of(process: u32) -> u32 {
    stat(process).expect("the process runs").parent
}

/// Puts the thread that calls on a core of its own. Servers that it starts afterwards are there as
/// well, so they are to be started elsewhere.
pub fn moves_to_core(core: &str) {
    let thread = fs::read_link("/proc/thread-self").unwrap();
    let thread = thread.file_name().unwrap().to_str().unwrap();
    let moved = Command::new("taskset").args(["-pc", core, thread]).output().unwrap();
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
}

/// The load averages of the machine.
pub fn load_averages() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(", ")
}

/// The machine: cores, what they are, and its Linux.
pub fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = |name: &str| {
        let lines = processors.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| Some(line.split_once(": ")?.1.to_owned())).collect::<Vec<_>>()
    };
    let linux = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = named("model name").into_iter().next().unwrap_or_default();
    format!("{} cores ({model}), Linux {}", named("processor").len(), linux.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let line = "42 (odd) name) S 7 42 42 0 -1 4194560 1 2 3 4 50 6 700 8 20 0 1 0 98765 1 2";
        assert_eq!(stat_of(line), Some(Stat { parent: 7, ticks: 764 }));
        assert_eq!(stat_of("42 (x) S 7 42"), None);
        assert_eq!(stat_of(""), None);
    }

    #[test]
    fn the_share_of_memory_is_read() {
        assert_eq!(pss_kib("Rss:  900 kB\nPss:     712 kB\nPss_Dirty: 3 kB\n"), Some(712));
        assert_eq!(pss_kib("Rss:  900 kB\n"), None);
    }

    #[test]
    fn we_are_measured_with_what_we_started() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let own = std::process::id();
        let both = Processes::of(&[own]);
        let alone = Processes(vec![own]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(both.0.contains(&child.id()));
        assert!(alone.memory_kib() > 100.0);
        assert!(parent_of(own) > 0);
    }
}
