//! How many streams there may be, and how long they are believed.

use std::time::Duration;

/// Bounds and times of live streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubSettings {
    /// Most streams of one session.
    pub per_session: usize,
    /// Most streams of one person in one tenant.
    pub per_user: usize,
    /// Most streams of one tenant on this instance.
    pub per_tenant: usize,
    /// Most streams of this instance.
    pub in_all: usize,
    /// Pause between two signs of life.
    pub heartbeat: Duration,
    /// How long a stream is believed to be allowed while messages arrive.
    pub recheck: Duration,
    /// The same while none do.
    pub recheck_unheard: Duration,
    /// From when on messages are taken to be lost: this long after the last one.
    pub silence: Duration,
    /// A stream about which nobody could be asked for this long ends.
    pub unverified: Duration,
    /// Longest life of a stream; each gets a random one from four fifths of it.
    pub max_age: Duration,
    /// How long a client may leave what it was sent unread while a feed is repeated to it.
    pub stall: Duration,
    /// Notices that are read at a time.
    pub page: u16,
    /// Most notices that are repeated; who missed more loads the feed anew.
    pub replay_max: u32,
    /// How many streams may read the feed at a time.
    pub reads: usize,
    /// Longest time for one question to Postgres.
    pub deadline: Duration,
    /// Shortest pause between two states of the feed, or two snapshots of one subject, on a stream.
    pub pause: Duration,
    /// How often all figures that are watched are looked at, whether or not a message spoke of them.
    pub refresh: Duration,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            per_session: 5,
            per_user: 10,
            per_tenant: 1_000,
            in_all: 20_000,
            heartbeat: Duration::from_secs(15),
            recheck: Duration::from_secs(3),
            recheck_unheard: Duration::from_secs(1),
            silence: Duration::from_secs(6),
            unverified: Duration::from_secs(60),
            max_age: Duration::from_secs(600),
            stall: Duration::from_secs(30),
            page: 200,
            replay_max: 5_000,
            reads: 4,
            deadline: Duration::from_secs(5),
            pause: Duration::from_secs(1),
            refresh: Duration::from_secs(10),
        }
    }
}
