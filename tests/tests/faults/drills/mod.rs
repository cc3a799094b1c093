//! The drills, by what breaks. `cargo xtask test` runs them last and alone, by this module's name.

mod cluster;
mod single;
mod upstash;

use std::time::Duration;

/// Of load before anything breaks, so that the drill begins with everything well.
const CALM: Duration = Duration::from_secs(2);
/// What a recovery may take beyond the service's own.
const BEYOND: Duration = Duration::from_secs(1);
