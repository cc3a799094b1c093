//! What became of files of figures that were asked for.

use std::fmt;

use super::page::Page;
use crate::exports::ExportStatistics;

pub(super) fn write(page: &mut Page<'_>, exports: &ExportStatistics) -> fmt::Result {
    page.counters(
        "exports",
        "Attempts to make a file of figures in the background, by how they ended",
        exports.attempts().map(|(outcome, count)| (vec![("outcome", outcome)], count)),
    )?;
    page.counter(
        "exports_removed",
        "Exports that were removed with their files",
        exports.removed(),
    )?;
    page.counter("exports_faults", "Failures of our own around exports", exports.faults())
}
