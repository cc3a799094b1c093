//! Slots that move, with their keys, while clients use them.

use std::io;
use std::ops::RangeInclusive;

use super::{OwnCluster, must};
use crate::cli::Cli;

/// Slots that are on the move at the same time.
const STEP: usize = 32;

/// Most keys of a slot; more would be left behind, and the move fails.
const MOST_KEYS: usize = 10_000;

/// The longest that a node may take for one batch of keys, in milliseconds.
const MIGRATION_LIMIT: usize = 5_000;

impl OwnCluster {
    /// Moves slots with their keys from one primary to another, a few at a time, as a resharding
    /// does: meanwhile clients are sent on by `ASK`, afterwards by `MOVED`.
    #[track_caller]
    pub fn move_slots(&self, from: usize, to: usize, slots: RangeInclusive<u16>) {
        let slots: Vec<u16> = slots.collect();
        for step in slots.chunks(STEP) {
            must("slots cannot be moved", self.move_step(from, to, step));
        }
    }

    fn move_step(&self, from: usize, to: usize, slots: &[u16]) -> io::Result<()> {
        let admin = self.plan.admin();
        let source = self.plan.cli(from, admin.clone())?;
        let target = self.plan.cli(to, admin.clone())?;
        let source_id = source.ask(&["cluster", "myid"])?;
        let target_id = target.ask(&["cluster", "myid"])?;
        let set = |rest: &str| -> Vec<String> {
            slots.iter().map(|slot| format!("cluster setslot {slot} {rest}")).collect()
        };
        target.must_do(&set(&format!("importing {source_id}")))?;
        source.must_do(&set(&format!("migrating {target_id}")))?;
        let migrations: Vec<_> = keys_of(&source, slots)?
            .into_iter()
            .map(|key| {
                format!(
                    "migrate 127.0.0.1 {} {key} 0 {MIGRATION_LIMIT} REPLACE AUTH2 {} {}",
                    target.port, admin.username, admin.password
                )
            })
            .collect();
        // A key that expired on its way is answered with NOKEY, which is as good as OK.
        let answers =
            if migrations.is_empty() { String::new() } else { source.show(&migrations)? };
        let is_error = |line: &&str| !matches!(*line, "" | "OK" | "NOKEY");
        if let Some(error) = answers.lines().find(is_error) {
            return Err(io::Error::other(format!("a key was not moved: {error}")));
        }
        // The new owner first: a slot that nobody owned for a moment would answer errors.
        let owner = set(&format!("node {target_id}"));
        target.must_do(&owner)?;
        source.must_do(&owner)?;
        let others = self.primaries().into_iter().filter(|node| *node != from && *node != to);
        for other in others {
            self.plan.cli(other, admin.clone())?.must_do(&owner)?;
        }
        Ok(())
    }
}

/// The keys of the slots, quoted as `redis-cli` reads them, whatever bytes they consist of.
fn keys_of(node: &Cli, slots: &[u16]) -> io::Result<Vec<String>> {
    let questions: Vec<_> =
        slots.iter().map(|slot| format!("cluster getkeysinslot {slot} {MOST_KEYS}")).collect();
    Ok(node.show(&questions)?.lines().filter_map(quoted).map(str::to_owned).collect())
}

/// The quoted part of a line such as `1) "key"`.
fn quoted(line: &str) -> Option<&str> {
    line.split_once(") ").map(|(_, rest)| rest).filter(|rest| rest.starts_with('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_as_they_are_quoted() {
        assert_eq!(quoted(r#" 1) "a\n) b""#), Some(r#""a\n) b""#));
        assert_eq!(quoted("(empty array)"), None);
        assert_eq!(quoted(""), None);
    }
}
