//! Comma-separated values, as RFC 4180 has them.

use std::fmt::Write as _;

use bytes::Bytes;
use employer_store::StoreError;
use employer_store::analytics::{Export, ExportRow, Metric};

const NAMES: [&str; 6] = ["start", "time_zone", "job_id", "job_title", "department", "source"];

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// An export as a file, a part at a time: whoever gives it out and whoever keeps it write the same.
#[derive(Debug)]
pub(crate) struct Parts {
    export: Export,
    has_head: bool,
    lines: u64,
}

impl Parts {
    pub(crate) const fn of(export: Export) -> Self {
        Self { export, has_head: false, lines: 0 }
    }

    /// The next part; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let rows = self.export.next_rows().await?;
        let mut text = String::new();
        if !self.has_head {
            self.has_head = true;
            push_head(&mut text);
        }
        for row in &rows {
            push_row(&mut text, self.export.zone(), row);
            self.lines += 1;
        }
        Ok((!text.is_empty()).then(|| text.into()))
    }

    /// What is written.
    pub(crate) const fn export(&self) -> &Export {
        &self.export
    }

    /// How many lines of figures were written so far.
    pub(crate) const fn lines(&self) -> u64 {
        self.lines
    }
}

/// The line of names.
fn push_head(text: &mut String) {
    text.push_str(&NAMES.join(","));
    for metric in Metric::ALL {
        text.push(',');
        text.push_str(metric.as_str());
    }
    text.push_str("\r\n");
}

/// One line.
fn push_row(text: &mut String, zone: &str, row: &ExportRow) {
    let job = row.job.to_string();
    let cells = [&row.start, zone, &job, &row.title, &row.department, &row.source];
    for (nth, cell) in cells.into_iter().enumerate() {
        if nth > 0 {
            text.push(',');
        }
        push_cell(text, cell);
    }
    for metric in Metric::ALL {
        // Writing to a string cannot fail.
        let _ = write!(text, ",{}", row.totals.get(*metric));
    }
    text.push_str("\r\n");
}

fn push_cell(text: &mut String, cell: &str) {
    let is_formula = cell.starts_with(FORMULA);
    if !is_formula && !cell.contains([',', '"', '\r', '\n']) {
        return text.push_str(cell);
    }
    text.push('"');
    if is_formula {
        text.push('\'');
    }
    text.push_str(&cell.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use employer_store::analytics::Totals;
    use uuid::Uuid;

    use super::*;

    fn cell(text: &str) -> String {
        let mut cell = String::new();
        push_cell(&mut cell, text);
        cell
    }

    #[test]
    fn texts_stay_in_their_cells_and_compute_nothing() {
        for (text, expected) in [
            ("Nurse", "Nurse"),
            ("", ""),
            ("Nurse, night", "\"Nurse, night\""),
            ("the \"best\"", "\"the \"\"best\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("a=1", "a=1"),
            ("=cmd|'/c calc'!A1,\"x\"", "\"'=cmd|'/c calc'!A1,\"\"x\"\"\""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_has_a_cell_for_each_name() {
        let row = ExportRow {
            start: "2026-11-01T00:00:00+01:00".to_owned(),
            job: Uuid::nil(),
            title: "Nurse".to_owned(),
            department: String::new(),
            source: "referral".to_owned(),
            totals: Totals { views: 7, applications: 3, ..Totals::default() },
        };
        let mut text = String::new();
        push_head(&mut text);
        push_row(&mut text, "Europe/Berlin", &row);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            lines,
            [
                "start,time_zone,job_id,job_title,department,source,views,applications,\
                 resubmissions,hires,rejections,withdrawals",
                "2026-11-01T00:00:00+01:00,Europe/Berlin,00000000-0000-0000-0000-000000000000,\
                 Nurse,,referral,7,3,0,0,0,0",
                "",
            ]
        );
    }
}
