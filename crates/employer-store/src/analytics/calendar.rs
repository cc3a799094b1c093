//! Days, weeks and months as clocks and calendars of a zone have them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Days of a period that nobody names.
const USUAL_DAYS: i64 = 30;

/// The step of a time series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    /// Sixty minutes, from the first midnight on.
    Hour,
    /// From midnight to midnight: 23 to 25 hours.
    Day,
    /// From Monday.
    Week,
    /// From the first day of the month.
    Month,
}

impl Grain {
    /// Every step.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Most days of a series with this step.
    pub const fn most_days(self) -> i64 {
        match self {
            Self::Hour => 31,
            Self::Day => 400,
            Self::Week | Self::Month => 1_830,
        }
    }
}

impl FromStr for Grain {
    type Err = UnknownGrain;

    fn from_str(text: &str) -> Result<Self, UnknownGrain> {
        Self::ALL.into_iter().find(|grain| grain.as_str() == text).ok_or(UnknownGrain)
    }
}

/// The text names no step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of hour, day, week, month")]
pub struct UnknownGrain;

/// A time zone of the IANA's list.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Zone").field(&self.name()).finish()
    }
}

impl Zone {
    /// The zone of this name.
    pub fn find(name: &str) -> Option<Self> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b"/_+-".contains(&b);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_word) {
            return None;
        }
        let zone = TimeZone::get(name).ok()?;
        // What is not in the list has no name, and could not be told in an answer.
        zone.iana_name().is_some().then_some(Self(zone))
    }

    /// UTC.
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Its name, in the list's spelling.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The last days up to `now`, or the days that are asked for.
    pub(super) fn days(
        &self,
        from: Option<time::Date>,
        to: Option<time::Date>,
        now: OffsetDateTime,
    ) -> Days {
        let today = self.today(now);
        let (from, to) = (from.and_then(civil), to.and_then(civil));
        let back = |date: Date| date.saturating_sub((USUAL_DAYS - 1).days());
        let last = to.unwrap_or_else(|| from.map_or(today, |from| today.max(from)));
        Days { first: from.unwrap_or_else(|| back(last)), last }
    }

    pub(super) fn today(&self, now: OffsetDateTime) -> Date {
        self.date_of(now)
    }

    /// The day that a moment lies in.
    pub(super) fn date_of(&self, at: OffsetDateTime) -> Date {
        let at = Timestamp::from_second(at.unix_timestamp()).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.0.clone()).date()
    }

    /// The first moment of a day.
    pub(super) fn start_of(&self, date: Date) -> Timestamp {
        date.to_zoned(self.0.clone()).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// The first moment after these days.
    pub(super) fn end_of(&self, days: Days) -> Timestamp {
        self.start_of(days.last.saturating_add(1.day()))
    }

    /// Where the steps of these days begin. The first begins with the days, even where a week or a
    /// month has begun before.
    pub(super) fn steps(&self, days: Days, grain: Grain) -> Vec<Timestamp> {
        let end = self.end_of(days);
        let mut at = self.start_of(days.first);
        let mut starts = Vec::new();
        if grain == Grain::Hour {
            while at < end {
                starts.push(at);
                at = at.saturating_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
            }
            return starts;
        }
        let mut date = days.first;
        while date <= days.last {
            starts.push(self.start_of(date));
            let next = match grain {
                Grain::Hour | Grain::Day => date.saturating_add(1.day()),
                Grain::Week => date.nth_weekday(1, Weekday::Monday).unwrap_or(Date::MAX),
                Grain::Month => date.first_of_month().saturating_add(1.month()),
            };
            if next <= date {
                break;
            }
            date = next;
        }
        starts
    }

    /// A moment as clocks show it, with the distance from UTC.
    pub(super) fn text(&self, at: Timestamp) -> String {
        at.to_zoned(self.0.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

/// Some days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) first: Date,
    pub(super) last: Date,
}

impl Days {
    /// As many days, right before these.
    pub(super) fn before(self) -> Self {
        let last = self.first.saturating_sub(1.day());
        let length = self.last.duration_since(self.first);
        Self { first: last.saturating_sub(length), last }
    }
}

fn civil(date: time::Date) -> Option<Date> {
    let (year, month, day) = date.to_calendar_date();
    let month = i8::try_from(u8::from(month)).ok()?;
    Date::new(i16::try_from(year).ok()?, month, i8::try_from(day).ok()?).ok()
}

/// The same moment in the form that the database takes.
pub(super) fn instant(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    fn steps(zone: &str, from: time::Date, to: time::Date, grain: Grain) -> Vec<String> {
        let zone = Zone::find(zone).unwrap();
        let days = zone.days(Some(from), Some(to), OffsetDateTime::UNIX_EPOCH);
        zone.steps(days, grain).into_iter().map(|at| zone.text(at)).collect()
    }

    #[test]
    fn days_are_as_long_as_clocks_make_them() {
        let days = steps("Europe/Berlin", date!(2026 - 10 - 24), date!(2026 - 10 - 26), Grain::Day);
        let expected =
            ["2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"];
        assert_eq!(days, expected);
        let day = |day| steps("Europe/Berlin", day, day, Grain::Hour).len();
        assert_eq!((day(date!(2026 - 10 - 25)), day(date!(2026 - 03 - 29))), (25, 23));
        // Where clocks go forward at midnight, the day begins an hour late.
        let days = steps("Asia/Beirut", date!(2026 - 03 - 28), date!(2026 - 03 - 30), Grain::Day);
        assert_eq!(days[1], "2026-03-29T01:00:00+03:00");
    }

    #[test]
    fn days_of_zones_between_the_hours_begin_between_the_hours() {
        let days =
            steps("Asia/Kathmandu", date!(2026 - 11 - 01), date!(2026 - 11 - 01), Grain::Day);
        assert_eq!(days, ["2026-11-01T00:00:00+05:45"]);
        let hours =
            steps("Asia/Kolkata", date!(2026 - 11 - 01), date!(2026 - 11 - 01), Grain::Hour);
        assert_eq!((hours.len(), hours[1].as_str()), (24, "2026-11-01T01:00:00+05:30"));
    }

    #[test]
    fn weeks_and_months_begin_where_the_days_do_and_then_by_themselves() {
        let weeks = steps("UTC", date!(2026 - 11 - 04), date!(2026 - 11 - 17), Grain::Week);
        let expected =
            ["2026-11-04T00:00:00+00:00", "2026-11-09T00:00:00+00:00", "2026-11-16T00:00:00+00:00"];
        assert_eq!(weeks, expected);
        let months = steps("UTC", date!(2026 - 01 - 31), date!(2026 - 03 - 01), Grain::Month);
        assert_eq!(months.len(), 3);
        assert_eq!(months[2], "2026-03-01T00:00:00+00:00");
    }

    #[test]
    fn what_is_not_asked_for_is_the_last_thirty_days() {
        let zone = Zone::find("Pacific/Auckland").unwrap();
        let now = datetime!(2026-11-21 23:30 UTC);
        let days = zone.days(None, None, now);
        assert_eq!(
            (days.first.to_string(), days.last.to_string()),
            ("2026-10-24".into(), "2026-11-22".into())
        );
        let before = days.before();
        assert_eq!(
            (before.first.to_string(), before.last.to_string()),
            ("2026-09-24".into(), "2026-10-23".into())
        );
        let later = zone.days(Some(date!(2026 - 12 - 24)), None, now);
        assert_eq!(later.first, later.last);
    }

    #[test]
    fn only_names_of_the_list_are_zones() {
        assert_eq!(Zone::find("europe/berlin").unwrap().name(), "Europe/Berlin");
        for name in ["", "Mars/Phobos", "+02:00", "../etc/passwd", "CET-1CEST"] {
            assert!(Zone::find(name).is_none(), "{name}");
        }
    }
}
