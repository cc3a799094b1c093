//! What a run showed, as tables.

use std::fmt;

use super::kinds::Kind;
use super::tally::{Seen, Tally};
use crate::client::Browser;

/// The portal's own counters of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Answers from the cache.
    pub hits: u64,
    /// Answers that were loaded, be it by somebody else at the same time.
    pub misses: u64,
    /// Loads.
    pub loads: u64,
}

impl Figures {
    pub(super) async fn read(browser: &Browser) -> Self {
        let stats = browser.get("/health/cache").await.expect(200).json()["stats"].clone();
        let figure = |name: &str| stats[name].as_u64().unwrap();
        Self { hits: figure("hits"), misses: figure("misses"), loads: figure("loads") }
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            hits: self.hits - before.hits,
            misses: self.misses - before.misses,
            loads: self.loads - before.loads,
        }
    }

    fn reads(self) -> u64 {
        self.hits + self.misses
    }

    /// Of 100 reads, those that the cache answered.
    pub fn hit_rate_percent(self) -> f64 {
        percent(self.hits, self.reads())
    }

    /// Of 100 reads, those that made no query: hits, and whoever shared a load.
    pub fn avoided_percent(self) -> f64 {
        percent(self.reads().saturating_sub(self.loads), self.reads())
    }
}

/// How much is written, and to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    /// Of 100 requests, the writes.
    pub percent: u8,
    /// One of so many is to a job. The others have no routes yet and drop nothing about jobs; they
    /// are left out.
    pub one_to_a_job_of: u8,
}

impl Writes {
    /// Writes to jobs for each read.
    pub(super) fn for_each_read(self) -> f64 {
        let writes = f64::from(self.percent) / 100.0;
        writes / f64::from(self.one_to_a_job_of) / (1.0 - writes)
    }
}

impl fmt::Display for Writes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.one_to_a_job_of {
            1 => write!(formatter, "{} %, all to jobs", self.percent),
            many => write!(formatter, "{} %, one of {many} to a job", self.percent),
        }
    }
}

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was written.
    pub writes: Writes,
    /// What the portal counted.
    pub portal: Figures,
    /// What the load saw.
    pub seen: Seen,
}

impl Report {
    /// The head of the table that [`row`](Self::row) has the rows of.
    pub const HEAD: &str = "\
| writes | reads | hit rate | database reads avoided | new | over | pages | at best |
|---|--:|--:|--:|--:|--:|--:|--:|";

    /// The run in one row.
    pub fn row(&self) -> String {
        let total = self.total();
        format!(
            "| {} | {} | **{:.1} %** | {:.1} % | {:.1} % | {:.1} % |{}",
            self.writes,
            self.portal.reads(),
            self.portal.hit_rate_percent(),
            self.portal.avoided_percent(),
            percent(total.new, total.reads),
            percent(total.over, total.reads),
            what_if(&total),
        )
    }

    /// What does not fit: the portal and the load must have counted the same, and nothing may have
    /// been refused that the load counts on.
    pub fn contradiction(&self) -> Option<String> {
        let total = self.total();
        // A few are: jobs also close by themselves, and writes overlap with reads.
        if total.wrongly_spared > total.reads / 200 {
            return Some(format!("a rule would have kept {} old answers", total.wrongly_spared));
        }
        let late = self.seen.late;
        let (reads, hits) = (total.reads - late, total.hits - late);
        let differs = (reads, hits) != (self.portal.reads(), self.portal.hits);
        differs.then(|| {
            format!(
                "the portal counted {} reads with {} hits, the load {reads} with {hits}",
                self.portal.reads(),
                self.portal.hits,
            )
        })
    }

    fn total(&self) -> Tally {
        self.seen.reads.values().fold(Tally::default(), |sum, tally| sum.with(tally))
    }
}

/// By kind of question: how often the cache answered, and what kept it from that.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { writes, refused, past_the_cache, late, .. } = &self.seen;
        writeln!(
            formatter,
            "{} writes: {writes} done, {refused} refused; {late} reads late, \
             {past_the_cache} past the cache\n",
            self.writes
        )?;
        writeln!(
            formatter,
            "| question | reads | hit rate | new | dropped by edit | by state | by creation | over | \
             pages | at best |"
        )?;
        writeln!(formatter, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
        for kind in Kind::ALL {
            if let Some(tally) = self.seen.reads.get(&kind) {
                write_row(formatter, kind.name(), tally)?;
            }
        }
        write_row(formatter, "all", &self.total())
    }
}

fn write_row(formatter: &mut fmt::Formatter<'_>, name: &str, tally: &Tally) -> fmt::Result {
    let of_reads = |count: u64| percent(count, tally.reads);
    writeln!(
        formatter,
        "| {name} | {} | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {:.1} % |{}",
        tally.reads,
        of_reads(tally.hits),
        of_reads(tally.new),
        of_reads(tally.dropped_by_edit),
        of_reads(tally.dropped_by_status_change),
        of_reads(tally.dropped_by_creation),
        of_reads(tally.over),
        what_if(tally),
    )
}

/// The hit rates if pages carried the tags of their jobs, and if only what changed were dropped.
fn what_if(tally: &Tally) -> String {
    let cells = [tally.hits + tally.spared, tally.hits + tally.unchanged];
    cells.map(|hits| format!(" {:.1} % |", percent(hits, tally.reads))).concat()
}

#[expect(clippy::cast_precision_loss, reason = "a percentage of counts far below 2^52")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_all_reads() {
        let figures = Figures { hits: 80, misses: 20, loads: 15 };
        assert!((figures.hit_rate_percent() - 80.0).abs() < 1e-9);
        assert!((figures.avoided_percent() - 85.0).abs() < 1e-9);
        let tally = Tally { reads: 100, hits: 80, unchanged: 15, spared: 5, ..Tally::default() };
        assert_eq!(what_if(&tally), " 85.0 % | 95.0 % |");
        assert!((percent(1, 0)).abs() < 1e-9);
    }

    #[test]
    fn one_in_twenty_requests_is_a_write_and_one_in_a_hundred_is_to_a_job() {
        let ratio = |one_to_a_job_of| Writes { percent: 5, one_to_a_job_of }.for_each_read();
        assert!((ratio(1) * 19.0 - 1.0).abs() < 1e-9);
        assert!((ratio(5) * 95.0 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_portal_that_counts_otherwise_is_noticed() {
        let tally = Tally { reads: 2, hits: 1, new: 1, ..Tally::default() };
        let mut seen = Seen::default();
        seen.reads.insert(Kind::Facets, tally);
        let portal = Figures { hits: 1, misses: 1, loads: 1 };
        let report = Report { writes: Writes { percent: 5, one_to_a_job_of: 1 }, portal, seen };
        assert_eq!(report.contradiction(), None);
        let other = Report { portal: Figures { hits: 2, ..portal }, ..report };
        assert!(other.contradiction().is_some());
    }
}
