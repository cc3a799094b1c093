//! The fault table: a portal under 150 reads a second on 512 keys while its Redis service breaks.
//!
//! Each test prints its row; docs/reliability.md explains the columns and shows a run.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails where it stands")]

mod cluster;
mod single;
mod upstash;

use std::time::Duration;

/// Of load before anything breaks, so that the drill begins with everything well.
const CALM: Duration = Duration::from_secs(2);
/// What a recovery may take beyond the service's own.
const BEYOND: Duration = Duration::from_secs(1);
