//! Counts, by which a test proves that commands were sent together and what they cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};

/// The forms of a request, each with a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `POST /` with a command as JSON.
    Body,
    /// `/CMD/arg1/…`
    Path,
    Pipeline,
    MultiExec,
    Subscribe,
    PSubscribe,
    Monitor,
}

impl Form {
    const ALL: [(Self, &str); 7] = [
        (Self::Body, "/"),
        (Self::Path, "/CMD"),
        (Self::Pipeline, "/pipeline"),
        (Self::MultiExec, "/multi-exec"),
        (Self::Subscribe, "/subscribe"),
        (Self::PSubscribe, "/psubscribe"),
        (Self::Monitor, "/monitor"),
    ];
}

/// What happened since the start or the last reset, and what is happening.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    requests: AtomicU64,
    commands: AtomicU64,
    largest_batch: AtomicU64,
    forms: [AtomicU64; Form::ALL.len()],
    in_flight: AtomicU64,
    peak_in_flight: AtomicU64,
    connections: AtomicU64,
    open_connections: AtomicU64,
    open_streams: AtomicU64,
}

/// Counts something for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted {
    statistics: Arc<Statistics>,
    gauge: fn(&Statistics) -> &AtomicU64,
}

impl Counted {
    fn new(statistics: &Arc<Statistics>, gauge: fn(&Statistics) -> &AtomicU64) -> (Self, u64) {
        let now = gauge(statistics).fetch_add(1, Relaxed) + 1;
        (Self { statistics: Arc::clone(statistics), gauge }, now)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.gauge)(&self.statistics).fetch_sub(1, Relaxed);
    }
}

impl Statistics {
    /// A request has arrived.
    pub(crate) fn begin(self: &Arc<Self>, form: Form) -> Counted {
        self.requests.fetch_add(1, Relaxed);
        for ((counted, _), counter) in Form::ALL.iter().zip(&self.forms) {
            if *counted == form {
                counter.fetch_add(1, Relaxed);
            }
        }
        let (guard, now) = Counted::new(self, |statistics| &statistics.in_flight);
        self.peak_in_flight.fetch_max(now, Relaxed);
        guard
    }

    /// A connection was accepted.
    pub(crate) fn connected(self: &Arc<Self>) -> Counted {
        self.connections.fetch_add(1, Relaxed);
        Counted::new(self, |statistics| &statistics.open_connections).0
    }

    /// A stream of events was opened.
    pub(crate) fn streaming(self: &Arc<Self>) -> Counted {
        Counted::new(self, |statistics| &statistics.open_streams).0
    }

    /// A request brought so many commands.
    pub(crate) fn count_commands(&self, commands: usize) {
        let commands = u64::try_from(commands).unwrap_or(u64::MAX);
        self.commands.fetch_add(commands, Relaxed);
        self.largest_batch.fetch_max(commands, Relaxed);
    }

    /// Whether no request is being answered and no stream is open.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.load(Relaxed) == 0 && self.open_streams.load(Relaxed) == 0
    }

    /// Starts the counts anew; what is open stays counted.
    pub(crate) fn reset(&self) {
        let counters = [&self.requests, &self.commands, &self.largest_batch, &self.connections];
        for counter in counters.into_iter().chain(&self.forms) {
            counter.store(0, Relaxed);
        }
        self.peak_in_flight.store(self.in_flight.load(Relaxed), Relaxed);
    }

    /// The body of `GET /dev/statistics`.
    pub(crate) fn to_json(&self) -> Value {
        let by_path: serde_json::Map<_, _> = Form::ALL
            .iter()
            .zip(&self.forms)
            .map(|((_, name), counter)| ((*name).to_owned(), counter.load(Relaxed).into()))
            .collect();
        json!({
            "requests": self.requests.load(Relaxed),
            "commands": self.commands.load(Relaxed),
            "largest_batch": self.largest_batch.load(Relaxed),
            "by_path": by_path,
            "in_flight": self.in_flight.load(Relaxed),
            "peak_in_flight": self.peak_in_flight.load(Relaxed),
            "connections": self.connections.load(Relaxed),
            "open_connections": self.open_connections.load(Relaxed),
            "open_streams": self.open_streams.load(Relaxed),
        })
    }
}
