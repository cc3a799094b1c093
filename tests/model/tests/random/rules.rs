//! What runs do, and what came of them.

/// What a run does, and what it does wrong.
#[expect(clippy::struct_excessive_bools, reason = "each is a rule that holds or does not")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// Calls fail now and then, whether they were carried out, or are to be yet, or not.
    pub(crate) fails: bool,
    /// The service forgets what it has acknowledged.
    pub(crate) fails_over: bool,
    /// Reads are answered by copies that are behind.
    pub(crate) lags: bool,
    /// Messages that do not arrive, in a hundred.
    pub(crate) lost_messages: usize,
    /// Wrong: loads are stored under generations that are read after them.
    pub(crate) captures_after_load: bool,
    /// Wrong: a replay writes the stamp that was written before.
    pub(crate) repeats_stamps: bool,
    /// Wrong: leases are not ended by messages.
    pub(crate) ignores_messages: bool,
    /// Wrong: answers are used whatever may have been lost or failed meanwhile.
    pub(crate) believes_everything: bool,
    /// Wrong: what copies that are behind cannot promise is expected of them.
    pub(crate) expects_no_lag: bool,
}

/// What has happened in all runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) runs: usize,
    pub(crate) steps: usize,
    pub(crate) reads: usize,
    /// Answers that were kept in the process, those that were kept and asked about, and those of
    /// the service.
    pub(crate) kept: usize,
    pub(crate) validated: usize,
    pub(crate) found: usize,
    pub(crate) loads: usize,
    pub(crate) bypasses: usize,
    pub(crate) refreshes: usize,
    pub(crate) finished: usize,
    pub(crate) unfinished: usize,
    pub(crate) replayed: usize,
    pub(crate) failures: usize,
    pub(crate) lost_messages: usize,
    pub(crate) failovers: usize,
    pub(crate) lost_writes: usize,
    /// Answers with an earlier stamp than was known, and those that stayed so.
    pub(crate) behind: usize,
    pub(crate) turned_back: usize,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.reads += other.reads;
        self.kept += other.kept;
        self.validated += other.validated;
        self.found += other.found;
        self.loads += other.loads;
        self.bypasses += other.bypasses;
        self.refreshes += other.refreshes;
        self.finished += other.finished;
        self.unfinished += other.unfinished;
        self.replayed += other.replayed;
        self.failures += other.failures;
        self.lost_messages += other.lost_messages;
        self.failovers += other.failovers;
        self.lost_writes += other.lost_writes;
        self.behind += other.behind;
        self.turned_back += other.turned_back;
    }
}
