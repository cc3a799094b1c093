//! What a report may be asked for: parsed, bounded, and spelled canonically.

use std::str::FromStr;

use employer_store::analytics::{OfSource, Question, Zone};
use tenancy::{JobId, JobView, KeyBuilder};
use time::format_description::BorrowedFormatItem;
use time::macros::{date, format_description};
use time::{Date, OffsetDateTime};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::error::{ApiError, Faults};
use crate::extract::{Pairs, refused_parameters};
use crate::jobs::query::single;

/// The parameters of every report.
pub(crate) const KEYS: [&str; 5] = ["job", "source", "from", "to", "tz"];

/// Most days of a report that has no steps.
pub(super) const MOST_DAYS: i64 = 1_830;

/// Nothing was counted before.
const FIRST: Date = date!(2000 - 01 - 01);
/// Nobody asks for days beyond.
const LAST: Date = date!(2100 - 12 - 31);

const CALENDAR_DATE: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// A query string on its way to a question.
#[derive(Debug)]
pub(crate) struct Parameters {
    pairs: Pairs,
    pub(super) faults: Faults,
}

impl Parameters {
    /// Those of every report, and `further` ones.
    pub(super) fn read(query: &str, further: &[&str]) -> Result<Self, ApiError> {
        let known = [KEYS.as_slice(), further].concat();
        Ok(Self { pairs: Pairs::parse(query, &known)?, faults: Faults::default() })
    }

    /// The same from a body: names that are known, with their texts.
    pub(crate) fn of_texts(texts: Vec<(String, String)>) -> Self {
        Self { pairs: Pairs::of(texts), faults: Faults::default() }
    }

    /// A word of a vocabulary.
    pub(crate) fn word<T>(&mut self, key: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let text = single(&self.pairs, key, &mut self.faults)?;
        match text.parse() {
            Ok(word) => Some(word),
            Err(error) => {
                self.faults.add(format!("query:{key}"), "unknown_word", T::Err::to_string(&error));
                None
            }
        }
    }

    /// Words of a vocabulary, at most `most`, each once.
    pub(super) fn words<T>(&mut self, key: &str, most: usize) -> Vec<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let mut words = Vec::new();
        for item in self.pairs.list(key, most, &mut self.faults) {
            match item.parse() {
                Ok(word) => words.push(word),
                Err(error) => {
                    let detail = T::Err::to_string(&error);
                    self.faults.add(format!("query:{key}"), "unknown_word", detail);
                    break;
                }
            }
        }
        words
    }

    /// A whole number.
    pub(super) fn number(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        crate::jobs::query::number(&self.pairs, key, range, &mut self.faults)
    }

    /// What the report is about, with at most so many days; every fault is named.
    pub(crate) fn question(
        mut self,
        view: JobView,
        most_days: i64,
        now: OffsetDateTime,
    ) -> Result<Asked, ApiError> {
        let (pairs, faults) = (&self.pairs, &mut self.faults);
        let job = job_of(pairs, faults);
        let source = source_of(pairs, faults);
        let zone = zone_of(pairs, faults);
        let (from, to) = (day_of(pairs, "from", faults), day_of(pairs, "to", faults));
        if let Some(from) = from {
            // Zones are a day apart at most.
            let last = to.unwrap_or_else(|| now.date().next_day().unwrap_or(LAST));
            let days = (last - from).whole_days() + 1;
            if to.is_some() && days < 1 {
                self.faults.add("query:to", "contradiction", "is before from");
            } else if days > most_days {
                let detail = format!("at most {most_days} days up to the last one");
                self.faults.add("query:from", "too_large", detail);
            }
        }
        if !self.faults.is_empty() {
            return Err(refused_parameters(self.faults));
        }
        Ok(Asked(Question { view, job, source, from, to, zone }))
    }
}

/// A question with a canonical spelling.
#[derive(Clone, Debug)]
pub(crate) struct Asked(pub(super) Question);

impl Asked {
    /// The question alone.
    pub(crate) fn into_question(self) -> Question {
        self.0
    }

    /// Appends it to a key: every part has its place.
    pub(super) fn append_to(&self, key: KeyBuilder) -> KeyBuilder {
        let Question { view, job, source, from, to, zone } = &self.0;
        let source = match source {
            OfSource::Any => None,
            OfSource::Named(name) => Some(name.as_str()),
            OfSource::Unknown => Some(UNKNOWN),
        };
        key.part(&view.key_part())
            .optional_part(job.map(|job| job.to_string()).as_deref())
            .optional_part(source)
            .optional_part(from.map(|day| day.to_string()).as_deref())
            .optional_part(to.map(|day| day.to_string()).as_deref())
            .optional_part(zone.as_ref().map(Zone::name))
    }
}

/// How those are named whose source nobody knows: no source begins with it.
const UNKNOWN: &str = "-";

fn job_of(pairs: &Pairs, faults: &mut Faults) -> Option<JobId> {
    let text = single(pairs, "job", faults)?;
    let id = Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text);
    if id.is_none() {
        faults.add("query:job", "malformed", "the id of a job");
    }
    id.map(JobId::from_uuid)
}

fn source_of(pairs: &Pairs, faults: &mut Faults) -> OfSource {
    let Some(text) = single(pairs, "source", faults) else { return OfSource::Any };
    if text == UNKNOWN {
        return OfSource::Unknown;
    }
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_name = text.len() <= 50
        && text.bytes().enumerate().all(|(at, b)| is_letter(b) || (at > 0 && b"._-".contains(&b)));
    if !is_name {
        faults.add("query:source", "malformed", "a source as reports name it, or - for none");
    }
    OfSource::Named(text.to_owned())
}

fn zone_of(pairs: &Pairs, faults: &mut Faults) -> Option<Zone> {
    let text = single(pairs, "tz", faults)?;
    let zone = Zone::find(text);
    if zone.is_none() {
        faults.add("query:tz", "unknown_value", "is no time zone, such as Europe/Berlin");
    }
    zone
}

fn day_of(pairs: &Pairs, key: &str, faults: &mut Faults) -> Option<Date> {
    let text = single(pairs, key, faults)?;
    let day = Date::parse(text, CALENDAR_DATE).ok().filter(|day| (FIRST..=LAST).contains(day));
    if day.is_none() {
        faults.add(format!("query:{key}"), "malformed", "a day from 2000 to 2100, as 2026-11-01");
    }
    day
}

/// What a report is about.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; a test holds it to KEYS")]
pub(crate) struct ReportParameters {
    /// One job only; 404 where the caller does not see it.
    job: Option<Uuid>,
    /// Those only who came from there; `-` for those of whom nobody knows.
    #[param(example = "newsletter")]
    source: Option<String>,
    /// The first day; 30 days up to the last one where it is absent.
    #[param(example = "2026-10-01")]
    from: Option<String>,
    /// The last day; today where it is absent.
    #[param(example = "2026-10-31")]
    to: Option<String>,
    /// The zone of the days (IANA); the organization's where it is absent.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use utoipa::openapi::path::ParameterIn;

    use super::*;

    fn ask(query: &str) -> Result<Question, ApiError> {
        let parameters = Parameters::read(query, &[])?;
        let asked = parameters.question(JobView::All, 400, datetime!(2026-11-22 12:00 UTC));
        asked.map(|asked| asked.0)
    }

    #[test]
    fn every_parameter_is_described() {
        let described: Vec<String> = ReportParameters::into_params(|| Some(ParameterIn::Query))
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(described, KEYS);
    }

    #[test]
    fn faults_are_named_all_at_once() {
        let refused =
            ask("job=7&source=A%20b&tz=Nowhere&from=2026-02-30&to=1999-12-31").unwrap_err();
        let pointers: Vec<&str> =
            refused.errors().iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["query:job", "query:source", "query:tz", "query:from", "query:to"]);
        assert!(ask("by=job").is_err());
        assert!(ask("tz=UTC&tz=UTC").is_err());
    }

    #[test]
    fn periods_are_bounded_however_they_are_asked_for() {
        for query in
            ["from=2026-11-02&to=2026-11-01", "from=2025-01-01&to=2026-11-01", "from=2025-01-01"]
        {
            assert!(ask(query).is_err(), "{query}");
        }
        for query in ["to=2001-01-01", "from=2026-11-02&to=2026-11-02", "from=2026-12-24"] {
            assert!(ask(query).is_ok(), "{query}");
        }
    }

    #[test]
    fn one_question_has_one_spelling() {
        assert_eq!(ask("tz=europe/berlin").unwrap().zone.unwrap().name(), "Europe/Berlin");
        assert_eq!(ask("source=").unwrap().source, OfSource::Any);
        assert_eq!(ask("source=-").unwrap().source, OfSource::Unknown);
    }
}
