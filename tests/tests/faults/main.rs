//! The fault table: a portal under 150 reads a second on 512 keys while its Redis service breaks.
//!
//! Each test prints its row; docs/reliability.md explains the columns and shows a run.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails where it stands")]

mod drills;
