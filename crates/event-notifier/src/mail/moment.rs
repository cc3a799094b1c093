//! When a mail may go: after its digest's time has come, and not in the quiet hours.

use employer_store::feed::{Digest, MailWishes};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};
use time::OffsetDateTime;

/// Whether a mail may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It may.
    Now,
    /// At this instant the question is to be asked again.
    Later(OffsetDateTime),
}

/// Whether a mail whose oldest notification was written at `oldest` may go `now`.
///
/// A digest's time is the first one after `oldest`, so it does not matter when this is asked, nor how
/// often. A zone that is not known is taken for UTC; so is an instant beyond the calendar.
pub fn moment(now: OffsetDateTime, oldest: OffsetDateTime, wishes: &MailWishes) -> Moment {
    let zone = TimeZone::get(&wishes.time_zone).unwrap_or(TimeZone::UTC);
    let (Some(now), Some(oldest)) = (in_zone(now, &zone), in_zone(oldest, &zone)) else {
        return Moment::Now;
    };
    let due = match wishes.digest {
        Digest::Off => None,
        Digest::Hourly => oldest.checked_add(SignedDuration::from_hours(1)).ok(),
        Digest::Daily(minute) => next(&oldest, minute),
    };
    if let Some(due) = due.filter(|due| *due > now) {
        return later(&due);
    }
    match wishes.quiet {
        Some((from, until)) if is_quiet(&now, from, until) => {
            next(&now, until).map_or(Moment::Now, |end| later(&end))
        }
        _ => Moment::Now,
    }
}

fn in_zone(instant: OffsetDateTime, zone: &TimeZone) -> Option<Zoned> {
    let timestamp = Timestamp::from_nanosecond(instant.unix_timestamp_nanos()).ok()?;
    Some(timestamp.to_zoned(zone.clone()))
}

fn later(at: &Zoned) -> Moment {
    let nanoseconds = at.timestamp().as_nanosecond();
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_or(Moment::Now, Moment::Later)
}

/// The next time that clocks show this minute of the day. Where they leave it out, it is the minute
/// that is as far behind the gap; where they show it twice, the first.
fn next(after: &Zoned, minute: u16) -> Option<Zoned> {
    let hour = i8::try_from(minute / 60).ok()?;
    let time = Time::new(hour, i8::try_from(minute % 60).ok()?, 0, 0).ok()?;
    // The day before as well: what a gap has moved may lie after midnight.
    (-1..=2).find_map(|days| {
        let date = after.date().checked_add(i64::from(days).days()).ok()?;
        let candidate = date.to_datetime(time).to_zoned(after.time_zone().clone()).ok()?;
        (candidate > *after).then_some(candidate)
    })
}

fn is_quiet(now: &Zoned, from: u16, until: u16) -> bool {
    let minute = u16::try_from(i16::from(now.hour()) * 60 + i16::from(now.minute())).unwrap_or(0);
    if from < until { (from..until).contains(&minute) } else { minute >= from || minute < until }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn wishes(digest: Digest, quiet: Option<(u16, u16)>, zone: &str) -> MailWishes {
        MailWishes { digest, quiet, time_zone: zone.to_owned() }
    }

    #[test]
    fn without_wishes_a_mail_goes_at_once() {
        let now = datetime!(2026-11-22 03:00 UTC);
        assert_eq!(moment(now, now, &wishes(Digest::Off, None, "Europe/Berlin")), Moment::Now);
        assert_eq!(moment(now, now, &wishes(Digest::Off, None, "Nowhere/Land")), Moment::Now);
    }

    #[test]
    fn an_hour_is_counted_from_the_first() {
        let first = datetime!(2026-11-22 10:10 UTC);
        let wishes = wishes(Digest::Hourly, None, "UTC");
        let due = datetime!(2026-11-22 11:10 UTC);
        assert_eq!(moment(datetime!(2026-11-22 11:09 UTC), first, &wishes), Moment::Later(due));
        assert_eq!(moment(due, first, &wishes), Moment::Now);
    }

    #[test]
    fn a_day_ends_where_the_person_is() {
        let wishes = wishes(Digest::Daily(8 * 60), None, "America/New_York");
        let first = datetime!(2026-11-22 14:00 UTC); // 9:00 there
        let due = datetime!(2026-11-23 13:00 UTC);
        assert_eq!(moment(first, first, &wishes), Moment::Later(due));
        assert_eq!(moment(due, first, &wishes), Moment::Now);
        assert_eq!(moment(datetime!(2026-11-25 02:00 UTC), first, &wishes), Moment::Now);
    }

    #[test]
    fn quiet_hours_are_those_of_the_person_and_go_over_midnight() {
        let wishes = wishes(Digest::Off, Some((22 * 60, 7 * 60)), "Europe/Berlin");
        for (now, expected) in [
            (datetime!(2026-11-22 20:59 UTC), None),
            (datetime!(2026-11-22 21:00 UTC), Some(datetime!(2026-11-23 06:00 UTC))),
            (datetime!(2026-11-23 05:59 UTC), Some(datetime!(2026-11-23 06:00 UTC))),
            (datetime!(2026-11-23 06:00 UTC), None),
        ] {
            let expected = expected.map_or(Moment::Now, Moment::Later);
            assert_eq!(moment(now, now, &wishes), expected, "{now}");
        }
    }

    #[test]
    fn a_digest_that_falls_into_quiet_hours_waits_for_their_end() {
        let wishes = wishes(Digest::Daily(23 * 60), Some((22 * 60, 6 * 60)), "UTC");
        let first = datetime!(2026-11-22 12:00 UTC);
        let digest = datetime!(2026-11-22 23:00 UTC);
        assert_eq!(moment(first, first, &wishes), Moment::Later(digest));
        let end = datetime!(2026-11-23 06:00 UTC);
        assert_eq!(moment(digest, first, &wishes), Moment::Later(end));
        assert_eq!(moment(end, first, &wishes), Moment::Now);
    }

    #[test]
    fn clocks_that_are_changed_lose_no_day_and_repeat_none() {
        // In Berlin 02:30 does not exist on 2026-03-29, and exists twice on 2026-10-25.
        let wishes = wishes(Digest::Daily(150), None, "Europe/Berlin");
        let first = datetime!(2026-03-28 12:00 UTC);
        assert_eq!(
            moment(first, first, &wishes),
            Moment::Later(datetime!(2026-03-29 01:30 UTC)), // 03:30 there
        );
        let first = datetime!(2026-10-24 12:00 UTC);
        let once = datetime!(2026-10-25 00:30 UTC);
        assert_eq!(moment(first, first, &wishes), Moment::Later(once));
        let next_day = datetime!(2026-10-26 01:30 UTC);
        assert_eq!(moment(once, once, &wishes), Moment::Later(next_day));
    }

    proptest! {
        #[test]
        fn waiting_ends_within_days_and_never_in_quiet_hours(
            seconds in 1_700_000_000_i64..1_900_000_000,
            age in 0_i64..200_000,
            zone in prop::sample::select(vec![
                "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe",
                "Pacific/Apia", "America/St_Johns", "UTC",
            ]),
            digest in prop_oneof![
                Just(Digest::Off), Just(Digest::Hourly), (0_u16..1_440).prop_map(Digest::Daily),
            ],
            quiet in prop::option::of((0_u16..1_440, 0_u16..1_440)),
        ) {
            let quiet = quiet.filter(|(from, until)| from != until);
            let wishes = wishes(digest, quiet, zone);
            let start = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let oldest = start - time::Duration::seconds(age);
            let mut now = start;
            for _ in 0..4 {
                match moment(now, oldest, &wishes) {
                    Moment::Now => {
                        let here = in_zone(now, &TimeZone::get(zone).unwrap()).unwrap();
                        prop_assert!(quiet.is_none_or(|(from, until)| !is_quiet(&here, from, until)));
                        prop_assert!(now - start <= time::Duration::hours(51));
                        return Ok(());
                    }
                    Moment::Later(at) => {
                        prop_assert!(at > now);
                        now = at;
                    }
                }
            }
            prop_assert!(false, "it waits for ever: {now}");
        }
    }
}
