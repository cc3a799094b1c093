//! What all requests share.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::args::Settings;
use crate::faults::Faults;
use crate::redis::Pool;
use crate::rest::{Replication, Scripts};
use crate::statistics::Statistics;

const STREAMS_MAX: usize = 512;

/// The state of the server.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) settings: Settings,
    pub(crate) pool: Pool,
    pub(crate) replication: Replication,
    pub(crate) scripts: Scripts,
    pub(crate) faults: Faults,
    pub(crate) statistics: Arc<Statistics>,
    /// One permit for each stream of events.
    pub(crate) streams: Arc<Semaphore>,
    /// Cancelled when the server is to stop: whatever waits gives up.
    pub(crate) stop: CancellationToken,
}

impl Front {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            pool: Pool::new(settings.redis.clone()),
            replication: Replication::new(&settings.redis),
            scripts: Scripts::default(),
            faults: Faults::default(),
            statistics: Arc::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            stop: CancellationToken::new(),
            settings,
        }
    }
}
