//! Rows in the text format of `COPY`: tabs between columns, a newline behind each row.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};

use uuid::Uuid;

use super::rows::JobRow;
use crate::jobs::{JobLocation, description_html, search_terms};

/// The columns of the temporary table, in the order of [`Encoder::job`].
pub(super) const COLUMNS: &str = "tenant_id uuid, id uuid, slug text, requisition text, title text, \
     department text, employment_type text, experience_level text, workplace text, \
     description_text text, description_html text, search_terms text, salary_min bigint, \
     salary_max bigint, salary_currency text, salary_period text, pay_blurb text, \
     openings integer, status text, closed_reason text, published_at bigint, \
     valid_through bigint, created_by uuid, created_at bigint, updated_at bigint, \
     countries text[], regions text[], cities text[], skills text[], team uuid[], access text[]";

/// Descriptions that are remembered at most, some kilobytes each.
const MAX_REMEMBERED: usize = 10_000;

/// Collects rows until they are sent.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    text: String,
    /// Descriptions as columns, text and HTML: generated jobs share a few thousand of them, and
    /// they are most of what there is to encode.
    descriptions: HashMap<String, String>,
}

impl Encoder {
    /// What was collected; the encoder is empty again.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text).into_bytes()
    }

    /// Adds a job of a tenant, with its places, skills and team in arrays.
    pub(super) fn job(&mut self, tenant: Uuid, job: &JobRow) {
        self.plain(tenant);
        self.plain(job.id);
        self.text(&job.slug());
        self.text(&job.requisition());
        self.text(&job.title);
        self.text(&job.department);
        self.plain(job.employment_type);
        self.plain(job.experience_level);
        self.plain(job.workplace);
        self.description(&job.description);
        self.text(&search_terms(&job.skills, &job.locations));
        self.optional(job.salary.as_ref().map(|salary| salary.min));
        self.optional(job.salary.as_ref().map(|salary| salary.max));
        self.optional(job.salary.as_ref().map(|salary| salary.currency.as_str()));
        self.optional(job.salary.as_ref().map(|salary| salary.period));
        self.optional_text(job.pay_blurb.as_deref());
        self.plain(job.openings);
        self.plain(job.status);
        self.optional(job.closed_reason);
        self.optional(job.published_at.map(time::OffsetDateTime::unix_timestamp));
        self.optional(job.valid_through.map(time::OffsetDateTime::unix_timestamp));
        self.plain(job.created_by);
        self.plain(job.created_at.unix_timestamp());
        self.plain(job.updated_at.unix_timestamp());
        let place = |part: fn(&JobLocation) -> Option<&str>| job.locations.iter().map(part);
        self.array(place(|location| Some(&location.country)));
        self.array(place(|location| location.region.as_deref()));
        self.array(place(|location| location.city.as_deref()));
        self.array(job.skills.iter().map(|skill| Some(skill.as_str())));
        let users: Vec<String> = job.team.iter().map(|(user, _)| user.to_string()).collect();
        self.array(users.iter().map(|user| Some(user.as_str())));
        self.array(job.team.iter().map(|(_, access)| Some(access.as_str())));
        self.text.pop();
        self.text.push('\n');
    }

    /// A value whose text has nothing to escape.
    fn plain(&mut self, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}\t");
    }

    fn optional(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.plain(value),
            None => self.text.push_str("\\N\t"),
        }
    }

    fn description(&mut self, description: &str) {
        if let Some(columns) = self.descriptions.get(description) {
            self.text.push_str(columns);
            return;
        }
        let start = self.text.len();
        self.text(description);
        self.text(&description_html(description));
        if let Some(columns) = self.text.get(start..)
            && self.descriptions.len() < MAX_REMEMBERED
        {
            self.descriptions.insert(description.to_owned(), columns.to_owned());
        }
    }

    fn text(&mut self, value: &str) {
        for c in value.chars() {
            self.escaped(c);
        }
        self.text.push('\t');
    }

    fn optional_text(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.text(value),
            None => self.text.push_str("\\N\t"),
        }
    }

    /// An array literal: each element quoted for the array first, then for `COPY`.
    fn array<'a>(&mut self, elements: impl Iterator<Item = Option<&'a str>>) {
        self.text.push('{');
        for (index, element) in elements.enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            let Some(element) = element else {
                self.text.push_str("NULL");
                continue;
            };
            self.text.push('"');
            for c in element.chars() {
                if matches!(c, '"' | '\\') {
                    self.escaped('\\');
                }
                self.escaped(c);
            }
            self.text.push('"');
        }
        self.text.push_str("}\t");
    }

    fn escaped(&mut self, c: char) {
        match c {
            '\\' => self.text.push_str("\\\\"),
            '\t' => self.text.push_str("\\t"),
            '\n' => self.text.push_str("\\n"),
            '\r' => self.text.push_str("\\r"),
            c => self.text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(write: impl FnOnce(&mut Encoder)) -> String {
        let mut encoder = Encoder::default();
        write(&mut encoder);
        String::from_utf8(encoder.take()).unwrap()
    }

    #[test]
    fn what_would_end_a_column_is_escaped() {
        assert_eq!(column(|e| e.text("a\tb\nc\\N\r")), "a\\tb\\nc\\\\N\\r\t");
        assert_eq!(column(|e| e.optional(None::<i64>)), "\\N\t");
        assert_eq!(column(|e| e.optional_text(Some(""))), "\t");
    }

    #[test]
    fn array_elements_are_quoted_twice() {
        let elements = [Some("plain"), None, Some("say \"a\\b\"\n{,}")];
        assert_eq!(
            column(|e| e.array(elements.into_iter())),
            "{\"plain\",NULL,\"say \\\\\"a\\\\\\\\b\\\\\"\\n{,}\"}\t"
        );
        assert_eq!(column(|e| e.array(std::iter::empty())), "{}\t");
    }

    #[test]
    fn the_columns_are_as_many_as_the_values() {
        let job = super::super::demo::tests::any_job();
        let row = column(|e| e.job(Uuid::nil(), &job));
        assert_eq!(row.trim_end_matches('\n').split('\t').count(), COLUMNS.split(',').count());
        let twice = column(|e| {
            e.job(Uuid::nil(), &job);
            e.job(Uuid::nil(), &job);
        });
        assert_eq!(twice, row.repeat(2));
    }
}
